/* Runs batches of cases and prints one hash for each: "B <batch> <hash> <hash> <instructions>". In detail mode every case is
   printed whole before it: "C <batch> <index> <family> name=value ...". */
#include "guest.h"

void integer_case(void), paging_case(void), segment_case(void), transfer_case(void), system_case(void);

typedef struct {
  const char *name;
  void (*run)(void);
  u32 weight;
} Family;
static const Family families[] = {
    {"integer", integer_case, 8},
    {"paging", paging_case, 4},
    {"segments", segment_case, 4},
    {"transfers", transfer_case, 4},
    {"system", system_case, 4},
};
#define FAMILIES (sizeof families / sizeof *families)

u32 deviations, features, detail;

static const Family *choose(u32 total) {
  u32 at = below(total);
  for (u32 i = 0; i < FAMILIES; i++) {
    if ((parameters[P_FAMILIES] >> i & 1) == 0) continue;
    if (at < families[i].weight) return &families[i];
    at -= families[i].weight;
  }
  return families;
}

static void print_code(void) {
  put(" code=");
  for (u32 i = 0; i < 24; i++) {
    const u32 b = *arena(CODE_AT + i);
    out8(0xe9, (u8) "0123456789abcdef"[b >> 4]);
    out8(0xe9, (u8) "0123456789abcdef"[b & 15]);
  }
}

static void print_entry(void) {
  static const char *const names[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "ip", "flags", "cs", "ss", "ds", "es", "fs", "gs"};
  print_code();
  put(" bits=");
  put_hex(case_bits);
  for (int i = 0; i < 24; i++) {
    if (!B64 && i >= 8 && i < 16) continue;
    put(" entry.");
    put(names[i]);
    put("=");
#ifdef __x86_64__
    if (entry[i] >> 32) {
      put_hex((u32)(entry[i] >> 32));
      put(":");
    }
#endif
    put_hex((u32)entry[i]);
  }
}

void run_case(void) {
  if (detail) {
    const word cr4 = read_cr4_();
    load_cr4_(cr4 & ~(word)0x200000); /* SMAP: the arena is user memory */
    print_entry();
    remember_memory();
    load_cr4_(cr4);
  }
  enter_case();
}

/* The monitor itself raised an exception. */
void fatal(void) {
  put("\nSTOP vector ");
  put_hex((u32)outcome[VECTOR]);
  put(" at ");
  put_hex((u32)outcome[IP]);
  put(" error ");
  put_hex((u32)outcome[ERROR]);
  put(" cr4 ");
  put_hex((u32)read_cr4_());
  put(" in the monitor, address ");
  put_hex((u32)read_cr2());
  put("\n");
  for (;;) __asm__ volatile("cli; hlt");
}

void guest_main(void) {
  deviations = parameters[P_DEVIATIONS];
  features = parameters[P_FEATURES];
  detail = parameters[P_DETAIL];
  build_tables();
  u32 total = 0;
  for (u32 i = 0; i < FAMILIES; i++)
    if (parameters[P_FAMILIES] >> i & 1) total += families[i].weight;
  for (u32 offset = 0; offset < 0x1000; offset++) *arena(offset) = 0xcc;
  for (u32 n = 0; n < parameters[P_BATCHES]; n++) {
    const u32 batch = parameters[P_FIRST_BATCH] + n;
    for (u32 offset = 0x4; offset < ARENA_BYTES; offset += 4) {
      const u32 page = offset & ~0xfffu;
      if (page == DATA_PAGE || page == (STACK_AT & ~0xfffu) || page == (STACK0_AT & ~0xfffu)) *(u32 *)arena(offset) = 0;
    }
    hash_a = batch;
    hash_b = 0;
    executed = 0;
    for (u32 index = 0; index < parameters[P_BATCH_CASES]; index++) {
      seed_case(batch, index);
      const Family *family = choose(total);
      if (detail) {
        put("C ");
        put_hex(batch);
        put(" ");
        put_hex(index);
        put(" ");
        put(family->name);
      }
      may_modify = 1;
      family->run();
      if (detail) put("\n");
    }
    put("B ");
    put_hex(batch);
    put(" ");
    put_hex(hash_a);
    put(" ");
    put_hex(hash_b);
    put(" ");
    put_hex(executed);
    put("\n");
  }
  put("END\n");
}
