/** `npm run hyperstep -- <arguments>`: the command-line program, built first. */
import { fail } from './build.ts';
import { runHyperstep } from './lib/run-program.ts';

try {
  process.exitCode = await runHyperstep(process.argv.slice(2));
} catch (error) {
  fail('hyperstep', error);
}
