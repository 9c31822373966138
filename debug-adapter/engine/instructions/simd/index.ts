/** Every SSE and AVX instruction by iced `Code`. */
import type { SystemInstruction } from '../system-instruction.ts';
import { CONVERSIONS, GENERAL_CONVERSIONS, HALF_CONVERSIONS } from './conversions.ts';
import { AES, PCLMULQDQ, SHA } from './crypto.ts';
import { EMITTED_MEANINGS } from './emitted/index.ts';
import { EMITTED_CLEARING } from './emitted/moves.ts';
import type { EmittedMeaning } from './emitted/vector-builder.ts';
import { bind } from './execute.ts';
import { APPROXIMATIONS, FLOAT, FLOAT_COMPARES, FUSED_MULTIPLY_ADD } from './float.ts';
import { formsOf, type VectorForm } from './forms.ts';
import { INTEGER, SHIFTS } from './integer.ts';
import { gather, maskedBytes, maskedLoad, maskedMmxBytes, maskedStore } from './masked.ts';
import { emptyMmx } from './mmx.ts';
import { ALIGNED_MOVES, HALF_MOVES, MOVES, UNALIGNED_MOVES } from './moves.ts';
import { PERMUTES_IN_LANE, SHUFFLES } from './shuffles.ts';
import { SAVE_INSTRUCTIONS } from './save.ts';
import { STATE_INSTRUCTIONS } from './state.ts';
import { TESTS } from './tests.ts';
import { textCompare } from './text.ts';
import type { VectorTraits } from './traits.ts';
import type { Meaning, Meanings } from './vector.ts';
import { codeByName } from '../../isa/codes.ts';

const table = new Map<number, SystemInstruction>();
function place(code: number, instruction: SystemInstruction): void {
  if (table.has(code)) throw new Error(`Invariant broken: vector instruction ${code} is defined twice`);
  table.set(code, instruction);
}

/** AMD's SSE4a shares two mnemonics with nobody; vector AES and PCLMULQDQ of 256 bits are other features. */
const isOtherFeature = ({ mnemonic, length }: VectorForm): boolean =>
  length === 32 && (/^vaes/.test(mnemonic) || mnemonic === 'vpclmulqdq');

/** What can be emitted: a form, and a meaning of its own. */
interface EmittedVector {
  readonly form: VectorForm;
  readonly traits: VectorTraits;
  readonly meaning: EmittedMeaning;
}
const emitted = new Map<number, EmittedVector>();

/**
 * One form with its TypeScript meaning, and its emitted one where the mnemonic has one. Forms with both MMX and XMM registers
 * are only TypeScript's.
 */
function addForm(mnemonic: string, form: VectorForm, meaning: Meaning, traits: VectorTraits): void {
  place(form.code, bind(form, meaning, traits));
  const ours = EMITTED_MEANINGS[mnemonic];
  if (ours !== undefined && (!form.mmx || form.length === 8)) emitted.set(form.code, { form, traits, meaning: ours });
}
function add(meanings: Meanings, traits: VectorTraits): void {
  for (const [mnemonic, meaning] of Object.entries(meanings))
    for (const form of formsOf(mnemonic)) if (!isOtherFeature(form)) addForm(mnemonic, form, meaning, traits);
}
/** Where the form decides which of two meanings it is. */
function addEither<K extends string>(
  pairs: Readonly<Record<string, { readonly [P in K]: Meaning }>>,
  choose: (form: VectorForm) => K,
): void {
  for (const [mnemonic, pair] of Object.entries(pairs))
    for (const form of formsOf(mnemonic)) addForm(mnemonic, form, pair[choose(form)], {});
}
const hasImmediate = ({ operands }: VectorForm): boolean => operands.at(-1)!.kind === 'immediate';

add(INTEGER, {});
add(SHUFFLES, {});
add(MOVES, {});
add(ALIGNED_MOVES, { alignedAlways: true });
add(UNALIGNED_MOVES, { unaligned: true });
addEither(SHIFTS, (form) => (hasImmediate(form) ? 'byImmediate' : 'byVector'));
addEither(PERMUTES_IN_LANE, (form) => (hasImmediate(form) ? 'byImmediate' : 'byVector'));
addEither(HALF_MOVES, (form) => (form.operands[0].kind === 'memory' ? 'store' : 'load'));
add(FLOAT, { float: true });
add(FLOAT_COMPARES, { float: true, compares: true });
add(FUSED_MULTIPLY_ADD, { float: true });
add(APPROXIMATIONS, {});
add(CONVERSIONS, { float: true });
add(HALF_CONVERSIONS, { float: true });
for (const [mnemonic, make] of Object.entries(GENERAL_CONVERSIONS))
  for (const form of formsOf(mnemonic)) {
    const general = form.operands.find(({ kind }) => kind === 'general')!;
    addForm(mnemonic, form, make(general.bytes === 8 ? 64 : 32), { float: true });
  }
