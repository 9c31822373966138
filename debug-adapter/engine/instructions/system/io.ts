/** IN OUT INS OUTS (SDM Vol. 2A and 2B; Vol. 1, "I/O-Permission Bit Map" 18.5.2 for the TSS bitmap). */
import { Code, OpKind } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { DF } from '../../cpu/flags.ts';
import { GP, raise } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { isNonRoot, isProtected, isVirtual8086 } from '../../cpu/modes.ts';
import { linearAddress, operandKind, segmentName } from '../../cpu/operands.ts';
import { SYSTEM_TYPE } from '../../cpu/segmentation.ts';
import { ioplOf, MINIMUM_TSS_LIMIT, TSS_IO_MAP_BASE } from '../../cpu/virtual-8086.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { intercept, type Form } from './forms.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RSI = 6;
const RDI = 7;
type PortBytes = 1 | 2 | 4;

/** Above IOPL (and always in virtual-8086 mode) every touched port must have a clear bit in the TSS's bitmap. */
function checkPermission(cpu: Cpu, port: number, bytes: PortBytes): void {
  const state = cpu.state;
  if (!isProtected(state)) return;
  if (state.cpl <= ioplOf(state) && !isVirtual8086(state)) return;
  const limit = state.segmentLimit('TR');
  const type = state.accessRights('TR') & 0xf;
  const deny = (because: string): never => raise(GP, 0, because);
  if (type !== SYSTEM_TYPE.busyTss || limit < MINIMUM_TSS_LIMIT) deny('I/O above IOPL without a TSS that has a bitmap');
  const base = state.segmentBase('TR');
  const map = Number(cpu.readSystem(base + BigInt(TSS_IO_MAP_BASE), 2));
  const at = map + (port >> 3);
  // Two bytes are read always, so that an access may straddle.
  if (at + 1 > limit) deny('I/O permission bitmap ends before the port');
  const bits = Number(cpu.readSystem(base + BigInt(at), 2)) >> (port & 7);
  if ((bits & ((1 << bytes) - 1)) !== 0)
    deny(`port ${port.toString(16).toUpperCase()}h denied by the I/O permission bitmap`);
}

const portOf = (cpu: Cpu, instruction: DecodedInstruction, operand: 0 | 1): number =>
  operandKind(instruction, operand) === OpKind.Register
    ? cpu.state.gpr32(RDX) & 0xffff
    : instruction.immediateLo & 0xff;

/** VM exit of IN and OUT; nothing is put together where there can be none. */
function interceptPort(
  cpu: Cpu,
  instruction: DecodedInstruction,
  port: number,
  bytes: PortBytes,
  direction: 'in' | 'out',
): void {
  if (!isNonRoot(cpu.state)) return;
  const kind = direction === 'in' ? instruction.op1Kind : instruction.op0Kind;
  const immediate = kind !== OpKind.Register;
  const what = { kind: 'io', port, bytes, direction, string: false, rep: false, immediate, linear: 0n } as const;
  cpu.intercepts.instruction(what, instruction);
}

/** Bits of EAX that an access of 1, 2 or 4 bytes has. */
const portMask = (bytes: PortBytes): number => (bytes === 4 ? -1 : bytes === 2 ? 0xffff : 0xff);

const input =
  (bytes: PortBytes): SystemInstruction =>
  (cpu, instruction) => {
    const { state } = cpu;
    const port = portOf(cpu, instruction, 1);
    checkPermission(cpu, port, bytes);
    interceptPort(cpu, instruction, port, bytes, 'in');
    const value = cpu.ports.read(port, bytes);
    if (bytes === 4) state.setGpr32(RAX, value);
    else state.set32(LAYOUT.gpr, (state.low(LAYOUT.gpr) & ~portMask(bytes)) | (value & portMask(bytes)));
    cpu.portAccessed(port, bytes);
  };

const output =
  (bytes: PortBytes): SystemInstruction =>
  (cpu, instruction) => {
    const port = portOf(cpu, instruction, 0);
    checkPermission(cpu, port, bytes);
    interceptPort(cpu, instruction, port, bytes, 'out');
    cpu.ports.write(port, bytes, (cpu.state.gpr32(RAX) & portMask(bytes)) >>> 0);
    cpu.portAccessed(port, bytes);
  };

