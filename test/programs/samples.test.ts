/** What lies beside the samples agrees with them: presets, named stops, transcripts, the table of faults. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FAULTS_FOLDER, readFaults, readSample, samplePath, SAMPLES } from './samples.ts';

interface Preset {
  readonly name: string;
  readonly type: string;
  readonly request: string;
  readonly program: string;
  readonly mode: string;
}

interface NamedStop {
  readonly name: string;
  readonly symbol: string;
  readonly look: string;
}

const presets = (): readonly Preset[] =>
  (JSON.parse(readSample('.vscode/launch.json')) as { configurations: readonly Preset[] }).configurations;

const programOf = (preset: Preset): string => preset.program.replace('${workspaceFolder}/', '');

/** A program's source with everything it includes; paths are relative to the including file. */
function wholeSource(program: string): string {
  return readSample(program).replace(/^%include "(.+)"$/gm, (_, included: string) =>
    wholeSource(join(dirname(program), included)),
  );
}

/** Labels as the debugger names them: a local label carries the label it belongs to. */
function labelsOf(source: string): Set<string> {
  const labels = new Set<string>();
  let owner = '';
  for (const [, label] of source.matchAll(/^(\.?[a-z_]\w*):/gim)) {
    if (!label!.startsWith('.')) owner = label!;
    labels.add(label!.startsWith('.') ? owner + label! : label!);
  }
  return labels;
}

describe('what lies beside the samples', () => {
  const folders = [...new Set(SAMPLES.map(({ program }) => dirname(program)))];
  const faultPrograms = readFaults().map(({ file }) => `${FAULTS_FOLDER}/${file}`);
  const programs = [...SAMPLES.map(({ program }) => program), ...faultPrograms];

  it('lists every sample folder', () => {
    const onDisk = readdirSync(samplePath('')).filter((name) => /^\d\d-/.test(name));
    assert.deepEqual([...folders].sort(), onDisk.sort());
  });

  it('has a launch preset for every program, and no preset without one', () => {
    assert.deepEqual([...new Set(presets().map(programOf))].sort(), [...programs].sort());
    for (const preset of presets()) {
      assert.ok(existsSync(samplePath(programOf(preset))), preset.name);
      assert.equal(`${preset.type} ${preset.request}`, 'hyperstep launch', preset.name);
      assert.ok(preset.mode === 'bare' || preset.mode === 'vm', `${preset.name}: mode ${preset.mode}`);
    }
    assert.equal(new Set(presets().map(({ name }) => name)).size, presets().length, 'names are unique');
  });

  for (const folder of folders) {
    it(`${folder}: every named stop is a label of the program`, () => {
      const { stops } = JSON.parse(readSample(`${folder}/stops.json`)) as { stops: readonly NamedStop[] };
      const sources = SAMPLES.filter(({ program }) => dirname(program) === folder).map(({ program }) =>
        wholeSource(program),
      );
      const labels = labelsOf(sources.join('\n'));
      assert.ok(stops.length > 0);
      for (const { name, symbol, look } of stops) {
        assert.ok(labels.has(symbol), `${name}: no label ${symbol}`);
        assert.ok(look.length > 0, `${name}: says what to look at`);
      }
    });
  }

  it('describes each of the twelve faults once, by a name vmlaunch.asm asks for', () => {
    const onDisk = readdirSync(samplePath(FAULTS_FOLDER)).filter((name) => name.endsWith('.asm'));
    assert.deepEqual(
      readFaults().map(({ file }) => file),
      onDisk.sort(),
    );
    assert.equal(onDisk.length, 12);
    const asked = [...readSample('22-first-vmlaunch/vmlaunch.asm').matchAll(/^%ifn?def (\w+)/gm)].map(
      (match) => match[1],
    );
    assert.deepEqual(
      readFaults()
        .map(({ define }) => define)
        .sort(),
      asked.sort(),
    );
    for (const { file, define } of readFaults()) {
      assert.match(readSample(`${FAULTS_FOLDER}/${file}`), new RegExp(`^%define ${define}$`, 'm'), file);
    }
  });
});
