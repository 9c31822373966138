/** The x87 FPU as one instruction sees it: stack, exceptions and their masked responses (SDM Vol. 1, chapter 8). */
import { Register } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { CR0 } from '../../cpu/control-bits.ts';
import { GuestFault, MachineStop, MF, NM } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { effectiveAddress, segmentName } from '../../cpu/operands.ts';
import type { CpuState } from '../../cpu/state.ts';
import {
  C1,
  DENORMAL,
  ERROR_SUMMARY,
  EXCEPTIONS,
  INVALID,
  setX87Register,
  STACK_FAULT,
  summarizeX87,
  TOP_BIT,
  TOP_MASK,
  x87Significand,
  x87SignExponent,
  x87Top,
  ZERO_DIVIDE,
} from '../../cpu/x87-state.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { EXTENDED, INDEFINITE, PRECISIONS, type Environment, type Extended, type Result } from './extended.ts';

/** Exceptions found before the operation: unmasked, they leave operands and stack as they are. */
const BEFORE_OPERATION = INVALID | DENORMAL | ZERO_DIVIDE;

export class Fpu {
  readonly cpu: Cpu;
  readonly state: CpuState;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.state = cpu.state;
  }

  get control(): number {
    return this.state.get32(LAYOUT.x87Control);
  }
  get masks(): number {
    return this.control & EXCEPTIONS;
  }
  get roundingMode(): number {
    return (this.control >> 10) & 3;
  }
  /** For FADD, FSUB, FMUL, FDIV and FSQRT, which obey precision control. */
  get controlled(): Environment {
    const format = PRECISIONS[(this.control >> 8) & 3];
    return { format, mode: this.roundingMode, masks: this.masks };
  }
  /** For everything else. */
  get extended(): Environment {
    return { format: EXTENDED, mode: this.roundingMode, masks: this.masks };
  }

  get status(): number {
    return this.state.get32(LAYOUT.x87Status);
  }
  /** Replaces the bits of `mask` in the status word. */
  setStatus(mask: number, bits: number): void {
    this.state.set32(LAYOUT.x87Status, (this.status & ~mask) | bits);
  }
  /** Adds exception flags. */
  raise(flags: number): void {
    if (flags === 0) return;
    this.setStatus(0, flags);
    summarizeX87(this.state);
  }
  isMasked(flag: number): boolean {
    return (this.masks & flag) !== 0;
  }

  private physical(index: number): number {
    return (x87Top(this.state) + index) & 7;
  }
  isEmpty(index: number): boolean {
    return (this.state.get32(LAYOUT.x87Tags) & (1 << this.physical(index))) === 0;
  }
  /** ST(index), whether empty or not. */
  get(index: number): Extended {
    const physical = this.physical(index);
    const signExponent = x87SignExponent(this.state, physical);
    return {
      sign: signExponent >> 15 === 0 ? 0 : 1,
      exponent: signExponent & 0x7fff,
      significand: x87Significand(this.state, physical),
    };
  }
  set(index: number, value: Extended): void {
    const physical = this.physical(index);
    setX87Register(this.state, physical, (value.sign << 15) | value.exponent, value.significand);
    this.state.set32(LAYOUT.x87Tags, this.state.get32(LAYOUT.x87Tags) | (1 << physical));
  }
  free(index: number): void {
    this.state.set32(LAYOUT.x87Tags, this.state.get32(LAYOUT.x87Tags) & ~(1 << this.physical(index)));
  }
  /** Adds to TOP. */
  rotate(by: number): void {
    this.setStatus(TOP_MASK, ((x87Top(this.state) + by) & 7) << TOP_BIT);
  }
  pop(times = 1): void {
    for (let i = 0; i < times; i++) {
      this.free(0);
      this.rotate(1);
    }
  }
  push(value: Extended): void {
    this.rotate(-1);
    this.set(0, value);
  }

  /** Invalid operation by an empty register; gives whether the masked response follows. */
  underflows(): boolean {
    this.setStatus(C1, 0);
    this.raise(INVALID | STACK_FAULT);
    return this.isMasked(INVALID);
  }
  /** Invalid operation by a register that is not empty. */
  overflows(): boolean {
    this.setStatus(C1, C1);
    this.raise(INVALID | STACK_FAULT);
    return this.isMasked(INVALID);
  }

  /** Raises what an operation found; gives whether its result is to be stored. */
  accept({ flags, up }: Result): boolean {
    this.setStatus(C1, up ? C1 : 0);
    this.raise(flags);
    return (flags & ~this.masks & BEFORE_OPERATION) === 0;
  }
  /** Pushes a value, or the indefinite where the stack is full. */
  pushChecked(result: Result): void {
    if (!this.isEmpty(7)) {
      if (this.overflows()) this.push(INDEFINITE);
      return;
    }
    if (this.accept(result)) this.push(result.value);
  }
}

