/** How `npm test` judges its layers and adds them up. */

/** What a layer of tests leaves behind: written by the mocha reporter, read by `npm test`. */
export interface LayerResult {
  readonly passed: number;
  readonly failed: number;
  /** Pending tests that no missing program explains. */
  readonly skipped: number;
  readonly failures: readonly { readonly title: string; readonly message: string }[];
  /** Suites that need a missing program: the reason, and how many tests it kept from running. */
  readonly notRun: readonly { readonly reason: string; readonly tests: number }[];
}

export type LayerOutcome = { readonly layer: string; readonly seconds?: number } & (
  | { readonly kind: 'ran'; readonly result: LayerResult }
  /** A system program is missing. */
  | { readonly kind: 'not run'; readonly reason: string }
  /** It should have run and did not, or nobody can tell. */
  | { readonly kind: 'broken'; readonly reason: string }
);

export interface Summary {
  /** The last one is `N passed, N failed` and, when any, `, N skipped`. */
  readonly lines: readonly string[];
  readonly failed: boolean;
}

const counts = (passed: number, failed: number, skipped: number): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

/**
 * Adds layers up. A broken layer counts as one failure. What a missing program kept from running counts as skipped, and on CI,
 * where every program must be there, as failed; so does a skipped test.
 */
export function addUp(outcomes: readonly LayerOutcome[], ci: boolean): Summary {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const leftOut = (tests: number): void => void (total[ci ? 'failed' : 'skipped'] += tests);
  const lines: string[] = [];
  const details: string[] = [];
  for (const outcome of outcomes) {
    const time = outcome.seconds === undefined ? '' : ` (${outcome.seconds.toFixed(0)} s)`;
    switch (outcome.kind) {
      case 'ran': {
        const { passed, failed, skipped, failures, notRun } = outcome.result;
        const missing = notRun.reduce((sum, { tests }) => sum + tests, 0);
        total.passed += passed;
        total.failed += failed;
        leftOut(skipped + missing);
        lines.push(`${outcome.layer}: ${counts(passed, failed, skipped + missing)}${time}`);
        for (const { reason, tests } of notRun) lines.push(`  ${reason}: ${tests} tests`);
        for (const { title, message } of failures)
          details.push(`failed: ${title}\n  ${message.split('\n', 1)[0] ?? ''}`);
        break;
      }
      case 'not run':
        leftOut(1);
        lines.push(`${outcome.layer}: ${outcome.reason}${time}`);
        break;
      case 'broken':
        total.failed += 1;
        lines.push(`${outcome.layer}: FAILED, ${outcome.reason}${time}`);
        break;
    }
  }
  const ranNothing = total.passed + total.failed === 0;
  if (ranNothing) lines.push('nothing was run');
  return {
    lines: [...lines, ...details, counts(total.passed, total.failed, total.skipped)],
    failed: total.failed > 0 || ranNothing,
  };
}
