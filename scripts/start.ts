/**
 * `npm start`: builds, opens VS Code with the extension loaded and the samples as its folder, and says what to do next.
 * `npm start -- --headless <file or folder> [...]` runs the same session without an editor.
 */
import { spawn, spawnSync } from 'node:child_process';
import { symlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build, fail } from './build.ts';
import { QUIET_SETTINGS, Scratch, startServer } from './lib/code-server.ts';
import { onPath } from './lib/programs.ts';
import { fromRoot, ROOT } from './lib/root.ts';
import { runHyperstep } from './lib/run-program.ts';
import { codeServerUnsupported, installCodeServer } from './lib/vscode-install.ts';
import { manifest } from './lib/manifest.ts';

const SAMPLES = fromRoot('samples');

const NEXT_STEPS = `
What to do next:
  1. open 02-tinyos/tinyos.asm (or any other .asm file of the samples)
  2. click left of a line number to set a breakpoint
  3. press F5: the guest starts under the built-in hypervisor and stops
  4. step with F10 and F11; look at VMCS, VM Exits and Page Tables in the Run and Debug side bar
`;

const HOW_TO_GET_CODE = `VS Code's command "code" is not on PATH.
Install VS Code (https://code.visualstudio.com), run its command "Shell Command: Install 'code' command in PATH" (macOS)
or reopen the terminal (Windows), and run npm start again.
Without an editor: npm start -- --headless samples/02-tinyos`;

function openDesktop(code: string): void {
  const args = [`--extensionDevelopmentPath=${ROOT}`, SAMPLES];
  const shell = process.platform === 'win32';
  const { status } = spawnSync(shell ? `"${code}"` : code, shell ? args.map((arg) => `"${arg}"`) : args, {
    stdio: 'inherit',
    shell,
  });
  if (status !== 0) throw new Error(`code ended with ${status ?? 'a signal'}`);
  console.log(`VS Code opens ${path.relative(ROOT, SAMPLES)} with Hyperstep loaded.${NEXT_STEPS}`);
}

/** Whether a window could be shown. */
const hasDisplay = (): boolean => Boolean(process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY']);

async function openInBrowser(): Promise<void> {
  const codeServer = installCodeServer((line) => console.log(line));
  // The profile stays, so that the next start finds the windows as they were left.
  const scratch = new Scratch(fromRoot('.cache', 'profile'));
  const { publisher, name, version } = manifest();
  const link = path.join(scratch.extensions, `${publisher}.${name}-${version}`);
  rmSync(link, { recursive: true, force: true });
  symlinkSync(ROOT, link);
  const port = process.env['PORT'];
  const server = await startServer(codeServer, {
    scratch,
    settings: QUIET_SETTINGS,
    ...(port === undefined ? {} : { port: Number(port) }),
  });
  const url = `${server.url}?folder=${encodeURIComponent(SAMPLES)}`;
  const opener = hasDisplay() ? onPath('xdg-open') : undefined;
  if (opener !== undefined) spawn(opener, [url], { stdio: 'ignore', detached: true }).unref();
  console.log(`VS Code with Hyperstep loaded is at\n\n  ${url}\n${NEXT_STEPS}\nCtrl+C ends it.`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    server.process.once('exit', () => resolve());
  });
  await server.stop();
}

async function start(args: readonly string[]): Promise<number> {
  if (args[0] === '--headless') {
    if (args.length === 1) throw new Error('say what to run: npm start -- --headless samples/02-tinyos');
    return runHyperstep(['run', ...args.slice(1)]);
  }
  if (args.length > 0)
    throw new Error(`unknown argument ${args[0]}; npm start takes none, or --headless <file or folder>`);
  await build({ production: false });
  const code = onPath('code');
  if (code !== undefined) openDesktop(code);
  else if (codeServerUnsupported() === undefined) await openInBrowser();
  else throw new Error(HOW_TO_GET_CODE);
  return 0;
}

try {
  process.exitCode = await start(process.argv.slice(2));
} catch (error) {
  fail('start', error);
}
