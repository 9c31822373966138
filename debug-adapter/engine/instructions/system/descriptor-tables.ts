/** LGDT LIDT SGDT SIDT, LLDT LTR SLDT STR, LAR LSL VERR VERW ARPL (SDM Vol. 2A and 2B). */
import { Code, OpKind } from 'iced-x86';
import type { Cpu, InterceptedInstruction } from '../../cpu/context.ts';
import { ZF } from '../../cpu/flags.ts';
import { GP, raise } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { is64Bit, isCanonical, isLongMode } from '../../cpu/modes.ts';
import { readRegister, type OperandBytes } from '../../cpu/operands.ts';
import {
  dplOf,
  isCode,
  isConforming,
  isNull,
  isSegment,
  isWritableOrReadable,
  limitOf,
  readDescriptor,
  rplOf,
  SYSTEM_TYPE,
  typeOf,
  type Descriptor,
} from '../../cpu/segmentation.ts';
import { MASK_32, MASK_64 } from '../../cpu/stack.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { checkUmip, forms, intercept, requireCpl0, requireProtectedMode, type Form } from './forms.ts';

type TableMnemonic = Extract<InterceptedInstruction, { kind: 'descriptor-table' }>['mnemonic'];

const TABLE_AT = {
  gdt: { base: LAYOUT.gdtrBase, limit: LAYOUT.gdtrLimit },
  idt: { base: LAYOUT.idtrBase, limit: LAYOUT.idtrLimit },
} as const;

function ask(cpu: Cpu, instruction: DecodedInstruction, mnemonic: TableMnemonic): void {
  intercept(cpu, { kind: 'descriptor-table', mnemonic }, instruction);
}

const behind = (cpu: Cpu, linear: bigint, bytes: bigint): bigint =>
  (linear + bytes) & (is64Bit(cpu.state) ? MASK_64 : MASK_32);

/** @param baseMask bits of the base that the operand size takes: 24, 32 or 64 */
const loadTable =
  (table: keyof typeof TABLE_AT, baseBytes: 4 | 8, baseMask: bigint): SystemInstruction =>
  (cpu, instruction) => {
    requireCpl0(cpu);
    ask(cpu, instruction, table === 'gdt' ? 'lgdt' : 'lidt');
    const linear = cpu.linearOperand(instruction, baseBytes + 2, 'read');
    const limit = cpu.readLinear(linear, 2);
    const base = cpu.readLinear(behind(cpu, linear, 2n), baseBytes) & baseMask;
    if (baseBytes === 8 && !isCanonical(base, cpu.linearBits)) raise(GP, 0, 'table base is not canonical');
    cpu.state.set64(TABLE_AT[table].base, base);
    cpu.state.set32(TABLE_AT[table].limit, Number(limit));
  };

const storeTable =
  (table: keyof typeof TABLE_AT, baseBytes: 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    checkUmip(cpu);
    ask(cpu, instruction, table === 'gdt' ? 'sgdt' : 'sidt');
    const linear = cpu.linearOperand(instruction, baseBytes + 2, 'write');
    cpu.writeLinear(linear, 2, BigInt(cpu.state.get32(TABLE_AT[table].limit)));
    cpu.writeLinear(behind(cpu, linear, 2n), baseBytes, cpu.state.get64(TABLE_AT[table].base));
  };

const loadSystemSegment =
  (name: 'LDTR' | 'TR'): SystemInstruction =>
  (cpu, instruction) => {
    requireProtectedMode(cpu);
    requireCpl0(cpu);
    ask(cpu, instruction, name === 'LDTR' ? 'lldt' : 'ltr');
    cpu.loadSegment(name, Number(cpu.readOperand(instruction, 0, 2)));
  };

/** A register destination takes the operand size, memory always 16 bits. */
export function storeSelector(cpu: Cpu, instruction: DecodedInstruction, bytes: OperandBytes, value: bigint): void {
  cpu.writeOperand(instruction, 0, instruction.op0Kind === OpKind.Memory ? 2 : bytes, value);
}

const storeSystemSegment =
  (name: 'LDTR' | 'TR', bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    requireProtectedMode(cpu);
    checkUmip(cpu);
    ask(cpu, instruction, name === 'LDTR' ? 'sldt' : 'str');
    storeSelector(cpu, instruction, bytes, BigInt(cpu.state.selector(name)));
  };

function setZero(cpu: Cpu, on: boolean): void {
  const state = cpu.state;
  state.arithmeticFlags = on ? state.arithmeticFlags | ZF : state.arithmeticFlags & ~ZF;
}

/** The descriptor if the selector may be looked at from CPL and its RPL; undefined otherwise. */
function visibleDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined) return undefined;
  const conforming = isCode(descriptor) && isConforming(descriptor);
  return conforming || dplOf(descriptor) >= Math.max(cpu.state.cpl, rplOf(selector)) ? descriptor : undefined;
}

