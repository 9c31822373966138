/** NASM's names for instructions that iced knows under another name, or whose meaning depends on the code size. */

export interface Alias {
  /** iced's mnemonic in 16-, 32- and 64-bit code. */
  readonly mnemonics: readonly [string, string, string];
  /** Only forms of this operand size; 0 for all. */
  readonly operandSize: number;
  /** Value appended as an immediate: the predicate of CMPEQPS and its kin. */
  readonly immediate?: number;
}

const same = (mnemonic: string, operandSize = 0): Alias => ({ mnemonics: [mnemonic, mnemonic, mnemonic], operandSize });

/** Condition code names besides iced's own. */
const CONDITION_SYNONYMS: readonly (readonly [string, string])[] = [
  ['z', 'e'],
  ['nz', 'ne'],
  ['c', 'b'],
  ['nae', 'b'],
  ['nc', 'ae'],
  ['nb', 'ae'],
  ['na', 'be'],
  ['nbe', 'a'],
  ['nge', 'l'],
  ['nl', 'ge'],
  ['ng', 'le'],
  ['nle', 'g'],
  ['pe', 'p'],
  ['po', 'np'],
];

const PLAIN: Readonly<Record<string, string>> = {
  sal: 'shl',
  retn: 'ret',
  xlat: 'xlatb',
  icebp: 'int1',
  int01: 'int1',
  int03: 'int3',
  loopz: 'loope',
  loopnz: 'loopne',
  fwait: 'wait',
  iretw: 'iret',
  pushfw: 'pushf',
  popfw: 'popf',
  pushaw: 'pusha',
  popaw: 'popa',
  ud2a: 'ud2',
  ud2b: 'ud1',
  setalc: 'salc',
  fsetpm: 'fnsetpm',
};

const BY_MODE: Readonly<Record<string, readonly [string, string, string]>> = {
  iret: ['iret', 'iretd', 'iretd'],
  pusha: ['pusha', 'pushad', 'pushad'],
  popa: ['popa', 'popad', 'popad'],
  pushf: ['pushf', 'pushfd', 'pushfq'],
  popf: ['popf', 'popfd', 'popfq'],
};

const SSE_PREDICATES = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];
const AVX_PREDICATES = [
  ...SSE_PREDICATES,
  'eq_uq',
  'nge',
  'ngt',
  'false',
  'neq_oq',
  'ge',
  'gt',
  'true',
  'eq_os',
  'lt_oq',
  'le_oq',
  'unord_s',
  'neq_us',
  'nlt_uq',
  'nle_uq',
  'ord_s',
  'eq_us',
  'nge_uq',
  'ngt_uq',
  'false_os',
  'neq_os',
  'ge_oq',
  'gt_oq',
  'true_us',
];

function buildAliases(): Map<string, Alias> {
  const aliases = new Map<string, Alias>();
  for (const [name, mnemonic] of Object.entries(PLAIN)) aliases.set(name, same(mnemonic));
  for (const [name, mnemonics] of Object.entries(BY_MODE)) aliases.set(name, { mnemonics, operandSize: 0 });
  for (const [name, condition] of CONDITION_SYNONYMS) {
    for (const stem of ['j', 'set', 'cmov']) aliases.set(stem + name, same(stem + condition));
  }
  for (const [suffix, size] of [
    ['w', 16],
    ['d', 32],
    ['q', 64],
  ] as const) {
    aliases.set(`retf${suffix}`, same('retf', size));
    aliases.set(`ret${suffix}`, same('ret', size));
    aliases.set(`retn${suffix}`, same('ret', size));
  }
  for (const type of ['ps', 'pd', 'ss', 'sd']) {
    SSE_PREDICATES.forEach((name, immediate) => aliases.set(`cmp${name}${type}`, { ...same(`cmp${type}`), immediate }));
    AVX_PREDICATES.forEach((name, immediate) =>
      aliases.set(`vcmp${name}${type}`, { ...same(`vcmp${type}`), immediate }),
    );
  }
  return aliases;
}

/** By NASM's name in lower case. Takes precedence over iced's mnemonics. */
export const ALIASES: ReadonlyMap<string, Alias> = buildAliases();
