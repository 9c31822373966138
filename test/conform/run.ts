/** `npm run conform [captured]`: runs conformance suites whole; the last line is `N passed, N failed`. */
import { isCapturePresent, runCaptured, WHOLE_SUITE } from './captured.ts';

interface Tally {
  passed: number;
  failed: number;
}
const MOST_REPORTED = 20;

function captured(tally: Tally): void {
  if (!isCapturePresent()) {
    console.log('captured: suite not present (set HYPERSTEP_SUITES to the folder that holds 80286-real)');
    return;
  }
  const { ran, wrong, excused } = runCaptured(WHOLE_SUITE, (form, differing) => {
    if (differing > 0) console.log(`captured ${form}: ${differing} differ`);
  });
  for (const line of wrong.slice(0, MOST_REPORTED)) console.log(line);
  for (const [why, count] of excused) console.log(`excused ${count}: ${why}`);
  const others = [...excused.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `captured: ${ran - others - wrong.length} of ${ran} match, ${others} rightly differ, ${wrong.length} wrong`,
  );
  tally.passed += ran - others - wrong.length;
  tally.failed += wrong.length;
}

const SUITES: Readonly<Record<string, (tally: Tally) => void>> = { captured };

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in SUITES));
if (unknown.length > 0) {
  console.error(`no suite "${unknown.join('", "')}"; there are: ${Object.keys(SUITES).join(', ')}`);
  process.exit(1);
}
const tally: Tally = { passed: 0, failed: 0 };
for (const name of asked.length > 0 ? asked : Object.keys(SUITES)) SUITES[name]!(tally);
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exitCode = tally.failed === 0 ? 0 : 1;
