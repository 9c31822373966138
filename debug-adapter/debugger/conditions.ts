/** Conditions, hit counts and log messages of breakpoints and filters: checked when set, evaluated when reached. */
import { EXIT_NAMES, exitReason, vectorName } from '../engine/index.ts';
import type { EntryFailure, FaultRecord, VmExitRecord } from '../engine/index.ts';
import { evaluate, evaluateText, vmcsKeyNamed } from './expression-evaluator.ts';
import type { Context } from './expression-evaluator.ts';
import { parseExpression } from './expression-parser.ts';
import type { Expression } from './expression-parser.ts';
import { didYouMean } from './nearest.ts';
import { registerPart, registerPartNames } from './register-names.ts';
import type { SymbolTable } from './symbols.ts';

/** Facts that some exits carry (`VmExit.payload`); a condition that names one is false for exits without it. */
const EXIT_FACTS = [
  'port',
  'size',
  'direction',
  'string',
  'rep',
  'value',
  'gpa',
  'linear',
  'read',
  'write',
  'execute',
  'permissions',
  'msr',
  'cr',
  'cr2',
  'dr',
  'register',
  'access',
  'counter',
  'vector',
  'errorCode',
  'leaf',
  'subleaf',
  'selector',
  'source',
] as const;
/** Facts of every exit. */
const COMMON_FACTS = ['reason', 'qualification', 'number', 'rip', 'instruction'] as const;
const FAULT_FACTS = ['vector', 'errorCode', 'address', 'rip'] as const;
const FAILURE_FACTS = ['error', 'reason', 'qualification'] as const;

/** Names of exits stand for their basic reason: `reason == cpuid`. */
const REASON_NAMES: Readonly<Record<string, bigint>> = Object.fromEntries(
  EXIT_NAMES.map((name) => [name, BigInt(exitReason(name).code)]),
);
const VECTOR_NAMES: Readonly<Record<string, bigint>> = Object.fromEntries(
  Array.from({ length: 32 }, (_, vector) => [vectorName(vector), vector] as const)
    .filter(([name]) => name.startsWith('#'))
    .map(([name, vector]) => [name.slice(1), BigInt(vector)]),
);
const DIRECTION_NAMES = { out: 0n, in: 1n };

export const exitFacts = (record: VmExitRecord): Readonly<Record<string, bigint>> => ({
  ...REASON_NAMES,
  ...VECTOR_NAMES,
  ...DIRECTION_NAMES,
  ...record.exit.payload,
  reason: BigInt(record.exit.basicReason),
  qualification: record.exit.qualification,
  number: BigInt(record.number),
  instruction: BigInt(record.instruction),
  rip: record.guestRip,
});

export const faultFacts = (fault: FaultRecord): Readonly<Record<string, bigint>> => ({
  ...VECTOR_NAMES,
  vector: BigInt(fault.vector),
  rip: fault.rip,
  ...(fault.errorCode === undefined ? {} : { errorCode: BigInt(fault.errorCode) }),
  ...(fault.linear === undefined ? {} : { address: fault.linear }),
});

export const failureFacts = (failure: EntryFailure): Readonly<Record<string, bigint>> => ({
  ...REASON_NAMES,
  qualification: failure.qualification,
  ...(failure.failure?.kind === 'VMfailValid' ? { error: BigInt(failure.failure.error) } : {}),
  ...(failure.exitReason === undefined ? {} : { reason: BigInt(failure.exitReason) }),
});

export type ConditionScope = 'code' | 'vm-exit' | 'exception' | 'triple-fault' | 'vm-entry-failure';

const FACTS: { readonly [S in ConditionScope]: readonly string[] } = {
  code: [],
  'vm-exit': [
    ...EXIT_FACTS,
    ...COMMON_FACTS,
    ...EXIT_NAMES,
    ...Object.keys(DIRECTION_NAMES),
    ...Object.keys(VECTOR_NAMES),
  ],
  exception: [...FAULT_FACTS, ...Object.keys(VECTOR_NAMES)],
  'triple-fault': [],
  'vm-entry-failure': [...FAILURE_FACTS, ...EXIT_NAMES],
};

