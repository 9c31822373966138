/**
 * The instruction forms with vector operands, read off iced's names: `VEX_Vpaddb_ymm_ymm_ymmm256` is VEX-encoded, its mnemonic
 * is `vpaddb` and its operands are those three. So the legacy, VEX.128 and VEX.256 forms of an operation need one meaning.
 */
import { Code } from 'iced-x86';
import type { VectorLength } from './vector.ts';

export interface OperandForm {
  /** `vector` (XMM, YMM), `mmx`, `general`: a register; `memory`: memory only; `immediate`. The first three may also be memory where `memoryBytes` is set. */
  readonly kind: 'vector' | 'mmx' | 'general' | 'memory' | 'immediate';
  /** Bytes of the register; 0 where the operand is no register. */
  readonly bytes: number;
  /** Bytes in memory; 0 where it cannot be memory. */
  readonly memoryBytes: number;
}

export interface VectorForm {
  readonly code: number;
  readonly vex: boolean;
  /** Lower case. */
  readonly mnemonic: string;
  readonly operands: readonly OperandForm[];
  /** The widest vector operand. */
  readonly length: VectorLength;
  /** Whether an operand is an MMX register. */
  readonly mmx: boolean;
}

const operand = (kind: OperandForm['kind'], bytes: number, memoryBytes: number): OperandForm => ({
  kind,
  bytes,
  memoryBytes,
});

function parseOperand(token: string): OperandForm | undefined {
  const bits = (text: string | undefined): number => (text === undefined ? 0 : Number(text) / 8);
  let match = /^([xy])mm(?:m(\d+))?$/.exec(token);
  if (match) return operand('vector', match[1] === 'x' ? 16 : 32, bits(match[2]));
  match = /^mm(?:m(\d+))?$/.exec(token);
  if (match) return operand('mmx', 8, bits(match[1]));
  match = /^r(32|64)(?:m(\d+))?$/.exec(token);
  if (match) return operand('general', bits(match[1]), bits(match[2]));
  match = /^rm(32|64)$/.exec(token);
  if (match) return operand('general', bits(match[1]), bits(match[1]));
  match = /^m(\d+)$/.exec(token);
  if (match) return operand('memory', 0, bits(match[1]));
  return token === 'imm8' ? operand('immediate', 0, 0) : undefined;
}

function parse(name: string, code: number): VectorForm | undefined {
  const vex = name.startsWith('VEX_');
  const [mnemonic, ...tokens] = (vex ? name.slice(4) : name).split('_') as [string, ...string[]];
  if (!vex && /^(EVEX|XOP|D3NOW|MVEX)$/.test(mnemonic)) return undefined;
  const written = tokens.filter((token) => token !== '0F11');
  const operands = written.map(parseOperand).filter((found) => found !== undefined);
  if (operands.length !== written.length || !operands.some(({ kind }) => kind === 'vector' || kind === 'mmx'))
    return undefined;
  const has = (kind: OperandForm['kind'], bytes: number): boolean =>
    operands.some((found) => found.kind === kind && found.bytes === bytes);
  const length = has('vector', 32) ? 32 : has('vector', 16) ? 16 : 8;
  return { code, vex, mnemonic: mnemonic.toLowerCase(), operands, length, mmx: has('mmx', 8) };
}

const byMnemonic = new Map<string, VectorForm[]>();
for (const [name, code] of Object.entries(Code)) {
  if (typeof code !== 'number') continue;
  const form = parse(name, code);
  if (form === undefined) continue;
  const others = byMnemonic.get(form.mnemonic);
  if (others) others.push(form);
  else byMnemonic.set(form.mnemonic, [form]);
}

/** Forms of a mnemonic and, for a legacy one, of its VEX counterpart; throws where there are none. */
export function formsOf(mnemonic: string): readonly VectorForm[] {
  const found = [...(byMnemonic.get(mnemonic) ?? []), ...(byMnemonic.get(`v${mnemonic}`) ?? [])];
  if (found.length === 0) throw new Error(`Invariant broken: no vector instruction is called ${mnemonic}`);
  return found;
}
