/**
 * Where an oracle rightly differs from us: a narrow row for each, with the manual's words. A row either names a bit by which the
 * guest leaves the matter out of its comparison (guest/deviations.h is generated from the names), or recognises a case.
 */
import type { Case, Difference } from './cases.ts';
import type { Oracle } from './machines.ts';

interface Row {
  readonly oracle: Oracle;
  readonly why: string;
}

/** The guest knows these as `AVOID_<NAME>`, a bit each in this order. */
export const AVOIDED = {
  RESUME_FLAG: {
    oracle: 'qemu',
    why: 'The flags image of a fault has RF set (SDM Vol. 3B, "Resume Flag (RF)" in 17.3.1.1); QEMU leaves it clear. Neither RF nor frames in memory are compared.',
  },
  LOCK: {
    oracle: 'qemu',
    why: 'LOCK with an instruction that has no locked form is #UD (SDM Vol. 2A, "LOCK—Assert LOCK# Signal Prefix"); QEMU executes many of them, and ends with "tcg fatal error" at LOCK BT. LOCK is not generated.',
  },
  TEST_ALIAS: {
    oracle: 'qemu',
    why: 'F6 /1 and F7 /1 are TEST in every processor, though the opcode map leaves them out (SDM Vol. 2D, "Opcode Extensions For One- And Two-byte Opcodes" A.4.2); QEMU raises #UD. They are not generated.',
  },
  MODIFY_FAULT: {
    oracle: 'qemu',
    why: 'An instruction that reads and then writes its operand faults as a write (SDM Vol. 3A, "Page-Fault Exceptions" 4.7); QEMU reports its read. Bit 1 of the error code is compared only of cases without such instructions.',
  },
  SEGMENT_CHECKS: {
    oracle: 'qemu',
    why: 'Accesses are checked against the segment\'s limit and type (SDM Vol. 3A, "Limit Checking" 5.3 and "Type Checking" 5.5); QEMU checks neither. Its cases stay inside and write no code segment.',
  },
  PUSH_SEGMENT: {
    oracle: 'qemu',
    why: 'A 32-bit PUSH of a segment register writes 2 bytes on recent processors, 4 on others (SDM Vol. 2B, "PUSH—Push Word, Doubleword, or Quadword Onto the Stack"). It is not generated.',
  },
  ROTATE_FAULT: {
    oracle: 'qemu',
    why: 'A fault leaves the flags as they were before the instruction (SDM Vol. 3A, "Program or Task Restart" 6.6); QEMU has changed CF when the store of RCL or RCR faults. Their memory forms are not generated.',
  },
  BRANCH_SIZE_PREFIX: {
    oracle: 'qemu',
    why: 'Near branches in 64-bit mode have 64-bit operands whatever the prefix (SDM Vol. 2, "Instructions Not Supported in 64-Bit Mode" and the operand encodings of CALL, JMP, Jcc, RET); QEMU takes 66h as AMD does. It is not generated.',
  },
  FLAT_BASES: {
    oracle: 'qemu',
    why: 'In 64-bit mode CS, DS, ES and SS have base 0 (SDM Vol. 3A, "Segmentation in IA-32e Mode" 3.2.4); QEMU adds the base of DS with a 3Eh or 67h prefix. Its 64-bit cases have segments of base 0.',
  },
  MOVE_GROUP: {
    oracle: 'qemu',
    why: 'C6 and C7 are MOV and 8F is POP only with /0, and 0F BA /0 to /3 are #UD before any access (SDM Vol. 2D, "Opcode Extensions For One- And Two-byte Opcodes" A.4.2); QEMU moves and pops with any, and reads before. The others are not generated.',
  },
  MOVBE_16: {
    oracle: 'qemu',
    why: 'MOVBE has 16-bit operands in 16-bit code (SDM Vol. 2B, "MOVBE—Move Data After Swapping Bytes"); QEMU 7.2 mistakes the size there. It is not generated in 16-bit code, nor with 66h.',
  },
  IDT_ERROR_CODE: {
    oracle: 'qemu',
    why: 'An error code names the vector in bits 15:3 (SDM Vol. 3A, "Error Code" 6.13); QEMU shifts it by 4 in IA-32e mode. The index is not compared there.',
  },
  IST_SELECTOR: {
    oracle: 'qemu',
    why: 'In IA-32e mode SS becomes null where the privilege level changes (SDM Vol. 3A, "Stack Switching in IA-32e Mode" 6.14.4); QEMU clears it with every stack of the interrupt-stack table. The handler\'s SS is not compared, and INT uses no such stack.',
  },
  ACCESSED_AT_FAULT: {
    oracle: 'qemu',
    why: 'A walk that faults need not set accessed flags (SDM Vol. 3A, "Accessed and Dirty Flags" 4.8); QEMU sets those of the entries it passed. They are not compared after a page fault.',
  },
  ACCESS_RIGHTS: {
    oracle: 'qemu',
    why: 'Bits 19:16 of what LAR loads are undefined (SDM Vol. 2A, "LAR—Load Access Rights Byte": 00FxFF00H); QEMU clears them. They are not compared.',
  },
  RESERVED_ERROR: {
    oracle: 'qemu',
    why: 'A reserved bit is a violation of an entry that is present: bit 0 of the error code is set (SDM Vol. 3A, "Page-Fault Exceptions" 4.7); QEMU clears it. It and bit 1 are not compared with bit 3 set.',
  },
  ACCESSED_CODE: {
    oracle: 'qemu',
    why: 'Loading CS sets the accessed bit of its descriptor (SDM Vol. 3A, "Code- and Data-Segment Descriptor Types" 3.4.5.1); QEMU sets those of data segments only. The bits are not compared.',
  },
  SYSTEM_TYPES: {
    oracle: 'qemu',
    why: 'In IA-32e mode 16-bit system descriptors are reserved (SDM Vol. 3A, "System Descriptor Types" 3.5, and LAR and LSL in Vol. 2A), and so is L with D (Vol. 3A, 3.4.5), and a null selector in SS has the RPL of CPL (Vol. 2B, "MOV—Move"); QEMU takes all. They are not generated for it in IA-32e mode.',
  },
  CONTROL_CHECKS: {
    oracle: 'qemu',
    why: 'Reserved bits and forbidden combinations in CR0, CR4 and MSRs, and addresses that are not canonical, are #GP(0) (SDM Vol. 3A, "Control Registers" 2.5; Vol. 2B, "WRMSR—Write to Model Specific Register"); QEMU takes most, and keeps the fixed bits of DR6, DR7 and IA32_SYSENTER_CS as written. They are not generated, nor are SYSCALL and SYSRET outside 64-bit mode, which are #UD (Vol. 2B, "SYSCALL—Fast System Call"); IA32_FMASK clears the status flags, which QEMU drops at SYSCALL.',
  },
  TASK_STATE: {
    oracle: 'qemu',
    why: 'A fault while a task is being entered saves EIP of that task (SDM Vol. 3A, "Task Switching" 7.3); QEMU saves what was there before. The state of the new task is not compared, that of the old one is.',
  },
  STEP_RESUME_FLAG: {
    oracle: 'bochs',
    why: 'A trap between the iterations of a repeated string instruction pushes RF set (SDM Vol. 3B, "Resume Flag (RF)" in 17.3.1.1); Bochs pushes it clear. RF is not compared after a single step.',
  },
  ENTER_SIZE_PREFIX: {
    oracle: 'bochs',
    why: 'ENTER and LEAVE with 66h in 64-bit mode have 16-bit operands (SDM Vol. 2A, "ENTER—Make Stack Frame for Procedure Parameters"); Bochs ignores the prefix. It is not generated.',
  },
  CALL_TO_64: {
    oracle: 'bochs',
    why: 'A far CALL between compatibility and 64-bit mode pushes before it loads CS, as the old mode addresses its stack (SDM Vol. 2A, "CALL—Call Procedure", operation); Bochs pushes as the new mode does. It is not generated.',
  },
  GATE_STACK_POINTER: {
    oracle: 'bochs',
    why: 'A 32-bit call gate pushes ESP whole (SDM Vol. 2A, "CALL—Call Procedure", operation, "MORE-PRIVILEGE"); Bochs pushes SP where the old stack is a 16-bit one. Callers in 16-bit code have a 32-bit stack.',
  },
  SHORT_IRET: {
    oracle: 'bochs',
    why: 'IRET that began in 64-bit mode pops RSP and SS whatever its operand size and target (SDM Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return", operation); Bochs pops them only with REX.W. 64-bit code has IRETQ only.',
  },
  CALL_PUSH: {
    oracle: 'bochs',
    why: 'CALL checks its target against the limit of CS before it pushes (SDM Vol. 2A, "CALL—Call Procedure", operation); Bochs has pushed when it raises #GP(0). Calls keep inside the limit.',
  },
} as const satisfies Record<string, Row>;

export interface Recognised extends Row {
  readonly holds: (ours: Case, theirs: Case, found: readonly Difference[]) => boolean;
}

/** Cases that are run and judged by hand: none so far, as the guest avoids whatever is known. */
export const RECOGNISED: readonly Recognised[] = [];

/** The parameter that makes the guest avoid what a row of an oracle says. */
export const avoidedBits = (oracle: Oracle): number =>
  Object.values(AVOIDED).reduce((bits, row, i) => (row.oracle === oracle ? bits | (1 << i) : bits), 0);