export interface Condition {
  readonly text: string;
  readonly expression: Expression;
  /** Facts it needs beyond registers, symbols and VMCS fields. */
  readonly facts: readonly string[];
}

/** A condition ready to use, or what is wrong with it in one sentence. */
export function compileCondition(text: string, scope: ConditionScope, symbols: SymbolTable): Condition | string {
  const parsed = parseExpression(text);
  if (!parsed.ok) return `Condition, column ${parsed.error.column}: ${parsed.error.message}`;
  const facts: string[] = [];
  for (const { name, column } of namesIn(parsed.expression)) {
    if (FACTS[scope].includes(name)) facts.push(name);
    else if (!isGenerallyKnown(name, symbols)) {
      const suggestion = didYouMean(name, [...FACTS[scope], ...registerPartNames(), ...symbols.names()]);
      const kinds =
        scope === 'vm-exit' ? 'fact of an exit, register, symbol or VMCS field' : 'register, symbol or VMCS field';
      return `Condition, column ${column}: "${name}" is no ${kinds}.${suggestion}`;
    }
  }
  return { text, expression: parsed.expression, facts };
}

function isGenerallyKnown(name: string, symbols: SymbolTable): boolean {
  if (registerPart(name.replace(/^[$%]/, '')) || symbols.named(name) || name.startsWith('.')) return true;
  if (/^vmcs\./i.test(name)) return vmcsKeyNamed(name.slice(5)) !== undefined;
  return /^(cs|ss|ds|es|fs|gs|ldtr|tr)\.(base|limit|ar)$/i.test(name);
}

function* namesIn(expression: Expression): Generator<{ name: string; column: number }> {
  switch (expression.kind) {
    case 'number':
      return;
    case 'name':
      yield expression;
      return;
    case 'memory':
      yield* namesIn(expression.address);
      return;
    case 'unary':
      yield* namesIn(expression.operand);
      return;
    case 'binary':
      yield* namesIn(expression.left);
      yield* namesIn(expression.right);
  }
}

/** True, false, or why it cannot be told (then the machine stops: silence would hide the mistake). */
export function conditionHolds(condition: Condition, context: Context): boolean | string {
  if (condition.facts.some((fact) => context.payload?.[fact] === undefined)) return false;
  const evaluated = evaluate(condition.expression, context);
  if (evaluated.ok) return evaluated.value.number !== 0n;
  return `The condition "${condition.text}" cannot be evaluated: ${evaluated.error.message}`;
}

export type HitCondition = (hits: number) => boolean;

/** `5` (exactly the fifth time), `>= 5`, `< 5`, `% 10` (every tenth). */
export function compileHitCondition(text: string): HitCondition | string {
  const match = /^\s*(<=|>=|==|=|<|>|%)?\s*(\d+)\s*$/.exec(text);
  if (!match) return `Hit count "${text}" is not understood: write a number, or one of < <= = >= > % before it.`;
  const count = Number(match[2]);
  switch (match[1]) {
    case '<':
      return (hits) => hits < count;
    case '<=':
      return (hits) => hits <= count;
    case '>':
      return (hits) => hits > count;
    case '>=':
      return (hits) => hits >= count;
    case '%':
      return count === 0 ? 'Hit count "% 0" never happens: write a number above 0.' : (hits) => hits % count === 0;
    default:
      return (hits) => hits === count;
  }
}

/** Replaces each `{expression}` of a log message by its value in hexadecimal; `{{` and `}}` are braces. */
export function logText(message: string, context: Context): string {
  return message.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (whole, expression: string | undefined) => {
    if (whole === '{{') return '{';
    if (whole === '}}') return '}';
    const evaluated = evaluateText(expression ?? '', context);
    return evaluated.ok ? `0x${evaluated.value.number.toString(16)}` : `{${evaluated.error.message}}`;
  });
}
