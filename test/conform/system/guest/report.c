#include "guest.h"

u32 hash_a, hash_b, may_modify;

void put(const char *text) {
  for (; *text != 0; text++) out8(0xe9, (u8)*text);
}

void put_hex(u32 value) {
  int digits = 8;
  while (digits > 1 && value >> (4 * (digits - 1)) == 0) digits--;
  while (digits-- > 0) out8(0xe9, (u8) "0123456789abcdef"[value >> (4 * digits) & 15]);
}

void emit_named(const char *name, u32 value) {
  put(" ");
  put(name);
  put("=");
  put_hex(value);
}

/* The arena's pages before the case ran: in detail mode only what the case changed is printed. */
static u8 before[ARENA_BYTES];

void remember_memory(void) {
  for (u32 page = 0; page < ARENA_BYTES; page += 4096) {
    if ((table_pt[page / 4096] & 1) == 0) continue;
    for (u32 i = 0; i < 4096; i += 4) *(u32 *)(before + page + i) = *(u32 *)arena(page + i);
  }
}

void emit_bytes(const char *name, u32 offset, u32 count) {
  u32 sum = 0;
  for (u32 i = 0; i < count; i += 4) {
    const u32 value = *(u32 *)arena(offset + i);
    hash(value);
    sum = sum * 31 + value;
    if (!detail || value == *(u32 *)(before + offset + i)) continue;
    put(" ");
    put(name);
    put("+");
    put_hex(i);
    put("=");
    put_hex(value);
  }
  /* What an earlier case left there unseen shows in the sum. */
  if (detail) emit_named(name, sum);
}

static const char *const names[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

/* Everything that the event which ended a case left in registers and in its frame. */
void emit_outcome(u32 flags_compared) {
  emit("vector", (u32)outcome[VECTOR]);
  u32 error = (u32)outcome[ERROR];
  if (outcome[VECTOR] == 14 && may_modify && deviations & AVOID_MODIFY_FAULT) error &= ~2u;
  if (outcome[VECTOR] == 14 && error & 8 && deviations & AVOID_RESERVED_ERROR) error = (error | 1) & ~2u;
  if (B64 && error & 2 && outcome[VECTOR] == 13 && deviations & AVOID_IDT_ERROR_CODE) error = 2;
  emit("error", error);
  if (outcome[VECTOR] == 14) emit_word("cr2", read_cr2());
  emit_word("ip", outcome[IP]);
  emit("cs", outcome[CS] & 0xffff);
  if (deviations & AVOID_RESUME_FLAG) flags_compared &= ~RF;
  if (outcome[VECTOR] == 1 && deviations & AVOID_STEP_RESUME_FLAG) flags_compared &= ~RF;
  emit("flags", (u32)outcome[FLAGS] & flags_compared);
  emit("ss", outcome[SS] & 0xffff);
  /* Outside 64-bit code the upper halves are undefined (SDM Vol. 1, "General-Purpose Registers in 64-Bit Mode" 3.4.1.1). */
  if (case_bits == 64) {
    for (int i = 0; i < 16; i++) emit_word(names[i], outcome[i]);
  } else {
    for (int i = 0; i < 8; i++) emit(names[i], (u32)outcome[i]);
  }
  emit("ds", outcome[DS] & 0xffff);
  emit("es", outcome[ES] & 0xffff);
  emit("fs", outcome[FS] & 0xffff);
  emit("gs", outcome[GS] & 0xffff);
  emit("hcs", outcome[HANDLER_CS] & 0xffff);
  if (!B64 || (deviations & AVOID_IST_SELECTOR) == 0) emit("hss", outcome[HANDLER_SS] & 0xffff);
  emit_word("hsp", outcome[HANDLER_SP]);
}
