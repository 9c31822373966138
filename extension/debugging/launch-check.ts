/** Judges the attributes of a launch configuration before the adapter starts. */
import {
  EDITOR_ATTRIBUTES,
  LAUNCH_ATTRIBUTES,
  LAUNCH_MODES,
  type LaunchAttributes,
} from '../../debug-adapter/protocol/launch.ts';

export interface LaunchProblem {
  readonly attribute: string;
  /** One sentence that names the attribute, says what is wrong and what to write. */
  readonly message: string;
}

type AttributeName = keyof LaunchAttributes;
type ValueKind = (typeof LAUNCH_ATTRIBUTES)[AttributeName];

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string');

const IS_KIND: Readonly<Record<ValueKind, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  'string or number': (value) => typeof value === 'string' || typeof value === 'number',
  object: (value) =>
    isRecord(value) && Object.values(value).every((each) => typeof each === 'string' || typeof each === 'number'),
  'object with options': isRecord,
  'array of strings': isStrings,
  'string or array of strings': (value) => typeof value === 'string' || isStrings(value),
};

const KIND_IN_WORDS: Readonly<Record<ValueKind, string>> = {
  string: 'a string',
  boolean: 'true or false',
  number: 'a number',
  'string or number': 'a string or a number',
  object: 'an object of strings and numbers, such as { "FAULT": 3 }',
  'object with options': 'an object such as { "preset": "haswell" }',
  'array of strings': 'an array of strings',
  'string or array of strings': 'a string or an array of strings',
};

const isAttribute = (name: string): name is AttributeName => Object.hasOwn(LAUNCH_ATTRIBUTES, name);

const belongsToEditor = (name: string): boolean => name.startsWith('__') || EDITOR_ATTRIBUTES.includes(name);

/** Insertions, deletions and substitutions that turn one word into the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

/** The word that was probably meant: at most a third of its letters differ. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, best.candidate.length / 3) ? best.candidate : undefined;
}

const writeOneOf = (names: readonly string[]): string =>
  `${names.slice(0, -1).join(', ')}${names.length > 1 ? ' or ' : ''}${names.at(-1)}`;

function checkAttribute(name: string, value: unknown): string | undefined {
  if (belongsToEditor(name)) return undefined;
  if (!isAttribute(name)) {
    const meant = closest(name, Object.keys(LAUNCH_ATTRIBUTES));
    const remedy =
      meant === undefined
        ? `Remove it; the attributes are ${Object.keys(LAUNCH_ATTRIBUTES).join(', ')}.`
        : `Did you mean "${meant}"?`;
    return `Launch attribute "${name}" is unknown. ${remedy}`;
  }
  const kind = LAUNCH_ATTRIBUTES[name];
  if (!IS_KIND[kind](value)) {
    return `Launch attribute "${name}" is ${JSON.stringify(value)}; write ${KIND_IN_WORDS[kind]}.`;
  }
  return checkValue(name, value);
}

/** What the kind of a value does not say. */
function checkValue(name: AttributeName, value: unknown): string | undefined {
  if (name === 'program' && value === '') {
    return 'Launch attribute "program" is empty; write the path of an .asm source, a boot image or a multiboot ELF.';
  }
  if (name === 'mode' && !LAUNCH_MODES.some((mode) => mode === value)) {
    const modes = writeOneOf(LAUNCH_MODES.map((mode) => `"${mode}"`));
    return `Launch attribute "mode" is ${JSON.stringify(value)}; write ${modes}.`;
  }
  return undefined;
}

/** Everything wrong with a launch configuration as far as it can be judged without the program itself. */
export function checkLaunch(configuration: Readonly<Record<string, unknown>>): LaunchProblem[] {
  const problems: LaunchProblem[] = [];
  if (configuration['program'] === undefined) {
    problems.push({
      attribute: 'program',
      message:
        'Launch attribute "program" is missing; write the path of an .asm source, a boot image or a multiboot ELF, or open one and press F5.',
    });
  }
  for (const [attribute, value] of Object.entries(configuration)) {
    if (value === undefined) continue;
    const message = checkAttribute(attribute, value);
    if (message !== undefined) problems.push({ attribute, message });
  }
  return problems;
}
