/** Which arguments a request cannot do without: a malformed request is refused by the name of the field. */
import type { RequestName } from '../session/handlers.ts';

type FieldKind = 'string' | 'number' | 'object' | 'array';

const THREAD = { threadId: 'number' } as const;
const REFERENCE = { variablesReference: 'number' } as const;
const BREAKPOINTS = { breakpoints: 'array' } as const;

const REQUIRED: Readonly<Record<RequestName, Readonly<Record<string, FieldKind>>>> = {
  initialize: { adapterID: 'string' },
  launch: {},
  attach: {},
  configurationDone: {},
  restart: {},
  terminate: {},
  disconnect: {},
  cancel: {},
  threads: {},
  stackTrace: THREAD,
  scopes: { frameId: 'number' },
  variables: REFERENCE,
  setVariable: { ...REFERENCE, name: 'string', value: 'string' },
  evaluate: { expression: 'string' },
  setExpression: { expression: 'string', value: 'string' },
  completions: { text: 'string', column: 'number' },
  exceptionInfo: THREAD,
  continue: THREAD,
  next: THREAD,
  stepIn: THREAD,
  stepOut: THREAD,
  pause: THREAD,
  gotoTargets: { source: 'object', line: 'number' },
  goto: { ...THREAD, targetId: 'number' },
  setBreakpoints: { source: 'object' },
  setFunctionBreakpoints: BREAKPOINTS,
  setInstructionBreakpoints: BREAKPOINTS,
  setDataBreakpoints: BREAKPOINTS,
  dataBreakpointInfo: { name: 'string' },
  setExceptionBreakpoints: { filters: 'array' },
  breakpointLocations: { source: 'object', line: 'number' },
  readMemory: { memoryReference: 'string', count: 'number' },
  writeMemory: { memoryReference: 'string', data: 'string' },
  disassemble: { memoryReference: 'string', instructionCount: 'number' },
  loadedSources: {},
  source: {},
  'hyperstep/machineInfo': {},
  'hyperstep/pageWalk': { address: 'string' },
  'hyperstep/exits': { start: 'number', count: 'number' },
  'hyperstep/vmcs': {},
  'hyperstep/runToNextExit': THREAD,
};

/** Fields of the elements of an array argument. */
const ELEMENTS: Partial<Record<RequestName, readonly [array: string, fields: Readonly<Record<string, FieldKind>>]>> = {
  setBreakpoints: ['breakpoints', { line: 'number' }],
  setFunctionBreakpoints: ['breakpoints', { name: 'string' }],
  setInstructionBreakpoints: ['breakpoints', { instructionReference: 'string' }],
  setDataBreakpoints: ['breakpoints', { dataId: 'string' }],
  setExceptionBreakpoints: ['filterOptions', { filterId: 'string' }],
};

export const isRequestName = (command: string): command is RequestName => Object.hasOwn(REQUIRED, command);
export const REQUEST_NAMES = Object.keys(REQUIRED) as readonly RequestName[];

/** Undefined where the arguments have the shape the handler relies on. */
export function argumentProblem(command: RequestName, args: unknown): string | undefined {
  if (args !== undefined && kindOf(args) !== 'object') return 'its arguments must be an object';
  const record = (args ?? {}) as Readonly<Record<string, unknown>>;
  const missing = fieldProblem(record, REQUIRED[command], '');
  if (missing !== undefined) return missing;
  const [array, fields] = ELEMENTS[command] ?? [];
  const elements = array === undefined ? undefined : record[array];
  if (fields === undefined || elements === undefined) return undefined;
  if (!Array.isArray(elements)) return `"${array}" must be an array`;
  for (const [index, element] of elements.entries()) {
    if (kindOf(element) !== 'object') return `"${array}[${index}]" must be an object`;
    const problem = fieldProblem(element as Record<string, unknown>, fields, `${array}[${index}].`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function fieldProblem(
  record: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, FieldKind>>,
  prefix: string,
): string | undefined {
  for (const [name, kind] of Object.entries(fields)) {
    const value = record[name];
    if (value === undefined) return `"${prefix}${name}" is missing`;
    if (kindOf(value) !== kind) return `"${prefix}${name}" must be ${/^[ao]/.test(kind) ? 'an' : 'a'} ${kind}`;
    if (kind === 'number' && !Number.isSafeInteger(value)) return `"${prefix}${name}" must be a whole number`;
  }
  return undefined;
}

function kindOf(value: unknown): FieldKind | 'other' {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'other';
  const kind = typeof value;
  return kind === 'string' || kind === 'number' || kind === 'object' ? kind : 'other';
}