/** Number of an ST(i) operand. */
export const stackIndex = (register: number): number => register - Register.ST0;

export type FpuInstruction = (fpu: Fpu, instruction: DecodedInstruction) => void;

function requireFpu(cpu: Cpu): void {
  if ((cpu.state.get32(LAYOUT.cr0) & (CR0.EM | CR0.TS)) !== 0)
    throw new GuestFault(NM, undefined, 'x87 instruction with CR0.EM or CR0.TS set');
}

/** Reports an exception that an earlier instruction left unmasked (SDM Vol. 1, "Handling x87 FPU Exceptions in Software" 8.7). */
export function reportPendingX87(cpu: Cpu): void {
  const { state } = cpu;
  if ((state.get32(LAYOUT.x87Status) & ERROR_SUMMARY) === 0) return;
  if ((state.get32(LAYOUT.cr0) & CR0.NE) !== 0)
    throw new GuestFault(MF, undefined, 'an earlier x87 instruction left an unmasked exception');
  throw new MachineStop('x87 exception with CR0.NE clear, which FERR# and IRQ 13 would report');
}

/** Prefixes before the opcode byte, which is D8H to DFH. */
const ESCAPE_FIRST = 0xd8;
const ESCAPE_LAST = 0xdf;

/** Low bits of the first opcode byte, and the second (SDM Vol. 1, "Last Instruction Opcode" 8.1.9). */
function opcodeOf(cpu: Cpu, instruction: DecodedInstruction): number {
  const at = cpu.state.linearRip;
  for (let i = 0; i + 1 < instruction.length; i++) {
    const byte = Number(cpu.readLinear(at + BigInt(i), 1));
    if (byte >= ESCAPE_FIRST && byte <= ESCAPE_LAST)
      return ((byte & 7) << 8) | Number(cpu.readLinear(at + BigInt(i + 1), 1));
  }
  throw new Error('Invariant broken: an x87 instruction without escape opcode');
}

/**
 * Instruction pointers are those of the last instruction that is no control instruction; the opcode is kept only for one that
 * left an unmasked exception, as processors since the Pentium 4 do.
 */
function notePointers(fpu: Fpu, instruction: DecodedInstruction): void {
  const { cpu, state } = fpu;
  state.set64(LAYOUT.x87InstructionPointer, state.rip);
  state.set32(LAYOUT.x87CodeSelector, state.selector('CS'));
  if (instruction.hasMemory) {
    state.set64(LAYOUT.x87DataPointer, effectiveAddress(state, instruction));
    state.set32(LAYOUT.x87DataSelector, state.selector(segmentName(instruction.segment)));
  }
  if ((fpu.status & ERROR_SUMMARY) !== 0) state.set32(LAYOUT.x87Opcode, opcodeOf(cpu, instruction));
}

/** Instructions that first report what is pending and leave their address behind. */
export const waiting =
  (meaning: FpuInstruction): SystemInstruction =>
  (cpu, instruction) => {
    requireFpu(cpu);
    reportPendingX87(cpu);
    const fpu = new Fpu(cpu);
    meaning(fpu, instruction);
    notePointers(fpu, instruction);
  };

/** Control instructions that report what is pending: FLDCW, FLDENV, FRSTOR. */
export const waitingControl =
  (meaning: FpuInstruction): SystemInstruction =>
  (cpu, instruction) => {
    requireFpu(cpu);
    reportPendingX87(cpu);
    meaning(new Fpu(cpu), instruction);
  };

/** Control instructions that do not look at pending exceptions. */
export const notWaiting =
  (meaning: FpuInstruction): SystemInstruction =>
  (cpu, instruction) => {
    requireFpu(cpu);
    meaning(new Fpu(cpu), instruction);
  };
