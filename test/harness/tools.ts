/** Tests that compare with another program: skipped by name where it is missing, except on CI, where missing is a failure. */
import { existsSync } from 'node:fs';
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
  require(name, debianPackage, found !== undefined);
  return found ?? name;
}

/** As `requireTool`, for a file that a Debian package brings. */
export function requireFile(file: string, debianPackage: string): string {
  require(file, debianPackage, existsSync(file));
  return file;
}

function require(name: string, debianPackage: string, isThere: boolean): void {
  before(`needs ${name}`, function () {
    if (isThere) return;
    const reason = missingTool(name, debianPackage);
    if (process.env['CI'] === 'true') throw new Error(reason);
    const suite = this.test?.parent as (Mocha.Suite & { [NOT_RUN]?: string }) | undefined;
    if (suite !== undefined) suite[NOT_RUN] = reason;
    this.skip();
  });
}
