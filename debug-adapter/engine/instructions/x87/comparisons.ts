/** FCOM FUCOM FICOM FTST FXAM and the forms that set EFLAGS (SDM Vol. 1, "Comparison and Classification Instructions" 8.3.6). */
import { Code } from 'iced-x86';
import { CF, PF, ZF } from '../../cpu/flags.ts';
import { C0, C1, C2, C3, INVALID } from '../../cpu/x87-state.ts';
import { forms, type Form } from '../system/forms.ts';
import { loadDouble, loadInteger, loadSingle } from './arithmetic-forms.ts';
import { compare, type Order } from './arithmetic.ts';
import { denormalFlag, exactly, kindOf, zero, type Extended, type Kind } from './extended.ts';
import { stackIndex, waiting, type Fpu, type FpuInstruction } from './fpu.ts';

/** FUCOM takes quiet NaNs quietly; FCOM does not. */
type Tolerance = 'ordered' | 'unordered';

function comparisonFlags(a: Extended, b: Extended, tolerance: Tolerance): number {
  const kinds = [kindOf(a), kindOf(b)];
  if (kinds.includes('unsupported') || kinds.includes('signaling')) return INVALID;
  if (kinds.includes('quiet')) return tolerance === 'ordered' ? INVALID : 0;
  return denormalFlag(a, b);
}

type Report = (fpu: Fpu, order: Order) => void;

const toConditions: Report = (fpu, order) => {
  const bits = order === undefined ? C0 | C2 | C3 : order < 0 ? C0 : order === 0 ? C3 : 0;
  fpu.setStatus(C0 | C2 | C3, bits);
};
const toFlags: Report = ({ state }, order) => {
  state.arithmeticFlags = order === undefined ? ZF | PF | CF : order < 0 ? CF : order === 0 ? ZF : 0;
};

/** Gives whether the comparison took place, so that pops may follow. */
function perform(fpu: Fpu, b: Extended, denormal: number, tolerance: Tolerance, report: Report): boolean {
  const a = fpu.get(0);
  const flags = comparisonFlags(a, b, tolerance);
  const order = compare(a, b);
  const found = order === undefined ? flags : flags | denormal;
  const accepted = fpu.accept(exactly(a, found));
  // An unmasked denormal operand keeps the stack as it is, but is compared all the same; an invalid one is not.
  if (accepted || (found & INVALID) === 0) report(fpu, order);
  return accepted;
}

function emptyOperand(fpu: Fpu, report: Report): boolean {
  const masked = fpu.underflows();
  if (masked) report(fpu, undefined);
  return masked;
}

const withMemory =
  (load: typeof loadSingle, pops: 0 | 1): FpuInstruction =>
  (fpu, instruction) => {
    const { value, denormal } = load(fpu, instruction);
    const done = fpu.isEmpty(0)
      ? emptyOperand(fpu, toConditions)
      : perform(fpu, value, denormal, 'ordered', toConditions);
    if (done) fpu.pop(pops);
  };

function withStack(fpu: Fpu, index: number, tolerance: Tolerance, report: Report, pops: 0 | 1 | 2): void {
  const done =
    fpu.isEmpty(0) || fpu.isEmpty(index)
      ? emptyOperand(fpu, report)
      : perform(fpu, fpu.get(index), 0, tolerance, report);
  if (done) fpu.pop(pops);
}

const withRegister =
  (tolerance: Tolerance, report: Report, pops: 0 | 1): FpuInstruction =>
  (fpu, instruction) =>
    withStack(fpu, stackIndex(instruction.op1Register), tolerance, report, pops);
const twoPops =
  (tolerance: Tolerance): FpuInstruction =>
  (fpu) =>
    withStack(fpu, 1, tolerance, toConditions, 2);

const ftst: FpuInstruction = (fpu) => {
  if (fpu.isEmpty(0)) emptyOperand(fpu, toConditions);
  else perform(fpu, zero(0), 0, 'ordered', toConditions);
};

/** C3, C2 and C0 for each class (SDM Vol. 2A, "FXAM—Examine Floating-Point", table 3-40). */
const CLASSES: Readonly<Record<Kind | 'empty', number>> = {
  unsupported: 0,
  quiet: C0,
  signaling: C0,
  normal: C2,
  infinity: C2 | C0,
  zero: C3,
  empty: C3 | C0,
  denormal: C3 | C2,
};
const fxam: FpuInstruction = (fpu) => {
  const x = fpu.get(0);
  fpu.setStatus(C0 | C1 | C2 | C3, CLASSES[fpu.isEmpty(0) ? 'empty' : kindOf(x)] | (x.sign === 1 ? C1 : 0));
};

export const COMPARISONS: readonly Form[] = [
  [Code.Fcom_m32fp, waiting(withMemory(loadSingle, 0))],
  [Code.Fcomp_m32fp, waiting(withMemory(loadSingle, 1))],
  [Code.Fcom_m64fp, waiting(withMemory(loadDouble, 0))],
  [Code.Fcomp_m64fp, waiting(withMemory(loadDouble, 1))],
  [Code.Ficom_m32int, waiting(withMemory(loadInteger(4), 0))],
  [Code.Ficomp_m32int, waiting(withMemory(loadInteger(4), 1))],
  [Code.Ficom_m16int, waiting(withMemory(loadInteger(2), 0))],
  [Code.Ficomp_m16int, waiting(withMemory(loadInteger(2), 1))],
  ...forms([Code.Fcom_st0_sti, Code.Fcom_st0_sti_DCD0], waiting(withRegister('ordered', toConditions, 0))),
  ...forms(
    [Code.Fcomp_st0_sti, Code.Fcomp_st0_sti_DCD8, Code.Fcomp_st0_sti_DED0],
    waiting(withRegister('ordered', toConditions, 1)),
  ),
  [Code.Fcompp, waiting(twoPops('ordered'))],
  [Code.Fucom_st0_sti, waiting(withRegister('unordered', toConditions, 0))],
  [Code.Fucomp_st0_sti, waiting(withRegister('unordered', toConditions, 1))],
  [Code.Fucompp, waiting(twoPops('unordered'))],
  [Code.Fcomi_st0_sti, waiting(withRegister('ordered', toFlags, 0))],
  [Code.Fcomip_st0_sti, waiting(withRegister('ordered', toFlags, 1))],
  [Code.Fucomi_st0_sti, waiting(withRegister('unordered', toFlags, 0))],
  [Code.Fucomip_st0_sti, waiting(withRegister('unordered', toFlags, 1))],
  [Code.Ftst, waiting(ftst)],
  [Code.Fxam, waiting(fxam)],
];
