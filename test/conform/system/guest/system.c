/* Control registers, debug registers, MSRs, RFLAGS and the fast calls, at every privilege level: reserved bits, what a write leaves
   behind, and what user code may do. Bits whose change would take the monitor's ground away stay as they are. */
#include "guest.h"

#define EFER 0xc0000080u
#define STAR 0xc0000081u
#define LSTAR 0xc0000082u
#define CSTAR 0xc0000083u
#define FMASK 0xc0000084u
#define SYSENTER_CS 0x174u

static u64 read_msr(u32 index) {
  u32 low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
  return low | (u64)high << 32;
}
static void write_msr(u32 index, u64 value) {
  __asm__ volatile("wrmsr" ::"c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static word cr0_before, cr4_before;

/* MOV to CR0 or CR4, then a look at what it holds. */
static void control_register(u32 number) {
  /* CR0: PE and PG stay; CR4: bits that all three machines have, and reserved ones. */
  static const u32 bits0[] = {1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 16, 1 << 18, 1 << 29, 1 << 30, 1 << 6, 1 << 28};
  static const u32 bits4[] = {1 << 2, 1 << 3, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 26, 1u << 31, 1 << 20};
  word value = number == 0 ? cr0_before : cr4_before;
  const int lenient = (deviations & AVOID_CONTROL_CHECKS) != 0;
  for (u32 i = below(3) + 1; i > 0; i--)
    value ^= number == 0 ? bits0[below(lenient ? 7 : sizeof bits0 / 4)] : bits4[below(lenient ? 7 : sizeof bits4 / 4)];
  if (lenient) goto emit_code;
  if (number == 0 && chance(16)) value &= ~(word)1; /* PG without PE */
#ifdef __x86_64__
  if (case_bits == 64 && chance(16)) value |= (word)1 << (32 + below(32));
  if (number == 4 && chance(16)) value &= ~(word)0x20; /* no PAE in IA-32e mode */
#endif
emit_code:
  entry[AX] = value;
  byte(0x0f), byte(0x22), byte(0xc0 | number << 3);
  byte(0x0f), byte(0x20), byte(0xc2 | number << 3);
}

static void debug_register(void) {
  const u32 number = below(deviations & AVOID_CONTROL_CHECKS ? 4 : 8);
  word value = interesting_word();
  if (number == 7 || number == 5) value &= ~(word)0x20ff; /* nothing enabled, no general detect */
  if (case_bits == 64 && chance(2)) value = (u32)value;
  if (case_bits != 64) value = (u32)value;
  entry[AX] = value;
  byte(0x0f), byte(0x23), byte(0xc0 | number << 3);
  byte(0x0f), byte(0x21), byte(0xc2 | number << 3);
}

static void model_specific(void) {
  static const u32 registers[] = {STAR, LSTAR, CSTAR, FMASK, SYSENTER_CS, SYSENTER_CS + 1, SYSENTER_CS + 2, 0x277, EFER, 0xc0000102};
  const u32 index = PICK(registers);
  u64 value = (u64)rnd() << 32 | rnd();
  if (index == EFER) {
    value = read_msr(EFER) ^ (chance(2) ? 1 : chance(2) ? 1ull << (16 + below(48)) : 1ull << (1 + below(7)));
  } else if (index == 0x277) {
    value &= 0x0707070707070707ull;
    if (chance(4)) value |= 0x08ull << (8 * below(8));
  } else if (chance(2)) value = (u64)(long long)(int)rnd();
  if (deviations & AVOID_CONTROL_CHECKS) {
    if (index == EFER) value = read_msr(EFER) ^ 1;
    else if (index == 0x277) value = 0x0007040600070406ull;
    else if (index == SYSENTER_CS) value &= 0xffff;
    else if (index != STAR) value = (u64)(long long)(int)value;
  }
  if (index == SYSENTER_CS || index == FMASK) value = (u32)value;
  entry[CX] = index;
  entry[AX] = (u32)value;
  entry[DX] = (u32)(value >> 32);
  byte(0x0f), byte(0x30);
  byte(0x0f), byte(0x32);
}

/* POPF with random flags, then PUSHF: who may change what. */
static void flags_register(void) {
  u32 value = rnd() & ~(TF | RF);
  if (chance(2)) value &= 0x257fd7;
  const u32 sp = (u32)entry[SP] & 0xffff;
  *(u64 *)arena(sp) = value;
  static const u8 others[] = {0xfa, 0xfb, 0x9c, 0x9d};
  if (chance(3)) byte(0x66);
  byte(chance(2) ? 0x9d : PICK(others));
  byte(0x9c);
}

/* Instructions of the supervisor that leave nothing behind, and those that show where tables are. */
static void privileged(void) {
  const u32 which = below(12);
  switch (which) {
    case 0: byte(0x0f), byte(0x06); break;                                    /* clts */
    case 1: byte(0x0f), byte(0x01), byte(0xe0); break;                        /* smsw */
    case 2: byte(0x0f), byte(0x01), byte(0xf0), entry[AX] = (entry[AX] & ~(word)0xf) | (rnd() & 14) | 1; break; /* lmsw */
    case 3: byte(0x0f), byte(0x00), byte(0xc0); break;                        /* sldt */
    case 4: byte(0x0f), byte(0x00), byte(0xc8); break;                        /* str */
    case 5: byte(0x0f), byte(0x09); break;                                    /* wbinvd */
    case 6: if (case_cpl != 0) byte(0xf4); break;                             /* hlt */
    case 7: byte(0x0f), byte(0x00), byte(0xd0), entry[AX] = chance(2) ? LDT : rnd() & 0x3ff; break; /* lldt */
    case 8: byte(0x0f), byte(0x00), byte(0xd8), entry[AX] = rnd() & 0x3ff & ~0x58; break;           /* ltr */
    case 9: byte(0x0f), byte(0x20), byte(0xc0 | (u32[]){0, 2, 3, 4, 1, 5}[below(case_cpl != 0 && deviations & AVOID_CONTROL_CHECKS ? 4 : 6)] << 3); break;
    case 10: byte(0xe6), byte(0x80); break; /* out 80h */
    default: byte(0x0f), byte(0x01), byte(0x38), entry[AX] = case_bits == 64 ? ARENA : 0; break;    /* invlpg */
  }
}

/* The fast calls, with their MSRs set so that they land on INT3. */
static void fast_call(void) {
  u32 which = below(4);
  const u32 code_at = 0x100 + below(0x600);
  if (B64 && case_bits != 64 && deviations & AVOID_CONTROL_CHECKS) which &= 1;
  write_msr(SYSENTER_CS, chance(8) && (deviations & AVOID_CONTROL_CHECKS) == 0 ? rnd() & 3 : KERNEL_CODE);
  write_msr(SYSENTER_CS + 1, ARENA + STACK0_AT - 0x100);
  write_msr(SYSENTER_CS + 2, ARENA + ALIAS + code_at);
  if (which == 0) byte(0x0f), byte(0x34);
  else if (which == 1) {
    if (case_bits == 64 && chance(2)) byte(0x48);
    byte(0x0f), byte(0x35);
    entry[DX] = ARENA + code_at, entry[CX] = ARENA + STACK_AT;
  }
#ifdef __x86_64__
  else {
    write_msr(STAR, (u64)0x1b << 48 | (u64)KERNEL_CODE << 32);
    write_msr(LSTAR, ARENA + ALIAS + code_at);
    write_msr(CSTAR, ARENA + ALIAS + code_at);
    write_msr(FMASK, (rnd() & ~2u) | (deviations & AVOID_CONTROL_CHECKS ? STATUS | DF : 0));
    write_msr(EFER, read_msr(EFER) | !chance(8));
    if (which == 2) byte(0x0f), byte(0x05);
    else {
      if (chance(2)) byte(0x48);
      byte(0x0f), byte(0x07);
      entry[CX] = ARENA + code_at;
      entry[R11] = rnd() & (deviations & AVOID_CONTROL_CHECKS ? 0x247ed7 : 0x3f7ed7) & ~TF;
    }
  }
#else
  else byte(0x0f), byte(0x34);
#endif
}

void system_case(void) {
  static const u8 modes[] = {16, 32, 32};
  const u32 r = rnd(), kind = r >> 8 & 15;
  const u32 cpl = kind < 12 && r & 7 ? 0 : (B64 && r & 3 ? 3 : r & 3);
  if (!B64 && kind >= 12 && kind < 15 && chance(3)) virtual_8086_case();
  else ordinary_case(B64 && chance(2) ? 64 : PICK(modes), cpl);
  clear_handler_stack();
  entry[FLAGS] |= (rnd() & 3) << 12;
  cr0_before = read_cr0_();
  cr4_before = read_cr4_();
#ifdef __x86_64__
  const u64 efer = read_msr(EFER);
#endif
  switch (kind) {
    case 0: case 1: case 2: control_register(0); break;
    case 3: case 4: case 5: control_register(4); break;
    case 6: case 7: debug_register(); break;
    case 8: case 9: case 10: model_specific(); break;
    case 11: case 12: privileged(); break;
    case 13: case 14: flags_register(); break;
    default: fast_call(); break;
  }
  run_case();
  executed++;
  if (kind == 6 || kind == 7) {
    __asm__ volatile("mov %0, %%dr7" ::"r"((word)0x400));
    __asm__ volatile("mov %0, %%dr6" ::"r"((word)0xffff0ff0u));
  }
  word after0 = read_cr0_(), after4 = read_cr4_();
  load_cr0_(cr0_before);
  load_cr4_(cr4_before);
#ifdef __x86_64__
  emit("efer", (u32)read_msr(EFER));
  write_msr(EFER, efer);
#endif
  emit_outcome(~0u);
  emit_word("cr0", after0);
  emit_word("cr4", after4);
  if (kind == 11 || kind == 12) restore_task();
  if (kind == 13 || kind == 14) {
    emit_bytes("stack", ((u32)entry[SP] & 0xfffc) - 8, 24);
  }
}
