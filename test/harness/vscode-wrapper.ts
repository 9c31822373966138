/**
 * The `code` program's part in extension-host tests, played by code-server and a headless browser: the same arguments in, the same
 * exit code out. VS Code's smoke-test driver reports the tests' output and exit code to two functions of the page.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QUIET_SETTINGS, Scratch, startServer } from '../../scripts/lib/code-server.ts';
import { installCodeServer } from '../../scripts/lib/vscode-install.ts';
import { startBrowser } from './browser.ts';
import { RESULT_FILE, type LayerResult } from './result.ts';

const LIMIT_MS = Number(process.env['HYPERSTEP_TEST_LIMIT_MS'] ?? 300_000);

const EXIT = { noResult: 96, failedTests: 95, timeLimit: 99, interrupted: 130 } as const;

/** Lines VS Code itself logs into the page's console. */
const NOISE =
  /^(%c|Resolv(ing|ed) connection|Creating a socket|\[reconnection|Updating additional|Ignoring fetching|\[Service Worker|\[AgentHost|\[AccountPolicy)/;

const say = (line: string): void => console.error(`[vscode] ${line}`);

/** The values of `--name=value` by name, and the arguments that are no options. */
function parseArguments(args: readonly string[]): { options: Map<string, string[]>; rest: string[] } {
  const options = new Map<string, string[]>();
  const rest: string[] = [];
  for (const arg of args) {
    const [, name, value = ''] = /^--([\w-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === undefined) rest.push(arg);
    else options.set(name, [...(options.get(name) ?? []), value]);
  }
  return { options, rest };
}

/** VS Code's own code is not enough: a host that was killed or called process.exit(0) ends with 0 too. */
function judge(code: number, resultFile: string | undefined): number {
  if (code !== 0) return code;
  if (resultFile === undefined || !existsSync(resultFile)) {
    say('no result file: the extension host ended before mocha did');
    return EXIT.noResult;
  }
  const result = JSON.parse(readFileSync(resultFile, 'utf8')) as LayerResult;
  if (result.failed > 0 || result.passed === 0) {
    say(`${result.passed} tests passed, ${result.failed} failed`);
    return EXIT.failedTests;
  }
  return 0;
}

export async function runAsCode(args: readonly string[]): Promise<number> {
  const { options, rest } = parseArguments(args);
  const testsPath = options.get('extensionTestsPath')?.at(-1);
  if (testsPath === undefined) throw new Error('only runs extension tests: --extensionTestsPath is missing');
  const scratch = new Scratch();
  const server = await startServer(installCodeServer(say), {
    scratch,
    settings: QUIET_SETTINGS,
    args: ['--vscode-option', 'enable-smoke-test-driver'],
  });
  const browser = await startBrowser(scratch.browser);
  let code: number = EXIT.timeLimit;
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    const interrupted = new Promise<number>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(EXIT.interrupted));
    });
    let ended = (_code: number): void => {};
    const exit = new Promise<number>((resolve) => (ended = resolve));
    await page.exposeFunction('codeAutomationLog', (_type: string, words: unknown[]) => {
      if (typeof words[0] !== 'string' || !NOISE.test(words[0])) console.log(...words);
    });
    await page.exposeFunction('codeAutomationExit', (status: number) => ended(status));
    const remote = (file: string): string => `vscode-remote://127.0.0.1:${server.port}${path.resolve(file)}`;
    const payload = [
      ...(options.get('extensionDevelopmentPath') ?? []).map((file) => ['extensionDevelopmentPath', remote(file)]),
      ['extensionTestsPath', remote(testsPath)],
    ];
    const folder = rest[0] === undefined ? 'ew=true' : `folder=${encodeURIComponent(path.resolve(rest[0]))}`;
    await page.goto(`${server.url}?${folder}&payload=${encodeURIComponent(JSON.stringify(payload))}`);
    code = await Promise.race([exit, interrupted, sleep(LIMIT_MS).then(() => EXIT.timeLimit)]);
    if (code === EXIT.timeLimit) say(`the tests did not end within ${LIMIT_MS / 1000} s`);
    code = judge(code, process.env[RESULT_FILE]);
  } finally {
    await browser.close();
    await server.stop();
    if (code === 0) scratch.remove();
    else say(`logs are kept in ${scratch.root}`);
  }
  return code;
}
