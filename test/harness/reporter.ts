/** Mocha's usual report on the console, and the result file that `npm test` adds up. */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import { NOT_RUN, RESULT_FILE, type LayerResult } from './result.ts';

type MarkedSuite = Mocha.Suite & { [NOT_RUN]?: string };

/** The reason a missing program gives for not running a test: that of its suite or of one around it. */
function reasonNotRun(test: Mocha.Test): string | undefined {
  for (let suite = test.parent as MarkedSuite | undefined; suite !== undefined; suite = suite.parent) {
    if (suite[NOT_RUN] !== undefined) return suite[NOT_RUN];
  }
  return undefined;
}

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING, EVENT_RUN_END } = Mocha.Runner.constants;
    const failures: { title: string; message: string }[] = [];
    const notRun = new Map<string, number>();
    let passed = 0;
    let skipped = 0;
    runner.on(EVENT_TEST_PASS, () => (passed += 1));
    runner.on(EVENT_TEST_FAIL, (test, error: unknown) => {
      failures.push({ title: test.fullTitle(), message: error instanceof Error ? error.message : String(error) });
    });
    runner.on(EVENT_TEST_PENDING, (test) => {
      const reason = reasonNotRun(test);
      if (reason === undefined) skipped += 1;
      else notRun.set(reason, (notRun.get(reason) ?? 0) + 1);
    });
    runner.once(EVENT_RUN_END, () => {
      const file = process.env[RESULT_FILE];
      if (file === undefined) return;
      const result: LayerResult = {
        passed,
        failed: failures.length,
        skipped,
        failures,
        notRun: [...notRun].map(([reason, tests]) => ({ reason, tests })),
      };
      writeFileSync(file, JSON.stringify(result, null, 1));
    });
  }
}
