import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { EXIT_NAMES, EXIT_REASONS } from '../../debug-adapter/engine/index.ts';
import { BREAKPOINT_LANGUAGES } from '../../extension/debugging/languages.ts';
import { manifest } from '../../scripts/lib/manifest.ts';
import { fromRoot } from '../../scripts/lib/root.ts';

interface StopOn {
  readonly items: { readonly enum: readonly string[]; readonly enumDescriptions: readonly string[] };
}

interface Contributes {
  readonly breakpoints: readonly { readonly language: string }[];
  readonly languages: readonly [{ readonly configuration: string }];
  readonly grammars: readonly [{ readonly path: string }];
  readonly snippets: readonly [{ readonly path: string }];
  readonly debuggers: readonly [
    { readonly configurationAttributes: { readonly launch: { readonly properties: { readonly stopOn: StopOn } } } },
  ];
}

const contributes = manifest().contributes as unknown as Contributes;

describe('extension: package.json', () => {
  it('takes breakpoints in assembly and in the languages of compiled kernels', () => {
    assert.deepEqual(
      contributes.breakpoints.map(({ language }) => language),
      BREAKPOINT_LANGUAGES,
    );
  });

  it('offers in "stopOn" the exits the engine knows, by their titles', () => {
    const { items } = contributes.debuggers[0].configurationAttributes.launch.properties.stopOn;
    assert.deepEqual(items.enum, [...EXIT_NAMES]);
    assert.deepEqual(
      items.enumDescriptions,
      EXIT_NAMES.map((name) => EXIT_REASONS[name].title),
    );
  });

  it('names files that are there, and JSON that can be read', () => {
    const files = [contributes.languages[0].configuration, contributes.grammars[0].path, contributes.snippets[0].path];
    for (const file of files) assert.doesNotThrow(() => JSON.parse(readFileSync(fromRoot(file), 'utf8')), file);
    const { icon } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as { icon: string };
    assert.ok(existsSync(fromRoot(icon)));
  });
});
