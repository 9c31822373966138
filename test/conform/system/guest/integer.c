/* Integer instructions in 16-, 32- and 64-bit code at CPL 3: random prefixes, operands and flags; memory operands inside a
   page and across its border into a page that is absent or read-only. */
#include "integer.h"

word wanted(u32 target);
static u32 ends, touches_memory, target;

static u32 imm_bytes(void) { return operand_bits == 16 ? 2 : 4; }
static void imm_z(void) {
  const u32 v = interesting();
  if (operand_bits == 16) word16(v);
  else dword(v);
}

/* ModRM operand; only the first instruction of a case has memory ones, whose registers are then as set. */
static void rm(u32 reg, int may_touch, u32 imm) {
  const int memory = may_touch && (rnd() & 1);
  operand(reg, memory, target, imm);
  if (memory) touches_memory = 1;
}

static void set_reg(u32 reg, word value) {
  entry[reg] = (entry[reg] & ~(word)0xffff) | (value & 0xffff);
  if (address_bits == 32) entry[reg] = (u32)value;
  if (address_bits == 64) entry[reg] = value;
}

/* Never into the case itself, which might then never end. */
static void jump_target(int near8) {
  ends = 1;
  if (near8) {
    byte(rnd() & 1 ? 8 + below(120) : 0u - 64 - below(65));
    return;
  }
  const u32 relative = rnd() & 1 ? 8 + below(0x700) : 0u - 64 - below(0x700);
  if (operand_bits == 16 && case_bits != 64) word16(relative);
  else dword(relative);
}

static void shift(int may_touch) {
  const u32 op = (u32[]){0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3}[below(6)], kind = below(8);
  byte(op);
  if (kind >> 1 == 1 && deviations & AVOID_ROTATE_FAULT) may_touch = 0;
  rm(kind, may_touch, op < 0xd0);
  if (op < 0xd0) byte(chance(4) ? rnd() : below(33));
  undefined_flags |= kind >= 4 ? AF : 0;
  if (op != 0xd0 && op != 0xd1) undefined_flags |= OF | (kind >= 4 ? CF : 0);
}

