/** The transcendental instructions: operands, stack and condition codes around transcendental.ts. */
import { Code } from 'iced-x86';
import { C1, C2 } from '../../cpu/x87-state.ts';
import type { Form } from '../system/forms.ts';
import { pushesSecond } from './arithmetic-forms.ts';
import { INDEFINITE, ONE, type Environment, type Extended, type Result } from './extended.ts';
import { waiting, type Fpu, type FpuInstruction } from './fpu.ts';
import {
  arcTangentOf,
  cosine,
  isAngleInRange,
  logarithmPlusOneProduct,
  logarithmProduct,
  powerMinusOne,
  sine,
  tangent,
} from './transcendental.ts';

function replace(fpu: Fpu, result: Result): boolean {
  const accepted = fpu.accept(result);
  if (accepted) fpu.set(0, result.value);
  return accepted;
}

/** C2 where the angle is too large; the operand then stays as it is. */
function tooLarge(fpu: Fpu): boolean {
  fpu.setStatus(C1 | C2, 0);
  if (fpu.isEmpty(0) || isAngleInRange(fpu.get(0))) return false;
  fpu.setStatus(C2, C2);
  return true;
}

const ofAngle =
  (compute: typeof sine): FpuInstruction =>
  (fpu) => {
    if (tooLarge(fpu)) return;
    if (!fpu.isEmpty(0)) replace(fpu, compute(fpu.get(0), fpu.extended));
    else if (fpu.underflows()) fpu.set(0, INDEFINITE);
  };

const fsincos: FpuInstruction = (fpu) => {
  fpu.setStatus(C2, 0);
  if (!pushesSecond(fpu) || tooLarge(fpu)) return;
  const [x, environment] = [fpu.get(0), fpu.extended];
  const [first, second] = [sine(x, environment), cosine(x, environment)];
  const flags = first.flags | second.flags;
  if (!fpu.accept({ ...second, flags })) return;
  fpu.set(0, first.value);
  fpu.push(second.value);
};

const fptan: FpuInstruction = (fpu) => {
  fpu.setStatus(C2, 0);
  if (!pushesSecond(fpu) || tooLarge(fpu)) return;
  const result = tangent(fpu.get(0), fpu.extended);
  if (!replace(fpu, result)) return;
  // What went wrong with the operand is answered twice.
  const { exponent } = result.value;
  fpu.push(exponent === 0x7fff ? result.value : ONE);
};

const f2xm1: FpuInstruction = (fpu) => {
  if (!fpu.isEmpty(0)) replace(fpu, powerMinusOne(fpu.get(0), fpu.extended));
  else if (fpu.underflows()) fpu.set(0, INDEFINITE);
};

/** A function of ST(1) and ST(0) that replaces both. */
const ofTwo =
  (compute: (y: Extended, x: Extended, environment: Environment) => Result): FpuInstruction =>
  (fpu) => {
    if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
      if (!fpu.underflows()) return;
      fpu.set(1, INDEFINITE);
    } else {
      const result = compute(fpu.get(1), fpu.get(0), fpu.extended);
      if (!fpu.accept(result)) return;
      fpu.set(1, result.value);
    }
    fpu.pop();
  };

export const TRANSCENDENTAL_FORMS: readonly Form[] = [
  [Code.Fsin, waiting(ofAngle(sine))],
  [Code.Fcos, waiting(ofAngle(cosine))],
  [Code.Fsincos, waiting(fsincos)],
  [Code.Fptan, waiting(fptan)],
  [Code.Fpatan, waiting(ofTwo(arcTangentOf))],
  [Code.F2xm1, waiting(f2xm1)],
  [Code.Fyl2x, waiting(ofTwo(logarithmProduct))],
  [Code.Fyl2xp1, waiting(ofTwo(logarithmPlusOneProduct))],
];