const LONG_LIMITS: readonly number[] = [SYSTEM_TYPE.ldt, SYSTEM_TYPE.availableTss, SYSTEM_TYPE.busyTss];
const LEGACY_LIMITS: readonly number[] = [...LONG_LIMITS, SYSTEM_TYPE.availableTss16, SYSTEM_TYPE.busyTss16];
/** System descriptors that LSL accepts; LAR accepts gates as well (SDM Vol. 2A, tables in "LAR" and "LSL"). */
function hasLimit(cpu: Cpu, descriptor: Descriptor): boolean {
  return isSegment(descriptor) || (isLongMode(cpu.state) ? LONG_LIMITS : LEGACY_LIMITS).includes(typeOf(descriptor));
}
function hasRights(cpu: Cpu, descriptor: Descriptor): boolean {
  if (hasLimit(cpu, descriptor) || typeOf(descriptor) === SYSTEM_TYPE.callGate) return true;
  const legacy: readonly number[] = [SYSTEM_TYPE.callGate16, SYSTEM_TYPE.taskGate];
  return !isLongMode(cpu.state) && legacy.includes(typeOf(descriptor));
}

const loadFromDescriptor =
  (
    bytes: 2 | 4 | 8,
    accepts: (cpu: Cpu, descriptor: Descriptor) => boolean,
    value: (descriptor: Descriptor) => number,
  ): SystemInstruction =>
  (cpu, instruction) => {
    requireProtectedMode(cpu);
    const descriptor = visibleDescriptor(cpu, Number(cpu.readOperand(instruction, 1, 2)));
    const found = descriptor !== undefined && accepts(cpu, descriptor);
    if (found) cpu.writeOperand(instruction, 0, bytes, BigInt(value(descriptor) >>> 0));
    setZero(cpu, found);
  };

const lar = (bytes: 2 | 4 | 8): SystemInstruction =>
  loadFromDescriptor(bytes, hasRights, (descriptor) => descriptor.high & 0x00ff_ff00);
const lsl = (bytes: 2 | 4 | 8): SystemInstruction => loadFromDescriptor(bytes, hasLimit, limitOf);

const verify =
  (access: 'read' | 'write'): SystemInstruction =>
  (cpu, instruction) => {
    requireProtectedMode(cpu);
    const descriptor = visibleDescriptor(cpu, Number(cpu.readOperand(instruction, 0, 2)));
    if (descriptor === undefined || !isSegment(descriptor)) return setZero(cpu, false);
    const code = isCode(descriptor);
    const allowed = isWritableOrReadable(descriptor);
    setZero(cpu, access === 'read' ? !code || allowed : !code && allowed);
  };

/** The destination is read to be written, so it must be writable whether or not its RPL changes. */
const arpl: SystemInstruction = (cpu, instruction) => {
  requireProtectedMode(cpu);
  if (instruction.op0Kind === OpKind.Memory) cpu.checkWritable(cpu.linearOperand(instruction, 2, 'write'), 2);
  const selector = Number(cpu.readOperand(instruction, 0, 2));
  const rpl = Number(cpu.readOperand(instruction, 1, 2)) & 3;
  const raises = (selector & 3) < rpl;
  // A register named with 32 bits keeps its upper half: the operand has 16.
  const upper =
    instruction.op0Kind === OpKind.Register ? readRegister(cpu.state, instruction.op0Register) & ~0xffffn : 0n;
  if (raises) cpu.writeOperand(instruction, 0, 2, upper | BigInt((selector & ~3) | rpl));
  setZero(cpu, raises);
};

export const DESCRIPTOR_TABLES: readonly Form[] = [
  [Code.Lgdt_m1632_16, loadTable('gdt', 4, 0xff_ffffn)],
  [Code.Lgdt_m1632, loadTable('gdt', 4, MASK_32)],
  [Code.Lgdt_m1664, loadTable('gdt', 8, MASK_64)],
  [Code.Lidt_m1632_16, loadTable('idt', 4, 0xff_ffffn)],
  [Code.Lidt_m1632, loadTable('idt', 4, MASK_32)],
  [Code.Lidt_m1664, loadTable('idt', 8, MASK_64)],
  ...forms([Code.Sgdt_m1632_16, Code.Sgdt_m1632], storeTable('gdt', 4)),
  [Code.Sgdt_m1664, storeTable('gdt', 8)],
  ...forms([Code.Sidt_m1632_16, Code.Sidt_m1632], storeTable('idt', 4)),
  [Code.Sidt_m1664, storeTable('idt', 8)],
  ...forms([Code.Lldt_rm16, Code.Lldt_r32m16, Code.Lldt_r64m16], loadSystemSegment('LDTR')),
  ...forms([Code.Ltr_rm16, Code.Ltr_r32m16, Code.Ltr_r64m16], loadSystemSegment('TR')),
  [Code.Sldt_rm16, storeSystemSegment('LDTR', 2)],
  [Code.Sldt_r32m16, storeSystemSegment('LDTR', 4)],
  [Code.Sldt_r64m16, storeSystemSegment('LDTR', 8)],
  [Code.Str_rm16, storeSystemSegment('TR', 2)],
  [Code.Str_r32m16, storeSystemSegment('TR', 4)],
  [Code.Str_r64m16, storeSystemSegment('TR', 8)],
  [Code.Lar_r16_rm16, lar(2)],
  [Code.Lar_r32_r32m16, lar(4)],
  [Code.Lar_r64_r64m16, lar(8)],
  [Code.Lsl_r16_rm16, lsl(2)],
  [Code.Lsl_r32_r32m16, lsl(4)],
  [Code.Lsl_r64_r64m16, lsl(8)],
  ...forms([Code.Verr_rm16, Code.Verr_r32m16, Code.Verr_r64m16], verify('read')),
  ...forms([Code.Verw_rm16, Code.Verw_r32m16, Code.Verw_r64m16], verify('write')),
  ...forms([Code.Arpl_rm16_r16, Code.Arpl_r32m16_r32], arpl),
];
