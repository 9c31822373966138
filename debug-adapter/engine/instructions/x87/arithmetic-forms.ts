/** FADD FSUB FMUL FDIV in all their forms, FSQRT FRNDINT FSCALE FPREM FXTRACT FABS FCHS. */
import { Code } from 'iced-x86';
import { C0, C1, C2, C3 } from '../../cpu/x87-state.ts';
import type { Form } from '../system/forms.ts';
import {
  add,
  divide,
  extract,
  multiply,
  remainder,
  roundInteger,
  scale,
  squareRoot,
  subtract,
  type BinaryOperation,
} from './arithmetic.ts';
import {
  exactly,
  INDEFINITE,
  negate,
  NEAREST,
  TRUNCATE,
  type Environment,
  type Extended,
  type Result,
} from './extended.ts';
import { stackIndex, waiting, type Fpu, type FpuInstruction } from './fpu.ts';
import { fromDouble, fromInteger, fromSingle, type Loaded } from './memory-formats.ts';

type Load = (fpu: Fpu, instruction: Parameters<FpuInstruction>[1]) => Loaded;
export const loadSingle: Load = ({ cpu }, instruction) => fromSingle(cpu.readOperand(instruction, 0, 4));
export const loadDouble: Load = ({ cpu }, instruction) => fromDouble(cpu.readOperand(instruction, 0, 8));
export const loadInteger =
  (bytes: 2 | 4 | 8): Load =>
  ({ cpu }, instruction) =>
    fromInteger(BigInt.asIntN(bytes * 8, cpu.readOperand(instruction, 0, bytes)));

function combine(
  fpu: Fpu,
  target: number,
  operation: BinaryOperation,
  a: Extended,
  b: Extended,
  denormal: number,
): boolean {
  const result = operation(a, b, fpu.controlled, denormal);
  if (!fpu.accept(result)) return false;
  fpu.set(target, result.value);
  return true;
}

const withMemory =
  (operation: BinaryOperation, load: Load): FpuInstruction =>
  (fpu, instruction) => {
    const { value, denormal } = load(fpu, instruction);
    if (!fpu.isEmpty(0)) combine(fpu, 0, operation, fpu.get(0), value, denormal);
    else if (fpu.underflows()) fpu.set(0, INDEFINITE);
  };

const withRegister =
  (operation: BinaryOperation, pops: 0 | 1): FpuInstruction =>
  (fpu, instruction) => {
    const target = stackIndex(instruction.op0Register);
    const source = stackIndex(instruction.op1Register);
    if (fpu.isEmpty(target) || fpu.isEmpty(source)) {
      if (!fpu.underflows()) return;
      fpu.set(target, INDEFINITE);
    } else if (!combine(fpu, target, operation, fpu.get(target), fpu.get(source), 0)) return;
    fpu.pop(pops);
  };

const reversed =
  (operation: BinaryOperation): BinaryOperation =>
  (a, b, environment, denormal) =>
    operation(b, a, environment, denormal);

/** The seven forms of one operation, in the order: m32fp, m64fp, m32int, m16int, ST(0) ST(i), ST(i) ST(0), the same with pop. */
type SevenCodes = readonly [number, number, number, number, number, number, number];
const sevenForms = (operation: BinaryOperation, codes: SevenCodes): readonly Form[] => [
  [codes[0], waiting(withMemory(operation, loadSingle))],
  [codes[1], waiting(withMemory(operation, loadDouble))],
  [codes[2], waiting(withMemory(operation, loadInteger(4)))],
  [codes[3], waiting(withMemory(operation, loadInteger(2)))],
  [codes[4], waiting(withRegister(operation, 0))],
  [codes[5], waiting(withRegister(operation, 0))],
  [codes[6], waiting(withRegister(operation, 1))],
];

/** ST(0) becomes a function of itself. */
const unary =
  (operation: (x: Extended, environment: Environment) => Result, pick: (fpu: Fpu) => Environment): FpuInstruction =>
  (fpu) => {
    if (fpu.isEmpty(0)) {
      if (fpu.underflows()) fpu.set(0, INDEFINITE);
      return;
    }
    const result = operation(fpu.get(0), pick(fpu));
    if (fpu.accept(result)) fpu.set(0, result.value);
  };
const controlled = (fpu: Fpu): Environment => fpu.controlled;
const extended = (fpu: Fpu): Environment => fpu.extended;

