/**
 * The tables beside this file, line by line on our machine and, where a line is for it, on the host processor.
 * UPDATE_GOLDEN=1 rewrites the last columns with what the host does.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { requireHost, runOnHost } from '../oracles/host.ts';
import { decodeSetup, differences } from './compare.ts';
import { parseFixture, rewriteFixture, type FixtureCase } from './fixture.ts';
import { GENERAL_HANDLER_NAMES, DEFERRED_NAMES, executedBy } from './handler-of.ts';
import { Rig } from './rig.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

interface Fixture {
  readonly name: string;
  readonly source: string;
  readonly cases: readonly FixtureCase[];
}

const fixtures: readonly Fixture[] = FILES.map((name) => {
  const source = readFileSync(FOLDER + name, 'utf8');
  return { name, source, cases: parseFixture(source, name) };
});

const report = (name: string, { line, text, bits }: FixtureCase, found: readonly string[]): string =>
  `${name}:${line} [${bits}] ${text}: ${found.join('; ')}`;

describe('instruction tables on our machine', function () {
  this.timeout(20_000);
  for (const style of ['hot', 'all', 'none'] as const) {
    describe(`dispatch style ${style}`, () => {
      let rig: Rig;
      before(() => {
        rig = new Rig(style);
      });
      for (const { name, cases } of fixtures) {
        it(`${name}: ${cases.length} lines`, () => {
          const wrong = (['cold', 'warm'] as const).flatMap((tlb) =>
            cases.flatMap((c) => {
              const found = differences(c.setup, rig.run(c.setup, tlb), c.expected);
              return found.length === 0 ? [] : [`${report(name, c, found)} (${tlb})`];
            }),
          );
          assert.deepEqual(wrong, []);
        });
      }
    });
  }

  it('have a line for every shape of every row, and for every instruction of deferred.ts', () => {
    const tested = new Set(fixtures.flatMap(({ cases }) => cases.map((c) => executedBy(decodeSetup(c.setup), c.bits))));
    assert.deepEqual(
      [...GENERAL_HANDLER_NAMES, ...DEFERRED_NAMES].filter((name) => !tested.has(name)),
      [],
    );
  });

  it('test each instruction and state once', () => {
    const seen = new Map<string, string>();
    for (const { name, cases } of fixtures)
      for (const { setup, line } of cases) {
        const key = JSON.stringify(setup, (_, value: unknown) =>
          typeof value === 'bigint'
            ? value.toString(16)
            : value instanceof Map
              ? [...(value as Map<number, number>)]
              : value,
        );
        assert.equal(seen.get(key), undefined, `${name}:${line} is there twice`);
        seen.set(key, `${name}:${line}`);
      }
  });
});

describe('instruction tables on the host processor', function () {
  requireHost();
  this.timeout(60_000);

  for (const { name, source, cases } of fixtures) {
    it(`${name} says what the host does`, () => {
      const forHost = cases.filter(({ onHost }) => onHost);
      const outcomes = runOnHost(forHost.map(({ setup }) => setup));
      if (process.env['UPDATE_GOLDEN'] === '1') {
        const of = new Map(forHost.map((c, i) => [c, outcomes[i]!]));
        writeFileSync(
          FOLDER + name,
          rewriteFixture(source, cases, (c) => of.get(c)!),
        );
        return;
      }
      const wrong = forHost.flatMap((c, i) => {
        const found = differences(c.setup, c.expected, outcomes[i]!);
        return found.length === 0 ? [] : [report(name, c, found)];
      });
      assert.deepEqual(wrong, []);
    });
  }
});
