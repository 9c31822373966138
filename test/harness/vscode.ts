/** Mocha's hooks for end-to-end tests: the packaged extension in a fresh VS Code and a fresh browser, ended afterwards. */
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import type { BrowserContext } from 'playwright-core';
import { Scratch, startServer, type RunningServer } from '../../scripts/lib/code-server.ts';
import { manifest } from '../../scripts/lib/manifest.ts';
import { ROOT } from '../../scripts/lib/root.ts';
import { installCodeServer } from '../../scripts/lib/vscode-install.ts';
import { startBrowser } from './browser.ts';
import { Workbench } from './workbench.ts';

export interface WorkbenchOptions {
  /** A folder or files that are copied into a fresh folder of the same name, which the workbench opens. */
  readonly folder: string;
  /** Called with the copy before it is opened: builds what must know where it lies. */
  readonly prepare?: (folder: string) => void;
  readonly size?: { readonly width: number; readonly height: number };
}

/**
 * Gives the tests of the suite it is called in one workbench, with the extension of `HYPERSTEP_VSIX` (set by `npm test`) installed as
 * a user would, or linked from the source tree when a single test file is run by hand. A failed test leaves a picture.
 */
export function useWorkbench({ folder, prepare, size }: WorkbenchOptions): () => Workbench {
  let scratch: Scratch | undefined;
  let server: RunningServer | undefined;
  let browser: BrowserContext | undefined;
  let workbench: Workbench | undefined;

  before('open VS Code', async function () {
    this.timeout(180_000);
    const codeServer = installCodeServer(console.log);
    scratch = new Scratch();
    const opened = path.join(scratch.root, 'folder', path.basename(folder));
    mkdirSync(path.dirname(opened), { recursive: true });
    cpSync(folder, opened, { recursive: true });
    prepare?.(opened);
    const vsix = process.env['HYPERSTEP_VSIX'];
    if (vsix === undefined) linkSourceTree(scratch);
    server = await startServer(codeServer, { scratch, ...(vsix === undefined ? {} : { vsix }) });
    browser = await startBrowser(scratch.browser, size);
    const page = browser.pages()[0] ?? (await browser.newPage());
    workbench = new Workbench(page, server.url);
    await workbench.openFolder(opened);
  });

  afterEach('picture of a failure', async function () {
    const test = this.currentTest;
    if (test?.state !== 'failed' || workbench === undefined) return;
    const picture = await workbench.capture(`failed-${test.fullTitle()}`);
    console.error(`picture of the failure: ${path.relative(ROOT, picture)}`);
  });

  after('close VS Code', async () => {
    await browser?.close();
    await server?.stop();
    scratch?.remove();
  });

  return () => {
    if (workbench === undefined) throw new Error('the workbench is only there while tests run');
    return workbench;
  };
}

function linkSourceTree(scratch: Scratch): void {
  const { publisher, name, version } = manifest();
  const link = path.join(scratch.extensions, `${publisher}.${name}-${version}`);
  if (!existsSync(link)) symlinkSync(ROOT, link);
}