const fscale: FpuInstruction = (fpu) => {
  if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
    if (fpu.underflows()) fpu.set(0, INDEFINITE);
    return;
  }
  const result = scale(fpu.get(0), fpu.get(1), fpu.extended);
  if (fpu.accept(result)) fpu.set(0, result.value);
};

const partialRemainder =
  (mode: typeof NEAREST | typeof TRUNCATE): FpuInstruction =>
  (fpu) => {
    fpu.setStatus(C1 | C2, 0);
    if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
      if (fpu.underflows()) fpu.set(0, INDEFINITE);
      return;
    }
    const { result, conditions } = remainder(fpu.get(0), fpu.get(1), mode, fpu.extended);
    if (!fpu.accept(result)) return;
    if (conditions !== undefined) fpu.setStatus(C0 | C1 | C2 | C3, conditions);
    fpu.set(0, result.value);
  };

/** Instructions that replace ST(0) and push: with an empty source or a full stack both become indefinite. */
export function pushesSecond(fpu: Fpu): boolean {
  if (!fpu.isEmpty(0) && fpu.isEmpty(7)) return true;
  if (fpu.isEmpty(0) ? fpu.underflows() : fpu.overflows()) {
    fpu.set(0, INDEFINITE);
    fpu.push(INDEFINITE);
  }
  return false;
}

const fxtract: FpuInstruction = (fpu) => {
  if (!pushesSecond(fpu)) return;
  const { exponent, significand, flags } = extract(fpu.get(0), fpu.extended);
  if (!fpu.accept(exactly(exponent, flags))) return;
  fpu.set(0, exponent);
  fpu.push(significand);
};

export const ARITHMETIC_FORMS: readonly Form[] = [
  ...sevenForms(add, [
    Code.Fadd_m32fp,
    Code.Fadd_m64fp,
    Code.Fiadd_m32int,
    Code.Fiadd_m16int,
    Code.Fadd_st0_sti,
    Code.Fadd_sti_st0,
    Code.Faddp_sti_st0,
  ]),
  ...sevenForms(multiply, [
    Code.Fmul_m32fp,
    Code.Fmul_m64fp,
    Code.Fimul_m32int,
    Code.Fimul_m16int,
    Code.Fmul_st0_sti,
    Code.Fmul_sti_st0,
    Code.Fmulp_sti_st0,
  ]),
  ...sevenForms(subtract, [
    Code.Fsub_m32fp,
    Code.Fsub_m64fp,
    Code.Fisub_m32int,
    Code.Fisub_m16int,
    Code.Fsub_st0_sti,
    Code.Fsub_sti_st0,
    Code.Fsubp_sti_st0,
  ]),
  ...sevenForms(reversed(subtract), [
    Code.Fsubr_m32fp,
    Code.Fsubr_m64fp,
    Code.Fisubr_m32int,
    Code.Fisubr_m16int,
    Code.Fsubr_st0_sti,
    Code.Fsubr_sti_st0,
    Code.Fsubrp_sti_st0,
  ]),
  ...sevenForms(divide, [
    Code.Fdiv_m32fp,
    Code.Fdiv_m64fp,
    Code.Fidiv_m32int,
    Code.Fidiv_m16int,
    Code.Fdiv_st0_sti,
    Code.Fdiv_sti_st0,
    Code.Fdivp_sti_st0,
  ]),
  ...sevenForms(reversed(divide), [
    Code.Fdivr_m32fp,
    Code.Fdivr_m64fp,
    Code.Fidivr_m32int,
    Code.Fidivr_m16int,
    Code.Fdivr_st0_sti,
    Code.Fdivr_sti_st0,
    Code.Fdivrp_sti_st0,
  ]),
  [Code.Fsqrt, waiting(unary(squareRoot, controlled))],
  [Code.Frndint, waiting(unary(roundInteger, extended))],
  [Code.Fabs, waiting(unary((x) => exactly({ ...x, sign: 0 }), extended))],
  [Code.Fchs, waiting(unary((x) => exactly(negate(x)), extended))],
  [Code.Fscale, waiting(fscale)],
  [Code.Fprem, waiting(partialRemainder(TRUNCATE))],
  [Code.Fprem1, waiting(partialRemainder(NEAREST))],
  [Code.Fxtract, waiting(fxtract)],
];
