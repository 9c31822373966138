/**
 * What VS Code runs inside its extension host: mocha over the bundled tests beside this file. VS Code takes a resolved promise
 * for success, and an extension host that dies for success as well, hence the result file the reporter writes.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import Mocha from 'mocha';
import Reporter from './reporter.ts';

export async function run(): Promise<void> {
  process.setSourceMapsEnabled(true);
  const mocha = new Mocha({
    ui: 'bdd',
    timeout: 60_000,
    forbidOnly: true,
    reporter: Reporter as unknown as Mocha.ReporterConstructor,
  });
  const pattern = process.env['HYPERSTEP_TEST_GREP'];
  if (pattern !== undefined && pattern !== '') mocha.grep(pattern);
  for (const name of readdirSync(__dirname).sort()) {
    if (name.endsWith('.test.cjs')) mocha.addFile(path.join(__dirname, name));
  }
  const failures = await new Promise<number>((resolve) => mocha.run(resolve));
  if (failures > 0) throw new Error(`${failures} failed`);
}
