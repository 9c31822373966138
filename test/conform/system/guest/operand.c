/* Prefixes and memory operands: every addressing form, with registers set so that the operand lies where it should. */
#include "integer.h"

u32 address_bits, operand_bits, undefined_flags;
static u32 segment_delta, in_fs_gs, rex;

void prefixes(int segments) {
  const u32 r = rnd();
  address_bits = case_bits;
  operand_bits = case_bits == 16 ? 16 : 32;
  segment_delta = in_fs_gs = rex = 0;
  if ((r & 3) == 0) byte(0x66), operand_bits = operand_bits == 16 ? 32 : 16;
  if ((r & 0x70) == 0) byte(0x67), address_bits = case_bits == 32 ? 16 : 32;
  if (segments && (r & 0x700) == 0) {
    static const u8 overrides[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    u32 which = (r >> 16) % 6;
    if (which == 1 && deviations & AVOID_SEGMENT_CHECKS) which = 4;
    byte(overrides[which]);
    if (which >= 4) in_fs_gs = 1, segment_delta = (which == 4 ? FS_BASE : GS_BASE) - ARENA;
  }
  if (case_bits == 64 && (r & 0x1000)) {
    rex = 0x40 | (r >> 24 & 15);
    byte(rex);
    if (rex & 8) operand_bits = 64;
  }
}

/* The offset in its segment of an arena offset. */
word wanted(u32 target) {
  word offset = (word)target - (word)(long)(int)segment_delta;
  if (case_bits == 64 && !in_fs_gs) offset += ARENA;
  return offset;
}

static void set_low(u32 reg, word value, u32 bits) {
  if (bits == 16) entry[reg] = (entry[reg] & ~(word)0xffff) | (value & 0xffff);
#ifdef __x86_64__
  else if (bits == 32) entry[reg] = (entry[reg] & ~(word)0xffffffff) | (u32)value;
#endif
  else entry[reg] = value;
}

static void displacement(u32 mod, word value) {
  if (mod == 1) byte((u32)value);
  else if (mod == 2 && address_bits == 16) word16((u32)value);
  else if (mod == 2) dword((u32)value);
}

static void operand16(u32 reg, word want) {
  static const u8 first[] = {BX, BX, BP, BP, SI, DI, BP, BX};
  static const u8 second[] = {SI, DI, SI, DI, 255, 255, 255, 255};
  u32 mod = below(3);
  const u32 rm = below(8);
  byte(mod << 6 | reg << 3 | rm);
  if (mod == 0 && rm == 6) {
    word16((u32)want);
    return;
  }
  const word other = second[rm] == 255 ? 0 : entry[second[rm]];
  const word disp = mod == 0 ? 0 : mod == 1 ? (word)(long)(signed char)rnd() : rnd();
  set_low(first[rm], want - other - disp, 16);
  displacement(mod, disp);
}

void operand(u32 reg, int memory, u32 target, u32 imm) {
  reg &= 7;
  if (!memory) {
    byte(0xc0 | reg << 3 | below(8));
    return;
  }
  const word want = wanted(target);
  if (address_bits == 16) {
    operand16(reg, want);
    return;
  }
  u32 mod = below(3), rm = below(8);
  u32 base = rm | (rex & 1) << 3, index = 255, scale = 0;
  u32 sib = 0;
  if (rm == 5 && mod == 0) {
    byte(reg << 3 | 5);
    u32 disp = (u32)want;
    if (case_bits == 64) {
      word next = ARENA + (u32)(code + 4 + imm - arena(0));
      disp = (u32)(want - (address_bits == 32 ? (u32)next : next));
    }
    dword(disp);
    return;
  }
  if (rm == 4) {
    sib = rnd() & 0xff;
    index = (sib >> 3 & 7) | (rex & 2) << 2;
    base = (sib & 7) | (rex & 1) << 3;
    scale = sib >> 6;
    if (index == 4) index = 255;
  }
  const int based = !(rm == 4 && (sib & 7) == 5 && mod == 0);
  const int free = based && base != SP && base != index;
  if (index != 255 && address_bits == 64 && index != SP) entry[index] = (word)(long)(signed char)rnd();
  const word scaled = index == 255 ? 0 : entry[index] << scale;
  if (based && !free) mod = 2;
  byte(mod << 6 | reg << 3 | rm);
  if (rm == 4) byte(sib);
  if (!based) {
    dword((u32)(want - scaled));
    return;
  }
  if (free) {
    const word disp = mod == 0 ? 0 : mod == 1 ? (word)(long)(signed char)rnd() : (word)(long)(int)interesting();
    set_low(base, want - scaled - disp, address_bits);
    displacement(mod, disp);
    return;
  }
  displacement(mod, want - scaled - entry[base]);
}
