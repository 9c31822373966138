/* Page walks: a linear region whose entries at every level are random, accessed by reads, writes, modifications and fetches at
   CPL 0 and 3 under random CR0.WP, CR4.SMEP, SMAP and PGE. Compared are the outcome, error code, CR2 and the accessed and dirty
   flags of the entries. */
#include "guest.h"

/* Entry 256 of a 32-bit page directory, entry 1 of the page-directory pointers. */
#define REGION 0x40000000u
#define WP 0x10000u
#define PGE 0x80u
#define SMEP 0x100000u
#define SMAP 0x200000u
#define LARGE 0x80u

#ifdef __x86_64__
static word directory[512] __attribute__((aligned(4096)));
extern word table_pdpt[];
extern word table_pdpt[];
#endif
static word leaves[4096 / sizeof(word)] __attribute__((aligned(4096)));

/* Flags of an entry: mostly such that the walk goes on. */
static word flags_of_entry(void) {
  const u32 r = rnd();
  word bits = 7 | (r >> 12 & 0x60) | (r >> 16 & 0xe00);
  if ((r & 0x00f) == 0) bits &= ~(word)1;
  if ((r & 0x030) == 0) bits &= ~(word)2;
  if ((r & 0x1c0) == 0) bits &= ~(word)4;
  if ((r & 0x600) == 0) bits |= r >> 20 & 0x118; /* PWT, PCD, G */
#ifdef __x86_64__
  const u32 high = rnd();
  if ((high & 7) == 0) bits |= 1ull << 63;
  if ((high & 0x3f0) == 0) bits |= 1ull << (48 + (high >> 10 & 3));
  if ((high & 0x1000) == 0) bits |= (word)(high >> 16 & 0x7f) << 52;
#endif
  return bits;
}

/* What maps the region; answers the linear address of the arena's offset in it. */
static word build_region(u32 offset) {
  const u32 frame = ARENA + (offset & ~0xfffu);
  const u32 where = 0x3000 + (offset & 0xfff);
  const u32 form = below(8);
  leaves[3] = frame | flags_of_entry() | (rnd() & LARGE); /* PAT */
  leaves[4] = frame | flags_of_entry();
#ifdef __x86_64__
  if (form == 0 && features & HAS_1G) {
    table_pdpt[1] = flags_of_entry() | LARGE | (chance(8) ? 0x2000u << below(17) : 0);
    return REGION + ARENA + offset;
  }
  table_pdpt[1] = (word)directory | flags_of_entry();
  if (form == 1) {
    directory[0] = ARENA | flags_of_entry() | LARGE | (chance(8) ? 0x2000u << below(8) : 0);
    return REGION + offset;
  }
  directory[0] = (word)leaves | flags_of_entry();
  if (chance(64)) table_pdpt[1] |= features & HAS_1G ? 0 : LARGE;
#else
  if (form == 1) {
    root_table[REGION >> 22] = ARENA | flags_of_entry() | LARGE | (chance(8) ? 0x200000u : 0);
    return REGION + offset;
  }
  root_table[REGION >> 22] = (word)leaves | flags_of_entry();
#endif
  return REGION + where;
}

void paging_case(void) {
  ordinary_case(B64 && chance(2) ? 64 : 32, chance(2) ? 3 : 0);
  const u32 r = rnd();
  u32 kind = r >> 24 & 7;
  if (kind == 3 && deviations & AVOID_MODIFY_FAULT) kind = 2;
  may_modify = 0;
  const word cr0 = read_cr0_(), cr4 = read_cr4_();
  word new4 = cr4;
  if (r & 0x100) new4 |= PGE;
  if (features & HAS_SMEP && (r & 0x600) == 0) new4 |= SMEP;
  if (features & HAS_SMAP && (r & 0x1800) == 0) new4 |= SMAP;
  const word linear = build_region(kind == 0 ? CODE_AT + 0x100 : kind == 7 ? DATA_PAGE + 0xffe : DATA_PAGE + 0x100);
  entry[BX] = case_bits == 64 ? linear : (u32)(linear - ARENA);
  switch (kind) {
    case 0: byte(0xff); byte(0xe3); break;                           /* jmp rbx */
    case 1: byte(0x8b); byte(0x03); break;                           /* mov eax, [rbx] */
    case 2: byte(0x89); byte(0x13); break;                           /* mov [rbx], edx */
    case 3: byte(0x09); byte(0x13); break;                           /* or [rbx], edx */
    case 4: byte(0x8b); byte(0x03); byte(0x89); byte(0x13); break;   /* a read, then a write */
    case 5: byte(0xff); byte(0x33); break;                           /* push [rbx] */
    case 6: byte(0x8f); byte(0x03); break;                           /* pop [rbx] */
    default: byte(r & 0x2000 ? 0x8b : 0x89); byte(0x13); break;      /* across a page border */
  }
  if (r & 0x4000) entry[FLAGS] |= AC;
  flush_page((u32)linear);
  flush_page((u32)linear + 0x1000);
  if (r & 0x8000) load_cr0_(cr0 & ~(word)WP);
  load_cr4_(new4);
  run_case();
  load_cr4_(cr4);
  load_cr0_(cr0);
  executed++;
  emit_outcome(~0u);
  const u32 compared = outcome[VECTOR] == 14 && deviations & AVOID_ACCESSED_AT_FAULT ? ~0x20u : ~0u;
#ifdef __x86_64__
  emit("pdpte", (u32)table_pdpt[1] & compared);
  emit("pde", (u32)directory[0] & compared);
#else
  emit("pde", root_table[REGION >> 22] & compared);
#endif
  emit("pte", (u32)leaves[3] & compared);
  emit("pte", (u32)leaves[4] & compared);
#ifdef __x86_64__
  directory[0] = 0;
#endif
  emit_bytes("data", DATA_PAGE + 0x100, 8);
}