static void string(void) {
  static const u8 ops[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
  if (chance(2)) {
    byte(rnd() & 1 ? 0xf3 : 0xf2);
    set_reg(CX, below(9));
  }
  prefixes(1);
  set_reg(CX, below(9));
  byte(PICK(ops));
  set_reg(SI, wanted(target));
  set_reg(DI, case_bits == 64 ? ARENA + DATA_PAGE + 0x180 : DATA_PAGE + 0x180);
  touches_memory = 1;
  ends = 1;
}

static u8 *start;
static void instruction(int first);

/* Another instruction instead of the one begun. */
static void again(int first) {
  while (code > start) *--code = 0xcc;
  instruction(first);
}

/* Whether an operand-size prefix meets a near branch in 64-bit code, and is to be avoided there. */
static int prefixed_branch(void) {
  return case_bits == 64 && operand_bits == 16 && (deviations & AVOID_BRANCH_SIZE_PREFIX) != 0;
}

/* One instruction; `first` ones may touch memory, jump and use the stack. */
static void instruction(int first) {
  const u32 r = rnd();
  undefined_flags = 0;
  start = code;
  if (first && r >> 28 == 0) {
    string();
    return;
  }
  const int locked = first && chance(40) && (deviations & AVOID_LOCK) == 0;
  if (locked) byte(0xf0);
  if (chance(48)) byte(rnd() & 1 ? 0xf3 : 0xf2);
  prefixes(first);
  const u32 reg = r >> 8 & 7;
  switch (r % (first ? 38 : 24)) {
    case 0: case 1: case 2: case 3: {
      const u32 kind = r >> 16 & 7, form = (r >> 20) % 6;
      byte(kind * 8 + form);
      if (form < 4) rm(reg, first, 0);
      else if (form == 4) byte(interesting());
      else imm_z();
      if (kind == 1 || kind == 4 || kind == 6) undefined_flags = AF;
      return;
    }
    case 4: case 5: {
      const u32 op = 0x80 + (r >> 16 & 3);
      if (op == 0x82 && case_bits == 64 && !first) return again(first);
      byte(op);
      rm(reg, first, op == 0x81 ? imm_bytes() : 1);
      if (op == 0x81) imm_z();
      else byte(interesting());
      if (reg == 1 || reg == 4 || reg == 6) undefined_flags = AF;
      return;
    }
    case 6: case 7: shift(first); return;
    case 8: byte(0x84 + (r >> 16 & 1)); rm(reg, first, 0); undefined_flags = AF; return;
    case 9: byte(0x86 + (r >> 16 & 1)); rm(reg, first, 0); return;
    case 10: byte(0x88 + (r >> 16 & 3)); rm(reg, first, 0); return;
    case 11: byte(0x8d); operand(reg, first && chance(3) ? (int)(rnd() & 1) : first, target, 0); return;
    case 12: byte(0x90 + (r >> 16 & 7)); return;
    case 13: byte((u8[]){0x98, 0x99, 0x9e, 0x9f, 0xf5, 0xf8, 0xf9, 0xd6}[r >> 16 & 7]); return;
    case 14: byte(0xb0 + (r >> 16 & 7)); byte(interesting()); return;
    case 15:
      byte(0xb8 + (r >> 16 & 7));
      imm_z();
      if (operand_bits == 64) dword(interesting());
      return;
    case 16: {
      const u32 op = 0xf6 + (r >> 16 & 1);
      if (reg == 1 && deviations & AVOID_TEST_ALIAS) return again(first);
      byte(op);
      rm(reg, first, reg >= 2 ? 0 : op == 0xf6 ? 1 : imm_bytes());
      if (reg < 2) {
        if (op == 0xf6) byte(interesting());
        else imm_z();
      }
      undefined_flags = reg < 2 ? AF : reg < 4 ? 0 : reg < 6 ? SF | ZF | AF | PF : STATUS;
      return;
    }
    case 17: {
      const u32 op = 0xfe + (r >> 16 & 1);
      byte(op);
      rm(reg & 1, first, 0);
      return;
    }
    case 18: byte(0x0f); byte(0x40 + (r >> 16 & 15)); rm(reg, first, 0); return;
    case 19: byte(0x0f); byte(0x90 + (r >> 16 & 15)); rm(reg, first, 0); return;
    case 20: {
      static const u8 ops[] = {0xb6, 0xb7, 0xbe, 0xbf, 0xc8, 0xc9, 0xca, 0xcb};
      const u32 op = ops[r >> 16 & 7];
      if (op >= 0xc8 && operand_bits == 16) return again(first); /* BSWAP of 16 bits is undefined. */
      byte(0x0f);
      byte(op);
      if (op < 0xc8) rm(reg, first, 0);
      return;
    }
    case 21: {
      const int wide = r >> 16 & 1;
      if (r >> 17 & 1) {
        byte(wide ? 0x69 : 0x6b);
        rm(reg, first, wide ? imm_bytes() : 1);
        if (wide) imm_z();
        else byte(interesting());
      } else {
        byte(0x0f);
        byte(0xaf);
        rm(reg, first, 0);
      }
      undefined_flags = SF | ZF | AF | PF;
      return;
    }
    case 22: {
      const u32 op = (u32[]){0xba, 0xa3, 0xab, 0xb3, 0xbb, 0xba, 0xbc, 0xbd}[r >> 16 & 7];
      byte(0x0f);
      byte(op);
      if (op >= 0xbc) {
        /* A source of zero leaves the destination undefined: never here. */
        if (target < DATA_PAGE || target > DATA_PAGE + 0xff8) target = DATA_PAGE + 0x100;
        *(u32 *)arena(target) |= 1;
        const int memory = first;
        if (!memory) return again(first);
        operand(reg, 1, target, 0);
        touches_memory = 1;
        undefined_flags = STATUS & ~ZF;
        return;
      }
      if (op != 0xba) entry[reg] = (word)(long)(int)(below(512) - 256);
      rm(op == 0xba && deviations & AVOID_MOVE_GROUP ? reg | 4 : reg, first, op == 0xba);
      if (op == 0xba) byte(rnd());
      undefined_flags = OF | SF | AF | PF;
      return;
    }
    case 23:
      if (case_bits == 64) return again(first);
      byte(0x40 + (r >> 16 & 15));
      return;
    /* From here on what touches memory or the stack, or jumps. */
    case 24: byte(0x50 + (r >> 16 & 15)); return;
    case 25: {
      const u32 op = (u32[]){0x60, 0x61, 0x68, 0x6a, 0x8f, 0x9c, 0x9d, 0xc9}[r >> 16 & 7];
      if (op == 0xc9 && case_bits == 64 && operand_bits == 16 && deviations & AVOID_ENTER_SIZE_PREFIX) return again(first);
      byte(op);
      if (op == 0x68) imm_z();
      if (op == 0x6a) byte(interesting());
      if (op == 0x8f) rm(chance(16) && (deviations & AVOID_MOVE_GROUP) == 0 ? reg : 0, 1, 0);
      if (op == 0x9d) *(u32 *)arena(STACK_AT) &= ~(TF | NT | AC | RF);
      if (op == 0xc9) set_reg(BP, (case_bits == 64 ? ARENA : 0) + STACK_AT + (rnd() & 0x1c));
      if (op == 0xc9 || op == 0x9d) ends = 1;
      return;
    }
    case 26: if (prefixed_branch()) return again(first); byte(0x70 + (r >> 16 & 15)); jump_target(1); return;
    case 27: if (prefixed_branch()) return again(first); byte(0x0f); byte(0x80 + (r >> 16 & 15)); jump_target(0); return;
    case 28: {
      const u32 op = (u32[]){0xe0, 0xe1, 0xe2, 0xe3, 0xe8, 0xe9, 0xeb, 0xe3}[r >> 16 & 7];
      if (prefixed_branch()) return again(first);
      byte(op);
      if (chance(2)) set_reg(CX, below(3));
      jump_target(op < 0xe8 || op == 0xeb);
      return;
    }
    case 29: {
      const u32 op = (r >> 16 & 1) ? 0xc2 : 0xc3;
      if (prefixed_branch()) return again(first);
      byte(op);
      if (op == 0xc2) word16(rnd() & 0x3e);
      word to = (case_bits == 64 ? ARENA : 0) + 0x100 + below(0x600);
      *(word *)arena(STACK_AT) = to;
      ends = 1;
      return;
    }
    case 30: {
      const u32 near = r >> 16 & 1 && !(case_bits == 16 && deviations & AVOID_CALL_PUSH) ? 2 : 4;
      if (prefixed_branch()) return again(first);
      byte(0xff);
      word to = (case_bits == 64 ? ARENA : 0) + 0x100 + below(0x600);
      if (r >> 17 & 1) {
        u32 through = rnd() & 7;
        if (through == SP) through = AX;
        byte(0xc0 | near << 3 | through);
        entry[through] = to;
        if (case_bits == 64) entry[through + 8] = to;
      } else {
        operand(near, 1, target, 0);
        if (target <= DATA_PAGE + 0xff8 && target >= DATA_PAGE) *(u64 *)arena(target) = to;
      }
      ends = 1;
      return;
    }
    case 31: byte(0xff); rm(6, 1, 0); return;
    case 32:
      if (case_bits == 64 && operand_bits == 16 && deviations & AVOID_ENTER_SIZE_PREFIX) return again(first);
      byte(0xc8);
      word16(rnd() & 0x3e);
      byte(chance(2) ? 0 : rnd());
      set_reg(BP, (case_bits == 64 ? ARENA : 0) + STACK_AT + (rnd() & 0x1c));
      ends = 1;
      return;
    case 33:
      if (case_bits == 64) {
        byte(0x63);
        rm(reg, 1, 0);
        return;
      }
      switch (r >> 16 & 7) {
        case 0: byte(0x27); undefined_flags = OF; break;
        case 1: byte(0x2f); undefined_flags = OF; break;
        case 2: byte(0x37); undefined_flags = OF | SF | ZF | PF; break;
        case 3: byte(0x3f); undefined_flags = OF | SF | ZF | PF; break;
        case 4: byte(0xd4); byte(chance(2) ? 10 : rnd() & 15); undefined_flags = OF | AF | CF; break;
        case 5: byte(0xd5); byte(chance(2) ? 10 : rnd()); undefined_flags = OF | AF | CF; break;
        case 6: byte(0x63); rm(reg, 1, 0); break;
        default: byte(0x62); operand(reg, 1, target, 0); touches_memory = 1; break;
      }
      return;
    case 34:
      if (r >> 16 & 1) {
        byte(0xd7);
        set_reg(BX, wanted(target) - (u8)entry[AX]);
        touches_memory = 1;
      } else {
        byte(0xc6 + (r >> 17 & 1));
        const int wide = r >> 17 & 1;
        /* /7 with a register is XABORT and XBEGIN. */
        rm(chance(24) && reg != 7 && (deviations & AVOID_MOVE_GROUP) == 0 ? reg : 0, 1, wide ? imm_bytes() : 1);
        if (wide) imm_z();
        else byte(interesting());
      }
      return;
    case 35: {
      byte(0xa0 + (r >> 16 & 3));
      const word at = wanted(target);
      if (address_bits == 16) word16((u32)at);
      else dword((u32)at);
      if (address_bits == 64) dword(0);
      touches_memory = 1;
      return;
    }
    case 36: {
      u32 op = (u32[]){0xa4, 0xa5, 0xac, 0xad, 0xb0, 0xb1, 0xc0, 0xc1}[r >> 16 & 7];
      if (op < 0xb0 && operand_bits == 16) op &= ~1u; /* CL may be more than the size, which is undefined. */
      byte(0x0f);
      byte(op);
      /* What a failed 32-bit CMPXCHG does to the upper half of a register is judged by the host processor's suite. */
      if (op == 0xb1 && case_bits == 64) {
        operand(reg, 1, target, 0);
        touches_memory = 1;
        return;
      }
      rm(reg, 1, op == 0xa4 || op == 0xac);
      if (op == 0xa4 || op == 0xac) byte(below(16) + (operand_bits == 16 ? 0 : below(3) * 16));
      if (op < 0xb0) undefined_flags = AF | OF;
      return;
    }
    default: {
      const u32 which = r >> 16 & 3;
      byte(0x0f);
      if (which == 0) {
        byte(0xc7);
        operand(1, chance(16) ? 0 : 1, target & ~15u, 0);
        if (chance(2) && target > DATA_PAGE && target < DATA_PAGE + 0xff0) entry[AX] = *(u32 *)arena(target & ~15u), entry[DX] = *(u32 *)arena((target & ~15u) + 4);
      } else if (which == 1) {
        if ((operand_bits == 16 || case_bits == 16) && deviations & AVOID_MOVBE_16) return again(first);
        byte(0x38);
        byte(0xf0 + (r >> 18 & 1));
        rm(reg, 1, 0);
      } else if (which == 2) {
        byte((u8[]){0x0d, 0x18, 0x1f, 0x1e}[r >> 18 & 3]);
        operand(0, 1, target, 0);
      } else {
        byte((u8[]){0xa0, 0xa8, 0x0b, 0xff}[(r >> 18 & 3) | (deviations & AVOID_PUSH_SEGMENT ? 2 : 0)]);
        if (code[-1] == 0xff) rm(reg, 1, 0);
      }
      touches_memory = 1;
      return;
    }
  }
}

void integer_case(void) {
  u32 starts[5], count = 0;
  static const u32 modes[] = {16, 32, 32};
  if (!B64 && chance(5)) virtual_8086_case();
  else ordinary_case(B64 && chance(2) ? 64 : PICK(modes), 3);
  if (chance(8)) entry[FLAGS] |= TF;
  entry[FLAGS] |= (rnd() & 3) << 12;
  /* Inside the page; near its end; near its beginning; read-only. */
  const u32 place = below(16);
  target = place == 0   ? DATA_PAGE + 0xff0 + below(16)
           : place == 1 ? DATA_PAGE - below(4)
           : place == 2 ? READ_ONLY_PAGE + 0x100 + below(64)
                        : DATA_PAGE + 0x100 + below(64);
  u32 *data = (u32 *)arena(DATA_PAGE + 0xc0);
  u32 value = rnd();
  for (int i = 0; i < 64; i++) data[i] = value = value * 1664525u + 1013904223u;
  u32 *tail = (u32 *)arena(DATA_PAGE + 0xfe0);
  for (int i = 0; i < 8; i++) tail[i] = value = value * 1664525u + 1013904223u;
  u32 mask = ~0u;
  ends = touches_memory = 0;
  const u32 length = 1 + below(4);
  while (count < length) {
    starts[count] = (u32)(code - arena(0));
    instruction(count == 0);
    count++;
    if (undefined_flags != 0) mask = ~undefined_flags;
    if (ends || undefined_flags != 0) break;
  }
  starts[count] = (u32)(code - arena(0));
  run_case();
  const word at = outcome[IP] - offset_base();
  u32 done = count;
  for (u32 i = 0; i < count; i++)
    if (at == starts[i]) done = i + 1;
  if (outcome[VECTOR] == 1) done = 1;
  executed += done;
  if (done < count) mask = ~0u;
  emit_outcome(mask);
  emit_bytes("data", DATA_PAGE + 0xc0, 256);
  emit_bytes("tail", DATA_PAGE + 0xfe0, 32);
  emit_bytes("stack", STACK_AT - 64, 128);
}
