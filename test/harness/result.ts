/** Names shared by the mocha reporter and those who read or explain its result. */
export type { LayerResult } from '../../scripts/lib/test-summary.ts';

/** Key under which a suite carries the reason why its tests do not run. */
export const NOT_RUN = Symbol.for('hyperstep.notRun');

/** Environment variable that names the file the reporter writes its result into. */
export const RESULT_FILE = 'HYPERSTEP_TEST_RESULT';