add(TESTS, { compares: true });
add(AES, {});
add(PCLMULQDQ, {});
add(SHA, {});

for (const explicit of [true, false])
  for (const gives of ['index', 'mask'] as const) {
    const mnemonic = `pcmp${explicit ? 'e' : 'i'}str${gives === 'index' ? 'i' : 'm'}`;
    for (const name of explicit ? [mnemonic, `${mnemonic}64`] : [mnemonic])
      for (const form of formsOf(name)) place(form.code, textCompare(form, explicit, gives));
  }

const codeOf = (name: string): number => {
  const code = codeByName(name);
  if (code === undefined) throw new Error(`Invariant broken: no instruction form is called ${name}`);
  return code;
};
for (const [mnemonic, bytes] of [
  ['ps', 4],
  ['pd', 8],
  ['d', 4],
  ['q', 8],
] as const)
  for (const [letter, length] of [
    ['x', 16],
    ['y', 32],
  ] as const) {
    const stem = mnemonic.startsWith('p') ? `VEX_Vmaskmov${mnemonic}` : `VEX_Vpmaskmov${mnemonic}`;
    const vector = `${letter}mm`;
    place(codeOf(`${stem}_${vector}_${vector}_m${length * 8}`), maskedLoad(bytes, length));
    place(codeOf(`${stem}_m${length * 8}_${vector}_${vector}`), maskedStore(bytes, length));
  }
/** Letters: index lane, data lane (d 32 bits, q 64); destination, and vector of indices. */
const GATHERS = [
  ['dd', 'x', 'x'],
  ['dd', 'y', 'y'],
  ['dq', 'x', 'x'],
  ['dq', 'y', 'x'],
  ['qd', 'x', 'x'],
  ['qd', 'x', 'y'],
  ['qq', 'x', 'x'],
  ['qq', 'y', 'y'],
] as const;
for (const [kinds, destination, indices] of GATHERS) {
  const indexBytes = kinds.startsWith('d') ? 4 : 8;
  const bytes = kinds.endsWith('d') ? 4 : 8;
  const width = destination === 'x' ? 16 : 32;
  const lanes = Math.min(width / bytes, (indices === 'x' ? 16 : 32) / indexBytes);
  const operands = `${destination}mm_vm${indexBytes * 8}${indices}_${destination}mm`;
  const float = kinds[0] + (bytes === 4 ? 'ps' : 'pd');
  place(codeOf(`VEX_Vpgather${kinds}_${operands}`), gather(indexBytes, bytes, width, lanes));
  place(codeOf(`VEX_Vgather${float}_${operands}`), gather(indexBytes, bytes, width, lanes));
}
place(codeOf('Emms'), emptyMmx);
place(codeOf('Maskmovq_rDI_mm_mm'), maskedMmxBytes);
place(codeOf('Maskmovdqu_rDI_xmm_xmm'), maskedBytes(false));
place(codeOf('VEX_Vmaskmovdqu_rDI_xmm_xmm'), maskedBytes(true));
for (const [name, instruction] of Object.entries({ ...STATE_INSTRUCTIONS, ...SAVE_INSTRUCTIONS }))
  place(codeOf(name), instruction);

for (const [mnemonic, meaning] of Object.entries(EMITTED_CLEARING)) {
  const code = codeOf(`VEX_V${mnemonic.slice(1)}`);
  emitted.set(code, { form: { code, vex: true, mnemonic, operands: [], length: 32, mmx: false }, traits: {}, meaning });
}

/** By iced `Code`. */
export const SIMD_INSTRUCTIONS: ReadonlyMap<number, SystemInstruction> = table;
/** Those that can be emitted, by iced `Code`. */
export const EMITTED_VECTORS: ReadonlyMap<number, EmittedVector> = emitted;
