/* What all families do around their instruction. */
#include "guest.h"

u8 *code;
u32 case_bits, case_cpl, executed;

/* Code that earlier cases wrote becomes INT3 again. */
void begin_code(u32 offset) {
  u32 *slot = (u32 *)arena(offset);
  for (u32 i = 0; i < 16; i++)
    if (slot[i] != 0xcccccccc) slot[i] = 0xcccccccc;
  code = arena(offset);
}

static void fill(u32 offset, u32 words, u32 value) {
  u32 *to = (u32 *)arena(offset);
  for (u32 i = 0; i < words; i++) to[i] = value = value * 1664525u + 1013904223u;
}

void ordinary_case(u32 bits, u32 cpl) {
  case_bits = bits;
  case_cpl = cpl;
  begin_code(CODE_AT);
  for (int i = 0; i < (B64 ? 16 : 8); i++) entry[i] = bits == 64 ? interesting_word() : interesting();
  const word base = bits == 64 ? ARENA : 0;
  entry[IP] = base + CODE_AT;
  entry[SP] = base + STACK_AT;
  /* IRET to a 16-bit stack leaves the upper half of ESP as the monitor had it. */
  if (!B64 && bits == 16) entry[SP] |= (word)entry & 0xffff0000;
  entry[CS] = bits == 64 ? CODE64(cpl) : bits == 32 ? CODE32(cpl) : CODE16(cpl);
  entry[SS] = bits == 16 ? DATA16(cpl) : DATA32(cpl);
  entry[DS] = entry[ES] = DATA32(3);
  if (bits == 64 && deviations & AVOID_FLAT_BASES) {
    entry[SS] = cpl == 0 ? KERNEL_DATA : FLAT_DATA;
    entry[DS] = entry[ES] = FLAT_DATA;
  }
  entry[FS] = FS_DATA;
  entry[GS] = GS_DATA;
  entry[FLAGS] = (rnd() & (STATUS | DF)) | 2;
  if (cpl != 3 && bits != 16) {
    entry[IP] += ALIAS;
    entry[SP] = base + STACK0_AT - 0x100;
  }
  fill(STACK_AT - 64, 32, rnd());
}

/* 16-bit code in virtual-8086 mode, which sees the arena through its low alias. */
void virtual_8086_case(void) {
  ordinary_case(16, 3);
  entry[SP] = STACK_AT;
  entry[CS] = entry[SS] = entry[DS] = entry[ES] = LOW_ALIAS >> 4;
  entry[FS] = (LOW_ALIAS + FS_BASE - ARENA) >> 4;
  entry[GS] = (LOW_ALIAS + GS_BASE - ARENA) >> 4;
  entry[FLAGS] |= VM;
}


/* What earlier cases left on the stack of CPL 0, for families that compare it. */
void clear_handler_stack(void) {
  for (u32 offset = STACK0_AT - 0x140; offset < STACK0_AT + 0x20; offset += 4) *(u32 *)arena(offset) = 0;
}