const MASKS = { 2: 0xffffn, 4: 0xffff_ffffn, 8: 0xffff_ffff_ffff_ffffn } as const;

/** A register of the address size; writing one of 32 bits clears the upper half. */
const indexOf = (cpu: Cpu, register: number, bytes: 2 | 4 | 8): bigint => cpu.state.gpr(register) & MASKS[bytes];
function setIndex(cpu: Cpu, register: number, bytes: 2 | 4 | 8, value: bigint): void {
  const kept = bytes === 2 ? cpu.state.gpr(register) & ~MASKS[2] : 0n;
  cpu.state.setGpr(register, kept | (value & MASKS[bytes]));
}

/** One iteration: judged, done and committed as a whole (ENGINE: one iteration, one committed step). */
function stringStep(cpu: Cpu, instruction: DecodedInstruction, direction: 'in' | 'out', bytes: PortBytes): void {
  const state = cpu.state;
  const size = instruction.addressSize;
  const register = direction === 'in' ? RDI : RSI;
  const offset = indexOf(cpu, register, size);
  const port = state.gpr32(RDX) & 0xffff;
  checkPermission(cpu, port, bytes);
  const rep = instruction.rep || instruction.repne;
  const name = direction === 'in' ? 'ES' : segmentName(instruction.segment);
  // The exit comes before limit and usability faults; its linear address is base plus offset.
  const flat = state.codeBits === 64 && name !== 'FS' && name !== 'GS';
  const linear = flat ? offset : (state.segmentBase(name) + offset) & (state.codeBits === 64 ? MASKS[8] : MASKS[4]);
  intercept(cpu, { kind: 'io', port, bytes, direction, string: true, rep, immediate: false, linear }, instruction);
  const access = direction === 'in' ? 'write' : 'read';
  const checked = linearAddress(state, name, offset, bytes, access);
  if (direction === 'in') {
    // A device read must not happen when its value cannot be stored.
    cpu.checkWritable(checked, bytes);
    cpu.writeLinear(checked, bytes, BigInt(cpu.ports.read(port, bytes) >>> 0));
  } else cpu.ports.write(port, bytes, Number(cpu.readLinear(checked, bytes)));
  cpu.portAccessed(port, bytes);
  const step = (state.systemFlags & DF) !== 0 ? -bytes : bytes;
  setIndex(cpu, register, size, offset + BigInt(step));
}

/** Iterations at a time: whoever runs the machine must be able to pause it, and a count may have 64 bits. */
const MOST_ITERATIONS = 16_384;

const string =
  (direction: 'in' | 'out', bytes: PortBytes): SystemInstruction =>
  (cpu, instruction) => {
    const state = cpu.state;
    if (!instruction.rep && !instruction.repne) {
      stringStep(cpu, instruction, direction, bytes);
      return;
    }
    const size = instruction.addressSize;
    for (let iterations = 0; iterations < MOST_ITERATIONS; iterations++) {
      const count = indexOf(cpu, RCX, size);
      if (count === 0n) return;
      stringStep(cpu, instruction, direction, bytes);
      setIndex(cpu, RCX, size, count - 1n);
      if (count === 1n) return;
      // A device may have something to say (an interrupt, the end of the machine): the rest follows when it has been heard.
      if (state.get32(LAYOUT.attention) !== 0) break;
    }
    cpu.setNextRip(state.rip);
  };

export const IO_INSTRUCTIONS: readonly Form[] = [
  [Code.In_AL_imm8, input(1)],
  [Code.In_AX_imm8, input(2)],
  [Code.In_EAX_imm8, input(4)],
  [Code.In_AL_DX, input(1)],
  [Code.In_AX_DX, input(2)],
  [Code.In_EAX_DX, input(4)],
  [Code.Out_imm8_AL, output(1)],
  [Code.Out_imm8_AX, output(2)],
  [Code.Out_imm8_EAX, output(4)],
  [Code.Out_DX_AL, output(1)],
  [Code.Out_DX_AX, output(2)],
  [Code.Out_DX_EAX, output(4)],
  [Code.Insb_m8_DX, string('in', 1)],
  [Code.Insw_m16_DX, string('in', 2)],
  [Code.Insd_m32_DX, string('in', 4)],
  [Code.Outsb_DX_m8, string('out', 1)],
  [Code.Outsw_DX_m16, string('out', 2)],
  [Code.Outsd_DX_m32, string('out', 4)],
];
