/** Tests that compare with another program: skipped by name where it is missing, except on CI, where missing is a failure. */
import { missingTool, onPath } from '../../scripts/lib/programs.ts';
import { NOT_RUN } from './result.ts';

/**
 * Makes the suite it is called in (inside `describe`) need a system program. Where the program is missing the suite is reported
 * as `not run: nasm missing (apt-get install nasm)`; with CI=true it fails with that message.
 *
 * @returns the program's path, or its bare name where it is missing (the suite's tests do not run then)
 */
export function requireTool(name: string, debianPackage = name): string {
  const found = onPath(name);
  before(`needs ${name}`, function () {
    if (found !== undefined) return;
    const reason = missingTool(name, debianPackage);
    if (process.env['CI'] === 'true') throw new Error(reason);
    const suite = this.test?.parent as (Mocha.Suite & { [NOT_RUN]?: string }) | undefined;
    if (suite !== undefined) suite[NOT_RUN] = reason;
    this.skip();
  });
  return found ?? name;
}
