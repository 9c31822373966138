/* Far transfers: JMP, CALL, RET and IRET to random code segments and through random call gates, and INT through random interrupt,
   trap and task gates, at every privilege level. */
#include "guest.h"

u32 random_selector(void);
void random_slots(void);
void emit_slots(void);

#define TEST_VECTOR 0x60

static u32 landing(void) { return 0x100 + (below(0x600) & ~3u); }

/* A selector of code, mostly one that can be entered. */
static u32 code_selector(void) {
  const u32 r = rnd(), dpl = r & 3;
  switch (r >> 8 & 7) {
    case 0: return random_selector();
    case 1: case 2: return CODE16(dpl) ^ (r >> 16 & 3);
    case 3: case 4: return B64 ? CODE64(dpl) ^ (r & 0x30000 ? 0 : r >> 20 & 3) : CODE32(dpl);
    case 5: return RANDOM_SLOT(0) | (r >> 16 & 3);
    default: return CODE32(dpl) ^ (r & 0x30000 ? 0 : r >> 20 & 3);
  }
}

/* Whether a selector names a 64-bit code segment. */
static int leads_to_64(u32 selector) {
  const u64 d = selector & 4 ? local_table[LOCAL_SLOT / 8] : gdt[(selector & 0x3f8) / 8];
  return B64 && (d >> 53 & 1) != 0;
}

/* The offset at which a code segment reaches the arena: those of 64-bit code have no base. */
static u32 offset_for(u32 selector) {
  const u32 at = landing();
  return leads_to_64(selector) ? ARENA + at : at;
}

static u64 random_gate(void) {
  const u32 r = rnd();
  static const u8 types[] = {0x0c, 0x0c, 0x0c, 0x0e, 0x0f, 0x04, 0x06, 0x07, 0x05, 0x0c, 0x0e};
  u32 type = (r & 0x70) == 0 ? r >> 8 & 0x1f : types[(r >> 8) % sizeof types];
  if ((type & 0x15) == 1) type = 0x0c; /* no task state at an address that is none */
  const u32 access = type | (r >> 16 & 0x60) | ((r & 0x0f) == 0 ? 0 : 0x80);
  const u32 selector = type == 5 ? RANDOM_SLOT(0) : code_selector(), offset = offset_for(selector);
  return (offset & 0xffff) | (u64)selector << 16 | (u64)(B64 ? 0 : below(8)) << 32 | (u64)access << 40 | (u64)(offset >> 16) << 48;
}

#ifndef __x86_64__
/* The task that random task-state descriptors lead to: mostly one that runs. */
static void random_tasks(void) {
  const u32 code = code_selector(), rpl = code & 3;
  u16 *narrow = (u16 *)task16;
  task32[0] = narrow[0] = chance(2) ? TASK : random_selector();
  task32[1] = tss[1], task32[2] = tss[2], task32[3] = tss[3], task32[4] = tss[4], task32[5] = tss[5], task32[6] = tss[6];
  task32[7] = (u32)read_cr3();
  task32[8] = offset_for(code);
  task32[9] = (rnd() & (STATUS | DF | 0x3000)) | 2 | (chance(16) ? NT : 0);
  for (int i = 10; i < 18; i++) task32[i] = interesting();
  task32[14] = rpl == 3 ? STACK_AT : STACK0_AT - 0x100;
  for (int i = 18; i < 24; i++) task32[i] = chance(16) ? random_selector() : DATA32(3);
  task32[19] = code;
  task32[20] = chance(16) ? random_selector() : chance(4) ? DATA16(rpl) : DATA32(rpl);
  task32[24] = chance(8) ? random_selector() : chance(2) ? LDT : 0;
  task32[25] = 104u << 16 | (chance(8) ? 1 : 0);
  narrow[1] = STACK0_AT, narrow[2] = DATA32(0), narrow[3] = STACK1_AT, narrow[4] = DATA32(1), narrow[5] = STACK2_AT, narrow[6] = DATA32(2);
  for (int i = 0; i < 10; i++) narrow[7 + i] = (u16)task32[8 + i];
  for (int i = 0; i < 4; i++) narrow[17 + i] = (u16)task32[18 + i];
  narrow[21] = (u16)task32[24];
}

static void emit_tasks(void) {
  const u32 *const own = (const u32 *)tss;
  emit("link", own[0]);
  const u32 flags = deviations & AVOID_RESUME_FLAG ? ~RF : ~0u;
  for (int i = 8; i < 24; i++) emit("task", i == 9 ? own[i] & flags : own[i]);
  if ((deviations & AVOID_TASK_STATE) == 0) {
    for (int i = 0; i < 25; i++) emit("task32", task32[i]);
    for (int i = 0; i < 11; i++) emit("task16", task16[i]);
  }
  emit("cr0", (u32)read_cr0_());
  u32 task, local;
  __asm__ volatile("str %0; sldt %1" : "=r"(task), "=r"(local));
  emit("tr", task & 0xffff);
  emit("ldtr", local & 0xffff);
}
#endif

static void far_pointer(u32 offset, u32 selector, u32 bytes) {
  if (bytes == 2) word16(offset);
  else dword(offset);
  word16(selector);
}

