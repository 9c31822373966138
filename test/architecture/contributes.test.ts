import assert from 'node:assert/strict';
import { CPU_PRESETS } from '../../debug-adapter/engine/cpu/features.ts';
import { MAX_CPUS } from '../../debug-adapter/engine/execution/engine-memory.ts';
import { COMMANDS, DEBUG_TYPE, LANGUAGE_ID, VIEWS } from '../../debug-adapter/protocol/ids.ts';
import {
  ABSENT_DEVICES,
  DEFAULT_MEMORY,
  DEFAULT_MODE,
  DEFAULT_PROCESSORS,
  LAUNCH_ATTRIBUTES,
  LAUNCH_MODES,
} from '../../debug-adapter/protocol/launch.ts';
import { manifest } from '../../scripts/lib/manifest.ts';

interface Property {
  readonly type?: string;
  readonly anyOf?: readonly { readonly type: string }[];
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Property>>;
  readonly default?: unknown;
  readonly maximum?: number;
  readonly markdownDescription?: string;
}

interface Contributes {
  readonly languages: readonly { readonly id: string }[];
  readonly grammars: readonly { readonly language: string }[];
  readonly breakpoints: readonly { readonly language: string }[];
  readonly commands: readonly { readonly command: string; readonly title: string }[];
  readonly views: Readonly<Record<string, readonly { readonly id: string }[]>>;
  readonly menus: Readonly<Record<string, readonly { readonly command: string }[]>>;
  readonly keybindings: readonly { readonly command: string }[];
  readonly debuggers: readonly [
    {
      readonly type: string;
      readonly languages: readonly string[];
      readonly program: string;
      readonly configurationAttributes: {
        readonly launch: { readonly properties: Readonly<Record<string, Property>> };
      };
      readonly configurationSnippets: readonly { readonly body: Readonly<Record<string, unknown>> }[];
      readonly initialConfigurations?: readonly Readonly<Record<string, unknown>>[];
    },
  ];
}

const contributes = (): Contributes => manifest().contributes as unknown as Contributes;
const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort();

const kindOfAlternative = (type: string): string =>
  type === 'integer' ? 'number' : type === 'array' ? 'array of strings' : type;

/** How the protocol would name the kind of value a schema takes. */
function kindOf({ type, anyOf, properties }: Property): string {
  if (properties !== undefined) return 'object with options';
  if (type === 'array') return 'array of strings';
  return (
    type ??
    sorted((anyOf ?? []).map((each) => kindOfAlternative(each.type)))
      .reverse()
      .join(' or ')
  );
}

describe('architecture: package.json and the protocol say the same', () => {
  it('contributes exactly the commands of the protocol', () => {
    const commands = contributes().commands.map(({ command }) => command);
    assert.deepEqual(sorted(commands), sorted(Object.values(COMMANDS)));
    assert.equal(commands.length, new Set(commands).size);
  });

  it('contributes exactly the views of the protocol', () => {
    const views = Object.values(contributes().views).flat();
    assert.deepEqual(sorted(views.map(({ id }) => id)), sorted(Object.values(VIEWS)));
  });

  it('uses in menus and keys only commands it contributes', () => {
    const known = new Set<string>(Object.values(COMMANDS));
    const used = [...Object.values(contributes().menus).flat(), ...contributes().keybindings];
    assert.deepEqual(
      used.map(({ command }) => command).filter((command) => !known.has(command)),
      [],
    );
  });

  it('names its language and debug type as the protocol does', () => {
    assert.deepEqual(
      contributes().languages.map(({ id }) => id),
      [LANGUAGE_ID],
    );
    assert.ok(contributes().grammars.some(({ language }) => language === LANGUAGE_ID));
    const [{ type, languages }] = contributes().debuggers;
    assert.equal(type, DEBUG_TYPE);
    assert.equal(languages[0], LANGUAGE_ID);
    const breakpoints = new Set(contributes().breakpoints.map(({ language }) => language));
    assert.deepEqual(
      languages.filter((language) => !breakpoints.has(language)),
      [],
    );
  });

  it('describes every launch attribute, and no other', () => {
    const { properties } = contributes().debuggers[0].configurationAttributes.launch;
    // The editor sets noDebug itself ("Run Without Debugging").
    const { noDebug: _, ...attributes } = LAUNCH_ATTRIBUTES;
    const schema = Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, kindOf(property)]));
    assert.deepEqual(schema, attributes);
    for (const [name, property] of Object.entries(properties)) {
      assert.match(property.markdownDescription ?? '', /\S{2,}.*\.$/s, `${name} has no description`);
    }
    assert.deepEqual(sorted(properties['mode']?.enum ?? []), sorted(LAUNCH_MODES));
    assert.equal(properties['mode']?.default, DEFAULT_MODE);
    assert.deepEqual(properties['absentDevices']?.enum, ABSENT_DEVICES);
    assert.equal(properties['memory']?.default, DEFAULT_MEMORY);
    assert.equal(properties['processors']?.default, DEFAULT_PROCESSORS);
    assert.equal(properties['processors']?.maximum, MAX_CPUS);
    assert.deepEqual(properties['cpu']?.properties?.['preset']?.enum, Object.keys(CPU_PRESETS));
  });

  it('offers configurations the adapter accepts', () => {
    const [{ configurationSnippets, initialConfigurations = [] }] = contributes().debuggers;
    const configurations = [...configurationSnippets.map(({ body }) => body), ...initialConfigurations];
    assert.ok(configurations.length > 0);
    for (const configuration of configurations) {
      assert.equal(configuration['type'], DEBUG_TYPE);
      const unknown = Object.keys(configuration).filter(
        (name) => !['type', 'request', 'name'].includes(name) && !(name in LAUNCH_ATTRIBUTES),
      );
      assert.deepEqual(unknown, [], String(configuration['name']));
    }
  });
});
