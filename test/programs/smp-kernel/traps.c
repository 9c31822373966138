/* Traps: the interrupt descriptor table, interrupts, faults, and system calls. */
#include "hardware.h"
#include "kernel.h"
#include "system-calls.h"

#define VECTORS 64
#define INTERRUPT_GATE 0x8e00u
#define FROM_USER 0x6000u
#define USER_RPL 3u

extern const uint32_t trap_stubs[VECTORS];

static uint64_t gates[VECTORS];

void traps_begin(void) {
  for (uint32_t vector = 0; vector < VECTORS; vector++) {
    uint32_t rights = INTERRUPT_GATE | (vector == VECTOR_SYSTEM_CALL ? FROM_USER : 0);
    uint32_t stub = trap_stubs[vector];
    gates[vector] = (uint64_t)((stub & 0xffff0000u) | rights) << 32 | 8u << 16 | (stub & 0xffff);
  }
}

void load_traps(void) {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } table = {sizeof gates - 1, (uint32_t)gates};
  __asm__ volatile("lidt %0" : : "m"(table));
}

/* Whether a process may read and write these bytes. */
static int is_own(uint32_t address, uint32_t bytes) {
  uint32_t *directory = this_processor()->running->directory;
  if (address < USER_TEXT || address >= USER_END || bytes > USER_END - address) return 0;
  for (uint32_t page = address & ~(PAGE_BYTES - 1); page < address + bytes; page += PAGE_BYTES)
    if (user_page(directory, page, 0) == NULL) return 0;
  return 1;
}

static int write_to(uint32_t number, uint32_t address, uint32_t length) {
  struct descriptor *descriptor = descriptor_at(number);
  if (descriptor == NULL || !descriptor->writes || !is_own(address, length)) return -1;
  if (!descriptor->console) return write_pipe(descriptor->pipe, (const char *)address, length);
  write_console((const char *)address, length);
  return (int)length;
}

static int read_from(uint32_t number, uint32_t address, uint32_t length) {
  struct descriptor *descriptor = descriptor_at(number);
  if (descriptor == NULL || descriptor->writes || !is_own(address, length)) return -1;
  return read_pipe(descriptor->pipe, (char *)address, length);
}

static int make_pipe(uint32_t address) {
  if (!is_own(address, 2 * sizeof(int))) return -1;
  struct pipe *pipe = new_pipe();
  int *numbers = (int *)address;
  numbers[0] = new_descriptor(pipe, 0);
  numbers[1] = new_descriptor(pipe, 1);
  return numbers[0] < 0 || numbers[1] < 0 ? -1 : 0;
}

static int wait_call(uint32_t address) {
  int status;
  if (!is_own(address, sizeof status)) return -1;
  int id = wait_for_child(&status);
  if (id >= 0) *(int *)address = status;
  return id;
}

static int close_call(uint32_t number) {
  struct descriptor *descriptor = descriptor_at(number);
  if (descriptor == NULL) return -1;
  close_descriptor(descriptor);
  return 0;
}

static int system_call(const struct frame *frame) {
  struct process *self = this_processor()->running;
  uint32_t first = frame->ebx, second = frame->ecx, third = frame->edx;
  switch (frame->eax) {
    case CALL_EXIT:
      end_process((int)first);
    case CALL_FORK:
      return fork_process();
    case CALL_WAIT:
      return wait_call(first);
    case CALL_YIELD:
      give_way();
      return 0;
    case CALL_WRITE:
      return write_to(first, second, third);
    case CALL_READ:
      return read_from(first, second, third);
    case CALL_PIPE:
      return make_pipe(first);
    case CALL_CLOSE:
      return close_call(first);
    case CALL_GROW:
      return grow_heap((int32_t)first);
    case CALL_ID:
      return (int)self->id;
    case CALL_ALL_USED:
      return processors_used == (1u << processor_count) - 1;
    case CALL_FREE_PAGES:
      return (int)free_pages();
    case CALL_POWER_OFF:
      end_machine(first);
    default:
      return -1;
  }
}

/* Called by start.asm with interrupts off, as they are in all of the kernel but in the scheduler's wait. */
void trap(struct frame *frame) {
  struct processor *processor = this_processor();
  int from_user = (frame->cs & 3) == USER_RPL;
  switch (frame->vector) {
    case VECTOR_SYSTEM_CALL:
      processor->running->frame = frame;
      frame->eax = (uint32_t)system_call(frame);
      return;
    case VECTOR_TIMER:
      end_of_interrupt();
      processor->timer_interrupts++;
      if (from_user) give_way();
      return;
    case VECTOR_WAKE:
      end_of_interrupt();
      return;
    case VECTOR_SPURIOUS:
      return;
    default:
      if (!from_user) panic("a fault in the kernel", frame->vector);
      /* It did what it may not: it ends, and nobody else is hurt. */
      end_process(-(int)frame->vector);
  }
}
