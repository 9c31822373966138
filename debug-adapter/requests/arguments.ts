/** What the arguments of each request may hold: a malformed request is refused by the name of the field. */
import type { RequestName } from '../session/handlers.ts';

type FieldKind = 'string' | 'number' | 'boolean' | 'object' | 'array';

/** What a field may hold. Numbers are whole. */
interface FieldRule {
  readonly kind: FieldKind;
  readonly least?: number;
  readonly values?: readonly string[];
  /** Fields of an object, all of them optional. */
  readonly fields?: Fields;
  /** What each element of an array must be. */
  readonly elements?: FieldKind;
  readonly base64?: true;
}
/** A kind alone is a rule that asks for nothing else. */
type Fields = Readonly<Record<string, FieldKind | FieldRule>>;

const THREAD = { threadId: 'number' } as const;
const REFERENCE = { variablesReference: 'number' } as const;
const BREAKPOINTS = { breakpoints: 'array' } as const;
const COUNT = { kind: 'number', least: 0 } as const;
const SOURCE = { kind: 'object', fields: { path: 'string', name: 'string', sourceReference: 'number' } } as const;
const FORMAT = { format: { kind: 'object', fields: { hex: 'boolean' } } } as const;
const FRAME = { frameId: 'number' } as const;
const SINGLE = { singleThread: 'boolean' } as const;
const STEP = { ...SINGLE, granularity: { kind: 'string', values: ['statement', 'line', 'instruction'] } } as const;
const CONDITIONS = { condition: 'string', hitCondition: 'string' } as const;

const REQUIRED: Readonly<Record<RequestName, Fields>> = {
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
  gotoTargets: { source: SOURCE, line: 'number' },
  goto: { ...THREAD, targetId: 'number' },
  setBreakpoints: { source: SOURCE },
  setFunctionBreakpoints: BREAKPOINTS,
  setInstructionBreakpoints: BREAKPOINTS,
  setDataBreakpoints: BREAKPOINTS,
  dataBreakpointInfo: { name: 'string' },
  setExceptionBreakpoints: { filters: { kind: 'array', elements: 'string' } },
  breakpointLocations: { source: SOURCE, line: 'number' },
  readMemory: { memoryReference: 'string', count: COUNT },
  writeMemory: { memoryReference: 'string', data: { kind: 'string', base64: true } },
  disassemble: { memoryReference: 'string', instructionCount: COUNT },
  loadedSources: {},
  source: {},
  'hyperstep/machineInfo': {},
  'hyperstep/pageWalk': { address: 'string' },
  'hyperstep/exits': { start: 'number', count: COUNT },
  'hyperstep/vmcs': {},
  'hyperstep/textScreen': {},
  'hyperstep/keyboardInput': {},
  'hyperstep/runToNextExit': THREAD,
};

/** Arguments that may be left out, checked where they are given. */
const OPTIONAL: Partial<Readonly<Record<RequestName, Fields>>> = {
  initialize: {
    linesStartAt1: 'boolean',
    columnsStartAt1: 'boolean',
    pathFormat: 'string',
    supportsInvalidatedEvent: 'boolean',
    supportsMemoryEvent: 'boolean',
  },
  restart: { arguments: 'object' },
  stackTrace: { startFrame: COUNT, levels: COUNT, ...FORMAT },
  variables: { filter: { kind: 'string', values: ['indexed', 'named'] }, start: COUNT, count: COUNT, ...FORMAT },
  setVariable: FORMAT,
  evaluate: { ...FRAME, context: 'string', ...FORMAT },
  setExpression: { ...FRAME, ...FORMAT },
  completions: { ...FRAME, line: 'number' },
  continue: SINGLE,
  next: STEP,
  stepIn: { ...STEP, targetId: 'number' },
  stepOut: STEP,
  setBreakpoints: { breakpoints: 'array' },
  dataBreakpointInfo: {
    ...REFERENCE,
    ...FRAME,
    bytes: { kind: 'number', least: 1 },
    asAddress: 'boolean',
  },
  setExceptionBreakpoints: { filterOptions: 'array' },
  breakpointLocations: { endLine: 'number' },
  readMemory: { offset: 'number' },
  writeMemory: { offset: 'number', allowPartial: 'boolean' },
  disassemble: { offset: 'number', instructionOffset: 'number', resolveSymbols: 'boolean' },
  source: { source: SOURCE },
  'hyperstep/pageWalk': {
    ...THREAD,
    access: { kind: 'string', values: ['read', 'write', 'execute'] },
    user: 'boolean',
  },
  'hyperstep/vmcs': THREAD,
  'hyperstep/keyboardInput': {
    text: 'string',
    keys: { kind: 'array', elements: 'string' },
    scanCodes: { kind: 'array', elements: 'number' },
  },
};