/* A frame for RET or IRET at the top of the stack, in words of `bytes`. */
static void push_frame(u32 bytes, const word *values, u32 count) {
  u8 *at = arena((u32)entry[SP] & 0xffff);
  for (u32 i = 0; i < count; i++, at += bytes) {
    if (bytes == 2) *(u16 *)at = (u16)values[i];
    else if (bytes == 4) *(u32 *)at = (u32)values[i];
    else *(u64 *)at = values[i];
  }
}

void transfer_case(void) {
  static const u8 modes[] = {16, 32, 32};
  const u32 r = rnd(), cpl = r & 3, kind = r >> 8 & 7;
  ordinary_case(B64 && chance(2) ? 64 : PICK(modes), B64 && cpl != 0 ? 3 : cpl);
  clear_handler_stack();
  random_slots();
  if (case_bits == 16 && deviations & AVOID_GATE_STACK_POINTER) entry[SS] = DATA32(case_cpl), entry[SP] = STACK_AT;
  if (r & 0x10000 && r & 0x3000000) gdt[RANDOM_SLOT(0) / 8] = random_gate();
  if (r & 0x20000) local_table[LOCAL_SLOT / 8] = random_gate();
  u32 bytes = case_bits == 16 ? 2 : 4;
  if (r & 0x40000 && kind < 6) byte(0x66), bytes ^= 6;
  if (case_bits == 64 && ((r & 0x80000 && kind == 4) || (kind == 5 && (r & 0x80000 || deviations & AVOID_SHORT_IRET)))) {
    byte(0x48), bytes = 8;
  }
  if ((kind == 1 || kind == 2) && deviations & AVOID_CALL_PUSH) {
    /* A limit that all offsets keep, where the descriptor has one. */
    if (gdt[RANDOM_SLOT(0) / 8] >> 44 & 1) gdt[RANDOM_SLOT(0) / 8] |= 0xffff;
    if (local_table[LOCAL_SLOT / 8] >> 44 & 1) local_table[LOCAL_SLOT / 8] |= 0xffff;
  }
  u32 selector = code_selector();
  if ((kind == 1 || kind == 2) && deviations & AVOID_CALL_TO_64)
    while (leads_to_64(selector) != (case_bits == 64)) selector = code_selector();
  const u32 offset = offset_for(selector);
  switch (kind) {
    case 0: byte(0xea); far_pointer(offset, selector, bytes); break;
    case 1: byte(0x9a); far_pointer(offset, selector, bytes); break;
    case 2: case 3: {
      u8 *pointer = arena(DATA_PAGE + 0x100);
      if (bytes == 2) *(u16 *)pointer = (u16)offset, *(u16 *)(pointer + 2) = (u16)selector;
      else *(u32 *)pointer = offset, *(u16 *)(pointer + 4) = (u16)selector;
      byte(0xff), byte((kind == 2 ? 0x18 : 0x28) | (case_bits == 16 ? 7 : 3));
      entry[BX] = (case_bits == 64 ? ARENA : 0) + DATA_PAGE + 0x100;
      break;
    }
    case 4: case 5: {
      u32 stack = chance(4) ? random_selector() : chance(4) ? DATA16(r >> 20 & 3) : DATA32(selector & 3);
      if ((stack & 0xfffc) == 0) stack = selector & 3; /* the manual leaves open whether the RPL of a null selector matters */
      const u32 flags = (rnd() & (STATUS | 0x3000 | AC | RF)) | 2 | (chance(32) ? NT : 0);
      word frame[8] = {offset, selector, flags};
      u32 at = 3;
      if (kind == 4) {
        const u32 extra = r & 0x800000 ? 8 : 0;
        at = 2 + extra / bytes;
        byte(extra ? 0xca : 0xcb);
        if (extra) word16(extra);
      } else {
        byte(0xcf);
        if (chance(24)) entry[FLAGS] |= NT;
      }
      frame[at] = STACK_AT + 0x100, frame[at + 1] = stack;
      push_frame(bytes, frame, 8);
      break;
    }
    default: {
      const u32 vector = TEST_VECTOR + (r >> 20 & 1);
      const u64 gate = random_gate();
      idt[B64 ? 2 * vector : vector] = gate;
      if (B64) idt[2 * vector] |= (u64)(deviations & AVOID_IST_SELECTOR ? 0 : r >> 24 & 1) << 32, idt[2 * vector + 1] = 0;
      byte(0xcd), byte(TEST_VECTOR);
      break;
    }
  }
#ifndef __x86_64__
  random_tasks();
  tss[0] = chance(2) ? RANDOM_SLOT(0) : chance(4) ? rnd() & 0xffff : 0;
#endif
  run_case();
  executed++;
  emit_outcome(~0u);
  emit_slots();
  if ((deviations & AVOID_RESUME_FLAG) == 0) emit_bytes("stack", STACK0_AT - 0x140, 0x160);
  emit_bytes("stack1", STACK1_AT - 0x40, 0x40);
  emit_bytes("stack2", STACK2_AT - 0x40, 0x40);
  if ((deviations & AVOID_RESUME_FLAG) == 0) emit_bytes("user", STACK_AT - 0x40, 0x40);
#ifndef __x86_64__
  emit_tasks();
  restore_task();
#endif
}
