/** Makes the memory operand of an encoding lie where a case wants it, by its registers. */
import { OpKind, Register } from 'iced-x86';
import type { DecodedInstruction } from '../../../debug-adapter/engine/isa/decode.ts';
import { registerInfo } from '../../../debug-adapter/engine/isa/registers.ts';
import type { TestSegments } from '../../instructions/environment.ts';
import type { Encoding } from './encodings.ts';
import type { Random } from './random.ts';
import { baseOf } from './world.ts';

const SEGMENT_NAME: Readonly<Record<number, keyof TestSegments>> = {
  [Register.ES]: 'ES',
  [Register.CS]: 'CS',
  [Register.SS]: 'SS',
  [Register.DS]: 'DS',
  [Register.FS]: 'FS',
  [Register.GS]: 'GS',
};
export interface Bases {
  readonly fs: bigint;
  readonly gs: bigint;
}

/** Linear base of the operand's segment. */
function operandBase({ d, bits }: Encoding, { fs, gs }: Bases): bigint {
  const name = SEGMENT_NAME[d.segment];
  if (name === undefined) return 0n;
  if (bits === 64 && name === 'FS') return fs;
  if (bits === 64 && name === 'GS') return gs;
  return BigInt(baseOf(bits, name));
}

const ADDRESS_BITS = { 2: 16, 4: 32, 8: 64 } as const;

/** How an encoding forms its address, as far as no register matters. */
export const isFixed = ({ d }: Encoding): boolean =>
  d.memoryBase === Register.None || d.memoryBase === Register.RIP || d.memoryBase === Register.EIP;

/**
 * Patches the displacement of an operand without base register so that it lies at `place`.
 * @param codeAt linear address of the instruction
 */
export function aimFixed(encoding: Encoding, codeAt: number, place: number, bases: Bases): void {
  const { d, bytes, displacementAt: at } = encoding;
  if (at === 0) return;
  const offset = BigInt(place) - operandBase(encoding, bases);
  const ripRelative = d.memoryBase !== Register.None;
  const target = ripRelative ? offset - BigInt(codeAt + d.length) : offset;
  const moffs = d.op0Kind === OpKind.Memory ? d.op1Kind === OpKind.Register : d.op0Kind === OpKind.Register;
  const isMoffs = (bytes[at - 1]! & 0xfc) === 0xa0 && bytes[at - 2] !== 0x0f && moffs;
  const width = isMoffs ? d.addressSize : Math.min(d.addressSize, 4);
  for (let i = 0; i < width; i++) bytes[at + i] = Number((target >> BigInt(8 * i)) & 0xffn);
}

/** Sets registers so that the operand lies at `place`. Bits above the address size stay as they are: they must not matter. */
export function aimRegisters(
  encoding: Encoding,
  gpr: BigUint64Array,
  from: number,
  place: number,
  bases: Bases,
  random: Random,
): void {
  const { d } = encoding;
  const width = ADDRESS_BITS[d.addressSize];
  const mask = (1n << BigInt(width)) - 1n;
  const put = (register: number, value: bigint): void => {
    const at = from + registerInfo(register)!.number;
    gpr[at] = (gpr[at]! & ~mask) | (value & mask);
  };
  const offset = BigInt(place) - operandBase(encoding, bases);
  const fixed = isFixed(encoding);
  let rest = offset;
  if (d.memoryIndex !== Register.None && !isVector(d)) {
    if (d.memoryIndex === d.memoryBase) {
      put(d.memoryBase, (offset - BigInt.asIntN(width, d.displacement)) / BigInt(1 + d.memoryScale));
      return;
    }
    const index = BigInt(random.below(4));
    put(d.memoryIndex, index);
    rest -= index * BigInt(d.memoryScale);
  }
  if (!fixed) put(d.memoryBase, rest - d.displacement);
}

/** Where an operand lies that was meant to lie at `place`: within 64 KiB of its segment's base if its offset has 16 bits. */
export function reached(encoding: Encoding, bases: Bases, place: number): number {
  if (encoding.d.addressSize !== 2) return place;
  const base = Number(operandBase(encoding, bases));
  return base + ((place - base) & 0xffff);
}

export const isVector = (d: DecodedInstruction): boolean =>
  d.memoryIndex >= Register.XMM0 && d.memoryIndex <= Register.YMM31;

/** Linear address of an offset in ES or in the operand's segment, for string instructions. */
export const stringBase = (
  encoding: Encoding,
  bases: Bases,
): { readonly source: bigint; readonly destination: bigint } => ({
  source: operandBase(encoding, bases),
  destination: BigInt(baseOf(encoding.bits, 'ES')),
});
