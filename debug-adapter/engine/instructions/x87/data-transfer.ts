/** FLD FST FILD FIST FISTTP FBLD FBSTP FXCH FCMOVcc and the constants. */
import { Code } from 'iced-x86';
import { CF, PF, ZF } from '../../cpu/flags.ts';
import { C1, INVALID } from '../../cpu/x87-state.ts';
import { forms, type Form } from '../system/forms.ts';
import { loadDouble, loadInteger, loadSingle } from './arithmetic-forms.ts';
import { LN_2, LOG10_2, LOG2_10, LOG2_E, PI, type Constant } from './constants.ts';
import {
  exactly,
  INDEFINITE,
  kindOf,
  ONE,
  QUIET_BIT,
  roundExtended,
  TRUNCATE,
  zero,
  type Extended,
} from './extended.ts';
import { stackIndex, waiting, type Fpu, type FpuInstruction } from './fpu.ts';
import { fromDecimal, toDecimal, toDouble, toInteger, toSingle, type Conversion } from './memory-formats.ts';

const EXTENDED_BYTES = 10;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** FLD m32fp, m64fp: a signaling NaN is an invalid operation already here. */
const loadFloat =
  (load: typeof loadSingle): FpuInstruction =>
  (fpu, instruction) => {
    const { value, denormal } = load(fpu, instruction);
    if (kindOf(value) === 'signaling')
      fpu.pushChecked(exactly({ ...value, significand: value.significand | QUIET_BIT }, INVALID));
    else {
      // A denormal is pushed whether its exception is masked or not.
      const full = !fpu.isEmpty(7);
      fpu.pushChecked(exactly(value));
      if (!full) fpu.raise(denormal);
    }
  };

const loadWhole =
  (bytes: 2 | 4 | 8): FpuInstruction =>
  (fpu, instruction) =>
    fpu.pushChecked(exactly(loadInteger(bytes)(fpu, instruction).value));

function readTenBytes({ cpu }: Fpu, instruction: Parameters<FpuInstruction>[1]): bigint {
  const linear = cpu.linearOperand(instruction, EXTENDED_BYTES, 'read');
  const low = cpu.readLinear(linear, 8);
  return (cpu.readLinear(linear + 8n, 2) << 64n) | low;
}
function writeTenBytes({ cpu }: Fpu, instruction: Parameters<FpuInstruction>[1], bits: bigint): void {
  const linear = cpu.linearOperand(instruction, EXTENDED_BYTES, 'write');
  cpu.checkWritable(linear, EXTENDED_BYTES);
  cpu.writeLinear(linear, 8, bits & MASK_64);
  cpu.writeLinear(linear + 8n, 2, bits >> 64n);
}

const loadExtended: FpuInstruction = (fpu, instruction) => {
  const bits = readTenBytes(fpu, instruction);
  const value: Extended = {
    sign: bits >> 79n === 0n ? 0 : 1,
    exponent: Number(bits >> 64n) & 0x7fff,
    significand: bits & MASK_64,
  };
  fpu.pushChecked(exactly(value));
};
const loadDecimal: FpuInstruction = (fpu, instruction) =>
  fpu.pushChecked(exactly(fromDecimal(readTenBytes(fpu, instruction))));

const loadRegister: FpuInstruction = (fpu, instruction) => {
  const index = stackIndex(instruction.op0Register);
  if (!fpu.isEmpty(index)) fpu.pushChecked(exactly(fpu.get(index)));
  else if (fpu.underflows()) fpu.push(INDEFINITE);
};

const storeRegister =
  (pops: 0 | 1): FpuInstruction =>
  (fpu, instruction) => {
    const target = stackIndex(instruction.op0Register);
    if (!fpu.isEmpty(0)) {
      fpu.setStatus(C1, 0);
      fpu.set(target, fpu.get(0));
    } else if (fpu.underflows()) fpu.set(target, INDEFINITE);
    else return;
    fpu.pop(pops);
  };

/** FSTPNCE: like FSTP ST(i), but an empty ST(0) is popped without a word. */
const storeNoException: FpuInstruction = (fpu, instruction) => {
  fpu.setStatus(C1, 0);
  if (!fpu.isEmpty(0)) fpu.set(stackIndex(instruction.op0Register), fpu.get(0));
  fpu.pop();
};

/** A store that an unmasked exception keeps from happening still faults where it could not be made. */
function checkTarget({ cpu }: Fpu, instruction: Parameters<FpuInstruction>[1], bytes: number): void {
  cpu.checkWritable(cpu.linearOperand(instruction, bytes, 'write'), bytes);
}

/** Memory is written before anything else changes, so that a page fault leaves the FPU as it was. */
const store =
  (convert: Conversion, bytes: 2 | 4 | 8 | typeof EXTENDED_BYTES, pops: 0 | 1, mode?: number): FpuInstruction =>
  (fpu, instruction) => {
    const rounding = mode ?? fpu.roundingMode;
    const empty = fpu.isEmpty(0);
    const stored = convert(empty ? INDEFINITE : fpu.get(0), rounding, fpu.masks);
    const stores = empty ? fpu.isMasked(INVALID) : stored.stores;
    if (!stores) checkTarget(fpu, instruction, bytes);
    else if (bytes === EXTENDED_BYTES) writeTenBytes(fpu, instruction, stored.bits);
    else fpu.cpu.writeOperand(instruction, 0, bytes, stored.bits);
    if (empty) fpu.underflows();
    else {
      fpu.setStatus(C1, stored.up ? C1 : 0);
      fpu.raise(stored.flags);
    }
    if (stores) fpu.pop(pops);
  };

