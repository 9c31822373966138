/* What the parts of the conformance guest share. */
#pragma once
#include "deviations.h"
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word; /* of the monitor's own size */
#ifdef __x86_64__
#define B64 1
#else
#define B64 0
#endif

/* Patched into the image. */
extern volatile u32 parameters[16];
enum { P_SEED_LOW, P_SEED_HIGH, P_FIRST_BATCH, P_BATCHES, P_BATCH_CASES, P_DETAIL, P_FAMILIES, P_DEVIATIONS, P_FEATURES };
extern u32 deviations, features, detail;
/* Bits of P_FEATURES: what both machines of a run have. */
enum { HAS_SMEP = 1, HAS_SMAP = 2, HAS_PCID = 4, HAS_PKE = 8, HAS_1G = 16, HAS_UMIP = 32, HAS_FSGSBASE = 64 };

/* Linear and physical places; both are equal but where a case's own tables say otherwise. */
#define ARENA 0x400000u
#define CODE_AT 0x0800u  /* offsets in the arena */
#define CODE2_AT 0x0c00u
#define DATA_PAGE 0x8000u
#define READ_ONLY_PAGE 0xa000u
#define STACK_AT 0xc800u
#define STACK0_AT 0xe400u
#define STACK1_AT 0xe800u
#define STACK2_AT 0xec00u
#define ARENA_BYTES 0x10000u
#define ALIAS 0x10000u   /* the code page again, for the supervisor, at this offset of the arena */
#define LOW_ALIAS 0x10000u /* linear: the whole arena again below 1 MiB, for virtual-8086 mode */

/* Selectors; those of a case have one for each privilege level. */
#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define TASK 0x40
#define DOUBLE_FAULT_TASK 0x50
#define LDT 0x58
#define CODE32(dpl) (0x80 + (dpl)*0x20 + (dpl))
#define CODE16(dpl) (0x88 + (dpl)*0x20 + (dpl))
#define DATA32(dpl) (0x90 + (dpl)*0x20 + (dpl))
#define DATA16(dpl) (0x98 + (dpl)*0x20 + (dpl))
#define CODE64(dpl) (0x100 + (dpl)*8 + (dpl))
#define FLAT_DATA 0x33
#define FS_DATA (0x120 + 3)
#define GS_DATA (0x128 + 3)
#define FS_BASE (ARENA + 0x40)
#define GS_BASE (ARENA - 0x30)
#define RANDOM_SLOT(n) (0x140 + (n)*16)
#define LOCAL_SLOT 0x10 /* in the LDT */
extern u64 local_table[8];
extern u32 task32[32], task16[16]; /* the task of a random task-state descriptor */
#define OTHER_TASK 0x200

enum {
  AX, CX, DX, BX, SP, BP, SI, DI, R8, R9, R10, R11, R12, R13, R14, R15,
  IP, FLAGS, CS, SS, DS, ES, FS, GS, VECTOR, ERROR, HANDLER_SP, HANDLER_SS, HANDLER_CS, REGISTERS
};
extern word entry[32], outcome[32];
void enter_case(void);
extern u64 gdt[], idt[];
extern u32 tss[], double_fault_tss[];
extern u8 stubs[];
#define STUB_BYTES 16

#define CF 1u
#define PF 4u
#define AF 0x10u
#define ZF 0x40u
#define SF 0x80u
#define TF 0x100u
#define IF 0x200u
#define DF 0x400u
#define OF 0x800u
#define NT 0x4000u
#define RF 0x10000u
#define VM 0x20000u
#define AC 0x40000u
#define STATUS (CF | PF | AF | ZF | SF | OF)

/* random.c */
void seed_case(u32 batch, u32 index);
extern u32 rnd_state;
static inline u32 rnd(void) {
  u32 x = rnd_state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  rnd_state = x;
  return x * 0x9e3779b1u;
}
static inline u32 below(u32 n) { return (u32)(((u64)rnd() * n) >> 32); }
static inline int chance(u32 one_in) { return below(one_in) == 0; }
u32 interesting(void);
word interesting_word(void);
#define PICK(table) (table)[below(sizeof(table) / sizeof(table[0]))]

/* report.c */
void put(const char *text);
void put_hex(u32 value);
void emit_named(const char *name, u32 value);
extern u32 hash_a, hash_b;
extern u32 may_modify; /* whether the case's instruction may read and write one operand */
static inline void hash(u32 value) {
  hash_a = (hash_a ^ value) * 0x01000193u;
  hash_b = ((hash_b << 7 | hash_b >> 25) + value) ^ hash_a;
}
static inline void emit(const char *name, u32 value) {
  hash(value);
  if (__builtin_expect(detail, 0)) emit_named(name, value);
}
static inline void emit_word(const char *name, word value) {
  emit(name, (u32)value);
#ifdef __x86_64__
  if (value >> 32 || detail) emit(name, (u32)(value >> 32));
  else emit("", 0);
#endif
}
void remember_memory(void);
void emit_bytes(const char *name, u32 offset, u32 count);
void emit_outcome(u32 flags_compared);

/* tables.c */
extern word table_pt[], table_pd[], root_table[];
void build_tables(void);
u64 descriptor(u32 base, u32 limit, u32 access, u32 flags);
void set_gate(u32 vector, u32 selector, word offset, u32 access, u32 ist);
static inline void load_cr3(word value) { __asm__ volatile("mov %0, %%cr3" ::"r"(value) : "memory"); }
static inline word read_cr3(void) { word v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static inline word read_cr2(void) { word v; __asm__ volatile("mov %%cr2, %0" : "=r"(v)); return v; }
static inline void flush_page(u32 linear) { __asm__ volatile("invlpg (%0)" ::"r"((word)linear) : "memory"); }
static inline void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

#define CONTROL_REGISTER(n) \
  static inline word read_cr##n##_(void) { word v; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)); return v; } \
  static inline void load_cr##n##_(word v) { __asm__ volatile("mov %0, %%cr" #n ::"r"(v) : "memory"); }
CONTROL_REGISTER(0)
CONTROL_REGISTER(4)
u64 random_descriptor(void);
void restore_task(void);

/* A case's code is written here; what is not written stays INT3. */
extern u8 *code;
static inline u8 *arena(u32 offset) { return (u8 *)(word)(ARENA + offset); }
static inline void byte(u32 value) { *code++ = (u8)value; }
static inline void word16(u32 value) { *(u16 *)code = (u16)value, code += 2; }
static inline void dword(u32 value) { *(u32 *)code = value, code += 4; }
void begin_code(u32 offset);
/* Instructions of the running case, counted in the batch's total. */
extern u32 executed;

/* A case in 16-, 32- or 64-bit code at a privilege level with good segments, registers at random, code at CODE_AT. */
void ordinary_case(u32 bits, u32 cpl);
void virtual_8086_case(void);
void clear_handler_stack(void);
void run_case(void);
extern u32 case_bits, case_cpl;
static inline word offset_base(void) { return case_bits == 64 ? ARENA : 0; }
