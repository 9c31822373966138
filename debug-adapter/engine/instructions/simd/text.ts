/** PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM Vol. 2B, "Imm8 Control Byte Operation for PCMPESTRI..." 4.1). */
import { CF, OF, SF, ZF } from '../../cpu/flags.ts';
import type { Cpu } from '../../cpu/context.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { loadRegister, loadSource, storeRegister, vectorNumber } from './execute.ts';
import type { VectorForm } from './forms.ts';
import { requireAvx, requireSse } from './gates.ts';
import { Vector } from './vector.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;

const first = new Vector();
const second = new Vector();
const mask = new Vector();

type LaneView = 'u8' | 'u16' | 'i8' | 'i16';
const VIEWS: readonly LaneView[] = ['u8', 'u16', 'i8', 'i16'];

/** Number of valid lanes: up to the first zero lane. */
function implicitLength(text: Vector, view: LaneView, lanes: number): number {
  for (let i = 0; i < lanes; i++) if (text[view][i] === 0) return i;
  return lanes;
}
/** The absolute value of EAX or EDX (RAX or RDX with REX.W), at most the number of lanes. */
function explicitLength(cpu: Cpu, register: number, wide: boolean, lanes: number): number {
  const value = wide ? BigInt.asIntN(64, cpu.state.gpr(register)) : BigInt(cpu.state.gpr32(register) | 0);
  const size = value < 0n ? -value : value;
  return size > BigInt(lanes) ? lanes : Number(size);
}

const EQUAL_ANY = 0;
const RANGES = 1;
const EQUAL_EACH = 2;

/** Intermediate result 1: a bit for each lane of the second operand. */
function aggregate(kind: number, view: LaneView, lanes: number, length1: number, length2: number): number {
  const x = (i: number): number => first[view][i];
  const y = (j: number): number => second[view][j];
  let result = 0;
  for (let j = 0; j < lanes; j++) {
    let matches: boolean;
    if (kind === EQUAL_ANY) {
      matches = false;
      if (j < length2) for (let i = 0; i < length1; i++) matches ||= x(i) === y(j);
    } else if (kind === RANGES) {
      matches = false;
      if (j < length2) for (let i = 0; i + 1 < length1; i += 2) matches ||= x(i) <= y(j) && y(j) <= x(i + 1);
    } else if (kind === EQUAL_EACH) {
      matches = j < length1 === j < length2 && (j >= length1 || x(j) === y(j));
    } else {
      // Equal ordered: the first text, as far as it lies within the vector, starts at lane j of the second.
      matches = true;
      for (let i = 0; i < length1 && i + j < lanes; i++) matches &&= i + j < length2 && x(i) === y(i + j);
    }
    if (matches) result |= 1 << j;
  }
  return result;
}

/** Negation of all lanes, or of the valid ones (polarity 1 and 3). */
function polarize(result: number, polarity: number, lanes: number, length2: number): number {
  const all = (1 << lanes) - 1;
  if (polarity === 1) return ~result & all;
  return polarity === 3 ? result ^ ((1 << length2) - 1) : result;
}

function index(result: number, mostSignificant: boolean, lanes: number): number {
  if (result === 0) return lanes;
  return 31 - Math.clz32(mostSignificant ? result : result & -result);
}

function expand(result: number, asLanes: boolean, lanes: number): void {
  mask.u64.fill(0n);
  if (!asLanes) mask.u32[0] = result;
  else for (let i = 0; i < lanes; i++) if (((result >> i) & 1) !== 0) mask[lanes === 16 ? 'i8' : 'i16'][i] = -1;
}

/** @param explicit lengths in rAX and rDX @param gives an index in ECX or a mask in XMM0 */
export function textCompare(form: VectorForm, explicit: boolean, gives: 'index' | 'mask'): SystemInstruction {
  const wide = form.mnemonic.endsWith('64');
  return (cpu: Cpu, instruction: DecodedInstruction) => {
    if (form.vex) requireAvx(cpu);
    else requireSse(cpu);
    loadRegister(cpu, vectorNumber(instruction.op0Register), first);
    loadSource(cpu, instruction, 1, 16, second);
    const control = instruction.immediateLo & 0xff;
    const view = VIEWS[control & 3];
    const lanes = (control & 1) !== 0 ? 8 : 16;
    const length1 = explicit ? explicitLength(cpu, RAX, wide, lanes) : implicitLength(first, view, lanes);
    const length2 = explicit ? explicitLength(cpu, RDX, wide, lanes) : implicitLength(second, view, lanes);
    const raw = aggregate((control >> 2) & 3, view, lanes, length1, length2);
    const result = polarize(raw, (control >> 4) & 3, lanes, length2);
    const selects = (control & 0x40) !== 0;
    if (gives === 'index') cpu.state.setGpr32(RCX, index(result, selects, lanes));
    else {
      expand(result, selects, lanes);
      storeRegister(cpu, 0, mask, 16, form.vex);
    }
    cpu.state.arithmeticFlags =
      (result !== 0 ? CF : 0) | (length2 < lanes ? ZF : 0) | (length1 < lanes ? SF : 0) | ((result & 1) !== 0 ? OF : 0);
  };
}
