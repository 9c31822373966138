/* One instruction at random into `code`; integer.c. */
#pragma once
#include "guest.h"

/* Flags that the instruction leaves undefined. */
extern u32 undefined_flags;
extern u32 address_bits, operand_bits;

/* Emits ModRM, SIB and displacement; a memory operand lies at arena offset `target` of the segment that prefixes chose.
   `imm` is the number of immediate bytes that follow, for RIP-relative operands. */
void operand(u32 reg, int memory, u32 target, u32 imm);
void prefixes(int segments);
