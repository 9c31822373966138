/* Numbers of the system calls: in EAX at INT 30h, with up to three values in EBX, ECX and EDX; the answer comes in EAX. */
#ifndef SYSTEM_CALLS_H
#define SYSTEM_CALLS_H

enum system_call {
  CALL_EXIT,
  CALL_FORK,
  CALL_WAIT,
  CALL_YIELD,
  CALL_WRITE,
  CALL_READ,
  CALL_PIPE,
  CALL_CLOSE,
  CALL_GROW,
  CALL_ID,
  CALL_ALL_USED,
  CALL_FREE_PAGES,
  CALL_POWER_OFF,
};

#endif
