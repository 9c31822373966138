/**
 * `npm run conform [suite ...] [-- --cases=N --seed=S --only=word,...]`: runs conformance suites, all of them where none is named;
 * the last line is `N passed, N failed`. `npm run conform -- report` writes docs/conformance.md from the results of the last runs.
 */
import { writeReport } from './report.ts';
import { storeResult } from './results.ts';
import type { Suite, SuiteOptions } from './suite.ts';
import { SUITES } from './suites.ts';

const MOST_REPORTED = 20;
const DEFAULT_SEED = 1;

interface Arguments {
  readonly suites: readonly Suite[];
  readonly options: SuiteOptions;
  readonly report: boolean;
}

class UsageError extends Error {}

function number(name: string, text: string): number {
  const value = Number(text.replaceAll(/[_,]/g, ''));
  if (!Number.isSafeInteger(value) || value < 0) throw new UsageError(`--${name} takes a whole number, not "${text}"`);
  return value;
}

function parse(words: readonly string[]): Arguments {
  let cases: number | undefined;
  let seed = DEFAULT_SEED;
  let only: readonly string[] = [];
  let report = false;
  const suites: Suite[] = [];
  for (const word of words) {
    const option = /^--(\w+)=(.*)$/.exec(word);
    const [, name, value = ''] = option ?? [];
    if (name === 'cases') cases = number(name, value);
    else if (name === 'seed') seed = number(name, value);
    else if (name === 'only') only = value.split(',');
    else if (word === 'report') report = true;
    else {
      const suite = SUITES.find((candidate) => candidate.name === word);
      const known = SUITES.map((candidate) => candidate.name).join(', ');
      if (suite === undefined)
        throw new UsageError(`no suite "${word}"; there are: ${known}; and: report, --cases=N, --seed=N, --only=words`);
      suites.push(suite);
    }
  }
  const chosen = suites.length > 0 || report ? suites : SUITES;
  return { suites: chosen, options: { cases, seed, only, say: (line) => console.log(line) }, report };
}

async function main(): Promise<number> {
  const { suites, options, report } = parse(process.argv.slice(2));
  let passed = 0;
  let failed = 0;
  for (const suite of suites) {
    const missing = suite.missing();
    if (missing !== undefined) {
      console.log(`${suite.name}: not run: ${missing}`);
      continue;
    }
    const result = await suite.run(options);
    for (const line of result.wrong.slice(0, options.only.length > 0 ? undefined : MOST_REPORTED))
      console.log(`${suite.name}: WRONG ${line}`);
    for (const { why, count } of result.excused) console.log(`${suite.name}: excused ${count}: ${why}`);
    const excused = result.excused.reduce((sum, { count }) => sum + count, 0);
    const forms = Object.keys(result.forms).length;
    console.log(
      `${suite.name}: ${result.passed} of ${result.cases} agree, ${excused} rightly differ, ${result.failed} wrong` +
        (forms > 0 ? `; ${forms} instruction forms` : ''),
    );
    passed += result.passed;
    failed += result.failed;
    // A narrowed run says nothing about the whole suite.
    if (options.only.length === 0) storeResult(suite.name, { ...result, seed: options.seed });
  }
  if (report) console.log(`wrote ${writeReport()}`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`conform: ${error.message}`);
  process.exitCode = 1;
}