/** Fields of the elements of an array argument. */
const ELEMENTS: Partial<
  Record<RequestName, { readonly array: string; readonly required: Fields; readonly optional: Fields }>
> = {
  setBreakpoints: {
    array: 'breakpoints',
    required: { line: 'number' },
    optional: { ...CONDITIONS, logMessage: 'string' },
  },
  setFunctionBreakpoints: { array: 'breakpoints', required: { name: 'string' }, optional: CONDITIONS },
  setInstructionBreakpoints: {
    array: 'breakpoints',
    required: { instructionReference: 'string' },
    optional: { ...CONDITIONS, offset: 'number' },
  },
  setDataBreakpoints: {
    array: 'breakpoints',
    required: { dataId: 'string' },
    optional: { ...CONDITIONS, accessType: { kind: 'string', values: ['read', 'write', 'readWrite'] } },
  },
  setExceptionBreakpoints: {
    array: 'filterOptions',
    required: { filterId: 'string' },
    optional: { condition: 'string' },
  },
};

export const isRequestName = (command: string): command is RequestName => Object.hasOwn(REQUIRED, command);
export const REQUEST_NAMES = Object.keys(REQUIRED) as readonly RequestName[];

/** Undefined where the arguments have the shape the handler relies on. */
export function argumentProblem(command: RequestName, args: unknown): string | undefined {
  if (args !== undefined && kindOf(args) !== 'object') return 'its arguments must be an object';
  const record = (args ?? {}) as Readonly<Record<string, unknown>>;
  const problem =
    fieldProblem(record, REQUIRED[command], true, '') ?? fieldProblem(record, OPTIONAL[command] ?? {}, false, '');
  if (problem !== undefined) return problem;
  const rows = ELEMENTS[command];
  const elements = rows === undefined ? undefined : record[rows.array];
  if (rows === undefined || !Array.isArray(elements)) return undefined;
  for (const [index, element] of elements.entries()) {
    const at = `${rows.array}[${index}]`;
    if (kindOf(element) !== 'object') return `"${at}" must be an object`;
    const fields = element as Readonly<Record<string, unknown>>;
    const wrong =
      fieldProblem(fields, rows.required, true, `${at}.`) ?? fieldProblem(fields, rows.optional, false, `${at}.`);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function fieldProblem(
  record: Readonly<Record<string, unknown>>,
  fields: Fields,
  required: boolean,
  prefix: string,
): string | undefined {
  for (const [name, rule] of Object.entries(fields)) {
    const value = record[name];
    if (value === undefined) {
      if (required) return `"${prefix}${name}" is missing`;
      continue;
    }
    const problem = valueProblem(value, typeof rule === 'string' ? { kind: rule } : rule, prefix + name);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function valueProblem(value: unknown, rule: FieldRule, name: string): string | undefined {
  const { kind } = rule;
  if (kindOf(value) !== kind) return `"${name}" must be ${/^[ao]/.test(kind) ? 'an' : 'a'} ${kind}`;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) return `"${name}" must be a whole number`;
    if (rule.least !== undefined && value < rule.least) return `"${name}" must not be below ${rule.least}`;
  }
  if (typeof value === 'string') {
    if (rule.values !== undefined && !rule.values.includes(value))
      return `"${name}" must be one of ${rule.values.map((each) => `"${each}"`).join(', ')}`;
    if (rule.base64 === true && !(BASE64.test(value) && value.length % 4 !== 1)) return `"${name}" must be base64`;
  }
  if (Array.isArray(value) && rule.elements !== undefined) {
    const at = value.findIndex((each) => kindOf(each) !== rule.elements);
    if (at >= 0) return `"${name}[${at}]" must be a ${rule.elements}`;
  }
  if (rule.fields === undefined) return undefined;
  return fieldProblem(value as Readonly<Record<string, unknown>>, rule.fields, false, `${name}.`);
}

function kindOf(value: unknown): FieldKind | 'other' {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'other';
  const kind = typeof value;
  return kind === 'string' || kind === 'number' || kind === 'boolean' || kind === 'object' ? kind : 'other';
}

/** Some clients write null for what they leave out. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => (each === null ? each : withoutNulls(each)));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]) => (each === null ? [] : [[name, withoutNulls(each)]])),
  );
}
