/** `npm run bench`: measures what was promised about speed and memory, and exits with 1 where a promise is broken. */
import { parseArguments } from './arguments.ts';
import { compare } from './compare.ts';
import { measureDap } from './dap.ts';
import { measureDispatch } from './dispatch.ts';
import { formatChecks, passes, type Check } from './limits.ts';

async function main(): Promise<boolean> {
  const chosen = parseArguments(process.argv.slice(2));
  const checks: Check[] = [];
  const failures: string[] = [];
  if (chosen.parts.includes('guests')) {
    const result = await compare(chosen);
    console.log(`${result.table}\n`);
    checks.push(...result.checks);
    failures.push(...result.failures);
  }
  if (chosen.parts.includes('dispatch')) console.log(`${measureDispatch()}\n`);
  if (chosen.parts.includes('dap')) checks.push(...(await measureDap()));
  if (checks.length > 0) console.log(formatChecks(checks));
  for (const failure of failures) console.log(`FAIL ${failure}`);
  return failures.length === 0 && checks.every(passes);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