/** FSTP m80fp copies whatever the register holds. */
const storeExtended: FpuInstruction = (fpu, instruction) => {
  const empty = fpu.isEmpty(0);
  const { sign, exponent, significand } = empty ? INDEFINITE : fpu.get(0);
  const stores = !empty || fpu.isMasked(INVALID);
  if (!stores) checkTarget(fpu, instruction, EXTENDED_BYTES);
  else writeTenBytes(fpu, instruction, (BigInt(sign) << 79n) | (BigInt(exponent) << 64n) | significand);
  if (empty) fpu.underflows();
  else fpu.setStatus(C1, 0);
  if (stores) fpu.pop();
};

const exchange: FpuInstruction = (fpu, instruction) => {
  const index = stackIndex(instruction.op1Register);
  const values = [0, index].map((i) => (fpu.isEmpty(i) ? INDEFINITE : fpu.get(i)));
  if (fpu.isEmpty(0) || fpu.isEmpty(index)) {
    if (!fpu.underflows()) return;
  } else fpu.setStatus(C1, 0);
  fpu.set(0, values[1]);
  fpu.set(index, values[0]);
};

/** FCMOVcc: a condition of CF, ZF and PF. */
const move =
  (mask: number, wanted: 'any' | 'none'): FpuInstruction =>
  (fpu, instruction) => {
    const index = stackIndex(instruction.op1Register);
    if (fpu.isEmpty(0) || fpu.isEmpty(index)) {
      if (fpu.underflows()) fpu.set(0, INDEFINITE);
      return;
    }
    if (((fpu.state.rflags & mask) !== 0) === (wanted === 'any')) fpu.set(0, fpu.get(index));
  };

const loadConstant =
  ({ integer, scale }: Constant): FpuInstruction =>
  (fpu) =>
    fpu.pushChecked(exactly(roundExtended(0, { integer, scale, sticky: true }, fpu.extended).value));

export const DATA_TRANSFER: readonly Form[] = [
  [Code.Fld_m32fp, waiting(loadFloat(loadSingle))],
  [Code.Fld_m64fp, waiting(loadFloat(loadDouble))],
  [Code.Fld_m80fp, waiting(loadExtended)],
  [Code.Fld_sti, waiting(loadRegister)],
  [Code.Fild_m16int, waiting(loadWhole(2))],
  [Code.Fild_m32int, waiting(loadWhole(4))],
  [Code.Fild_m64int, waiting(loadWhole(8))],
  [Code.Fbld_m80bcd, waiting(loadDecimal)],
  [Code.Fst_m32fp, waiting(store(toSingle, 4, 0))],
  [Code.Fstp_m32fp, waiting(store(toSingle, 4, 1))],
  [Code.Fst_m64fp, waiting(store(toDouble, 8, 0))],
  [Code.Fstp_m64fp, waiting(store(toDouble, 8, 1))],
  [Code.Fstp_m80fp, waiting(storeExtended)],
  [Code.Fst_sti, waiting(storeRegister(0))],
  ...forms([Code.Fstp_sti, Code.Fstp_sti_DFD0, Code.Fstp_sti_DFD8], waiting(storeRegister(1))),
  [Code.Fstpnce_sti, waiting(storeNoException)],
  [Code.Fist_m16int, waiting(store(toInteger(16), 2, 0))],
  [Code.Fist_m32int, waiting(store(toInteger(32), 4, 0))],
  [Code.Fistp_m16int, waiting(store(toInteger(16), 2, 1))],
  [Code.Fistp_m32int, waiting(store(toInteger(32), 4, 1))],
  [Code.Fistp_m64int, waiting(store(toInteger(64), 8, 1))],
  [Code.Fisttp_m16int, waiting(store(toInteger(16), 2, 1, TRUNCATE))],
  [Code.Fisttp_m32int, waiting(store(toInteger(32), 4, 1, TRUNCATE))],
  [Code.Fisttp_m64int, waiting(store(toInteger(64), 8, 1, TRUNCATE))],
  [Code.Fbstp_m80bcd, waiting(store(toDecimal, EXTENDED_BYTES, 1))],
  ...forms([Code.Fxch_st0_sti, Code.Fxch_st0_sti_DDC8, Code.Fxch_st0_sti_DFC8], waiting(exchange)),
  [Code.Fcmovb_st0_sti, waiting(move(CF, 'any'))],
  [Code.Fcmove_st0_sti, waiting(move(ZF, 'any'))],
  [Code.Fcmovbe_st0_sti, waiting(move(CF | ZF, 'any'))],
  [Code.Fcmovu_st0_sti, waiting(move(PF, 'any'))],
  [Code.Fcmovnb_st0_sti, waiting(move(CF, 'none'))],
  [Code.Fcmovne_st0_sti, waiting(move(ZF, 'none'))],
  [Code.Fcmovnbe_st0_sti, waiting(move(CF | ZF, 'none'))],
  [Code.Fcmovnu_st0_sti, waiting(move(PF, 'none'))],
  [Code.Fld1, waiting((fpu) => fpu.pushChecked(exactly(ONE)))],
  [Code.Fldz, waiting((fpu) => fpu.pushChecked(exactly(zero(0))))],
  [Code.Fldpi, waiting(loadConstant(PI))],
  [Code.Fldl2t, waiting(loadConstant(LOG2_10))],
  [Code.Fldl2e, waiting(loadConstant(LOG2_E))],
  [Code.Fldlg2, waiting(loadConstant(LOG10_2))],
  [Code.Fldln2, waiting(loadConstant(LN_2))],
];
