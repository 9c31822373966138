/* Segment descriptors: random ones in the GDT and the LDT are loaded into every data segment register at every privilege level
   and asked by LAR, LSL, VERR and VERW; what was loaded is then used around its limit. */
#include "guest.h"

u32 random_selector(void) {
  const u32 r = rnd();
  switch (r & 15) {
    case 0: return deviations & AVOID_SYSTEM_TYPES ? case_cpl : r >> 8 & 3;                                       /* null */
    case 1: return r >> 16;                                          /* often outside the table */
    case 2: return (u32[]){TASK, LDT, DATA32(0), KERNEL_CODE}[r >> 8 & 3] | (r >> 16 & 3);
    case 3: case 4: return LOCAL_SLOT | 4 | (r >> 8 & 3);
    case 5: return (0x80 + (r >> 8 & 0x78)) | (r >> 16 & 3);
    default: return RANDOM_SLOT(0) | (r >> 8 & 3);
  }
}

/* Sets both random descriptors; in IA-32e mode system descriptors have a second half. */
void random_slots(void) {
  gdt[RANDOM_SLOT(0) / 8] = random_descriptor();
  gdt[RANDOM_SLOT(0) / 8 + 1] = chance(4) ? rnd() : 0;
  local_table[LOCAL_SLOT / 8] = random_descriptor();
  local_table[LOCAL_SLOT / 8 + 1] = 0;
}

void emit_slots(void) {
  const u32 compared = deviations & AVOID_ACCESSED_CODE ? ~0x100u : ~0u;
  emit("slot", (u32)(gdt[RANDOM_SLOT(0) / 8] >> 32) & compared);
  emit("local", (u32)(local_table[LOCAL_SLOT / 8] >> 32) & compared);
}

/* An access through the segment register just loaded, around the limit of the random descriptor. */
static void access_loaded(u32 sreg, u32 selector) {
  static const u8 overrides[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
  const u64 d = selector & 4 ? local_table[LOCAL_SLOT / 8] : gdt[RANDOM_SLOT(0) / 8];
  u32 limit = (u32)(d & 0xffff) | ((u32)(d >> 32) & 0xf0000);
  if (d >> 55 & 1) limit = limit << 12 | 0xfff;
  u32 offset = limit < ARENA_BYTES && chance(2) ? limit - 3 + below(6) : DATA_PAGE + below(0xff0);
  if (case_bits == 64) {
    byte(overrides[sreg]);
    byte(0x48 | (rnd() & 8));
    byte(0x8b), byte(0x03); /* mov rax, [sreg:rbx] */
    entry[BX] = sreg < 4 ? ARENA + DATA_PAGE : (word)offset;
    return;
  }
  const u32 r = rnd();
  byte(overrides[sreg]);
  if (case_bits == 16) byte(0x67);
  if (r & 1) byte(0x66);
  byte(r & 2 ? 0x8a | (r & 4 ? 1 : 0) : 0x88 | (r & 4 ? 1 : 0));
  byte(0x0b); /* ecx, [ebx] */
  entry[BX] = offset;
}

void segment_case(void) {
  static const u8 modes[] = {16, 32, 32};
  const u32 r = rnd(), cpl = r & 3;
  ordinary_case(B64 && chance(2) ? 64 : PICK(modes), B64 && cpl != 0 ? 3 : cpl);
  clear_handler_stack();
  random_slots();
  const u32 selector = random_selector(), kind = r >> 8 & 15;
  entry[AX] = (entry[AX] & ~(word)0xffff) | selector;
  if (kind < 4) {
    static const u8 second[] = {0x02, 0x03, 0x00, 0x00};
    if (r & 0x10000) byte(0x66);
    byte(0x0f), byte(second[kind]);
    byte(kind == 2 ? 0xe0 : kind == 3 ? 0xe8 : 0xc8); /* lar ecx, eax; lsl; verr eax; verw eax */
  } else {
    const u32 sreg = (r >> 16) % 6;
    if (kind == 4 && sreg != 1) {
      /* POP to the segment register. */
      *(u32 *)arena(STACK_AT) = selector;
      entry[SP] = (entry[SP] & ~(word)0xffff) | STACK_AT;
      static const u8 pops[] = {0x07, 0, 0x17, 0x1f, 0xa1, 0xa9};
      if (sreg >= 4) byte(0x0f);
      byte(pops[sreg]);
    } else if (kind == 5) {
      /* LES, LDS, LSS, LFS, LGS. */
      const u32 op = (u32[]){0xc4, 0xc5, 0xb2, 0xb4, 0xb5}[sreg % 5];
      u32 *pointer = (u32 *)arena(DATA_PAGE + 0x100);
      pointer[0] = rnd(), pointer[1] = selector;
      if (op < 0xc0) byte(0x0f);
      byte(op), byte(case_bits == 16 ? 0x0f : 0x0b);
      entry[BX] = (case_bits == 64 ? ARENA : 0) + DATA_PAGE + 0x100;
    } else {
      byte(0x8e), byte(0xc0 | sreg << 3); /* mov sreg, ax */
      if (sreg != 1 && r & 0x200000 && (deviations & AVOID_SEGMENT_CHECKS) == 0) access_loaded(sreg, selector);
    }
  }
  run_case();
  executed++;
  if (kind == 0 && deviations & AVOID_ACCESS_RIGHTS) outcome[CX] &= ~(word)0xf0000;
  emit_outcome(~0u);
  emit_slots();
  if ((deviations & AVOID_RESUME_FLAG) == 0) emit_bytes("stack", STACK0_AT - 0x140, 0x60);
}
