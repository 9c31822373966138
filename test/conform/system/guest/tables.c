/* Descriptor tables, page tables and task state of the monitor and of ordinary cases. */
#include "guest.h"

extern void double_fault_entry(void);
extern u8 kernel_stack[];

u64 descriptor(u32 base, u32 limit, u32 access, u32 flags) {
  return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
         (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static void set_system(u32 selector, word base, u32 limit, u32 access) {
  gdt[selector / 8] = descriptor((u32)base, limit, access, 0);
#ifdef __x86_64__
  gdt[selector / 8 + 1] = base >> 32;
#endif
}

void set_gate(u32 vector, u32 selector, word offset, u32 access, u32 ist) {
  u64 low = (offset & 0xffff) | (u64)selector << 16 | (u64)ist << 32 | (u64)access << 40 | (u64)((u32)offset >> 16) << 48;
#ifdef __x86_64__
  idt[2 * vector] = low;
  idt[2 * vector + 1] = offset >> 32;
#else
  idt[vector] = low;
#endif
}

static void build_descriptors(void) {
  const u32 wide = 0xc, wide16 = 0x0;
  for (u32 dpl = 0; dpl < 4; dpl++) {
    const u32 access = 0x80 | dpl << 5;
    gdt[CODE32(dpl) / 8] = descriptor(ARENA, 0xfffff, access | 0x1b, wide);
    gdt[CODE16(dpl) / 8] = descriptor(ARENA, 0xffff, access | 0x1b, wide16);
    gdt[DATA32(dpl) / 8] = descriptor(ARENA, 0xfffff, access | 0x13, wide);
    gdt[DATA16(dpl) / 8] = descriptor(ARENA, 0xffff, access | 0x13, wide16);
    gdt[CODE64(dpl) / 8] = descriptor(0, 0xfffff, access | 0x1b, 0xa);
  }
  gdt[0x18 / 8] = descriptor(ARENA, 0xfffff, 0xfb, wide);
  gdt[0x20 / 8] = descriptor(ARENA, 0xfffff, 0xf3, wide);
  gdt[0x28 / 8] = descriptor(0, 0xfffff, 0xfb, 0xa);
  gdt[0x30 / 8] = descriptor(0, 0xfffff, 0xf3, wide);
  gdt[FS_DATA / 8] = descriptor(FS_BASE, 0xfffff, 0xf3, wide);
  gdt[GS_DATA / 8] = descriptor(GS_BASE, 0xfffff, 0xf3, wide);
}

static void build_task(void) {
  set_system(TASK, (word)tss, 0xff, 0x89);
#ifdef __x86_64__
  const u32 stacks[] = {STACK0_AT, STACK1_AT, STACK2_AT};
  for (int i = 0; i < 3; i++) tss[1 + 2 * i] = ARENA + stacks[i];
  tss[9] = (u32)(word)kernel_stack - 8192; /* IST1 */
  tss[25] = 104 << 16;
#else
  tss[1] = STACK0_AT + ARENA, tss[2] = KERNEL_DATA;
  tss[3] = STACK1_AT, tss[4] = DATA32(1);
  tss[5] = STACK2_AT, tss[6] = DATA32(2);
  tss[25] = 104 << 16;
  set_system(DOUBLE_FAULT_TASK, (word)double_fault_tss, 103, 0x89);
  double_fault_tss[7] = (u32)read_cr3();
  double_fault_tss[8] = (u32)double_fault_entry;
  double_fault_tss[9] = 2;
  double_fault_tss[14] = (u32)kernel_stack - 8192;
  double_fault_tss[18] = double_fault_tss[20] = double_fault_tss[21] = KERNEL_DATA;
  double_fault_tss[22] = double_fault_tss[23] = KERNEL_DATA;
  double_fault_tss[19] = KERNEL_CODE;
#endif
  set_system(LDT, (word)local_table, sizeof local_table - 1, 0x82);
  restore_task();
}

/* After a case that may have switched tasks. */
void restore_task(void) {
  ((u8 *)&gdt[TASK / 8])[5] = 0x89;
  ((u8 *)&gdt[LDT / 8])[5] = 0x82;
  __asm__ volatile("clts; ltr %w0; lldt %w1" ::"r"(TASK), "r"(LDT));
}

u32 task32[32], task16[16];

static const u8 likely_types[] = {0x12, 0x13, 0x1a, 0x1b, 0x10, 0x16, 0x18, 0x1e, 0x1f, 0x17};

/* A segment descriptor over the arena whose type, privilege, presence, size and limit are random. */
u64 random_descriptor(void) {
  const u32 r = rnd();
  u32 type = (r & 3) == 0 ? r >> 8 & 0x1f : likely_types[(r >> 8) % sizeof likely_types];
  if (B64 && deviations & AVOID_SYSTEM_TYPES) type |= 0x10;
  const u32 access = type | (r >> 16 & 0x60) | ((r & 0x1c) == 0 ? 0 : 0x80);
  u32 limit, flags = r >> 26 & 7;
  if ((r & 0x20) == 0) flags &= ~2u; /* L is rarely meant. */
  switch (r >> 29) {
    case 0: limit = below(0x10000); flags &= 7; break;
    case 1: limit = 0xfffff; flags |= 8; break;
    case 2: limit = below(16); flags |= 8; break;
    case 3: limit = 0x8fff + below(3); flags &= 7; break;
    default: limit = 0xffff; flags &= 7; break;
  }
  /* Task state segments are real ones, or nothing would come back from them. */
  const u32 kind = type & 0x15;
  if (kind == 1) return descriptor((u32)(word)(type & 8 ? task32 : task16), r & 0x40 ? limit : 0x67, access, flags);
  if (deviations & AVOID_SEGMENT_CHECKS) {
    limit = 0xfffff, flags |= 8;
    if (B64 && flags & 2 && deviations & AVOID_SYSTEM_TYPES) flags &= ~4u;
    return descriptor(ARENA, limit, (access & 0x1c) == 0x14 ? access & ~4u : access, flags);
  }
  return descriptor(ARENA, limit, access, flags);
}

static word monitor_pages[1024] __attribute__((aligned(4096)));
u64 local_table[8];

/* Below 1 MiB only the arena's alias is present, so that nothing strays into what a firmware left there. */
static void build_monitor_pages(void) {
  const u32 count = B64 ? 512 : 1024;
  for (u32 page = 256; page < count; page++) monitor_pages[page] = page << 12 | 3;
  for (u32 page = 0; page < ARENA_BYTES / 4096; page++) monitor_pages[(LOW_ALIAS >> 12) + page] = table_pt[page];
  (B64 ? table_pd : root_table)[0] = (word)monitor_pages | 7;
}

/* The pages between those of a case are not present. */
static void build_arena(void) {
  for (u32 page = 0; page < ARENA_BYTES / 4096; page++) {
    const u32 offset = page * 4096;
    u32 rights = 0;
    if (offset == 0 || offset == DATA_PAGE || offset == (STACK_AT & ~0xfffu)) rights = 0x67;
    if (offset == (STACK0_AT & ~0xfffu)) rights = 0x63;
    if (offset == READ_ONLY_PAGE) rights = 0x65;
    table_pt[page] = rights == 0 ? 0 : ARENA + offset + rights;
  }
  table_pt[ALIAS >> 12] = ARENA | 0x63;
}

void build_tables(void) {
  struct __attribute__((packed)) {
    u16 limit;
    word base;
  } idtr = {256 * (B64 ? 16 : 8) - 1, (word)idt};
  build_arena();
  build_monitor_pages();
  build_descriptors();
  build_task();
  for (u32 vector = 0; vector < 256; vector++) {
    const u32 dpl = vector >= 32 || vector == 3 || vector == 4 || vector == 1 ? 3 : 0;
    set_gate(vector, KERNEL_CODE, (word)stubs + vector * STUB_BYTES, 0x8e | dpl << 5, 1);
  }
#ifndef __x86_64__
  for (u32 vector = 0; vector < 256; vector++) ((u8 *)&idt[vector])[4] = 0;
  set_gate(8, DOUBLE_FAULT_TASK, 0, 0x85, 0);
  set_gate(10, DOUBLE_FAULT_TASK, 0, 0x85, 0); /* as the manual advises: the new task's stack may not be there yet */
#endif
  __asm__ volatile("lidt %0" ::"m"(idtr));
  load_cr3(read_cr3());
}
