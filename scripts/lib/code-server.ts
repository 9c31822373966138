/** Starts and stops the npm-installed VS Code. Every run has its own fresh folder; only processes started here are ended. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CodeServer } from './vscode-install.ts';

export type Settings = Readonly<Record<string, unknown>>;

/**
 * A workbench without greetings, suggestions, background traffic and animation. Values are spelled as this VS Code spells them now:
 * it rewrites the file when it finds older spellings.
 */
export const QUIET_SETTINGS: Settings = {
  'chat.disableAIFeatures': true,
  'debug.confirmOnExit': 'never',
  'debug.openDebug': 'openOnSessionStart',
  'debug.toolBarLocation': 'docked',
  'editor.minimap.enabled': false,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': 'off',
  'extensions.ignoreRecommendations': true,
  'files.hotExit': 'off',
  'files.simpleDialog.enable': true,
  'git.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
  'remote.autoForwardPorts': false,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'window.autoDetectColorScheme': false,
  'window.commandCenter': false,
  'workbench.colorTheme': 'Dark Modern',
  'workbench.enableExperiments': false,
  'workbench.preferredDarkColorTheme': 'Dark Modern',
  'workbench.preferredLightColorTheme': 'Light 2026',
  'workbench.reduceMotion': 'on',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

/** The folders of one run. */
export class Scratch {
  readonly root: string;

  constructor(root = mkdtempSync(path.join(tmpdir(), 'hyperstep-vscode-'))) {
    this.root = root;
    for (const folder of [this.userData, this.extensions, this.browser]) mkdirSync(folder, { recursive: true });
    mkdirSync(path.join(this.userData, 'User'), { recursive: true });
  }

  get userData(): string {
    return path.join(this.root, 'user');
  }

  get extensions(): string {
    return path.join(this.root, 'extensions');
  }

  get browser(): string {
    return path.join(this.root, 'browser');
  }

  get serverLog(): string {
    return path.join(this.root, 'server.log');
  }

  /** Read when a workbench opens; a running one does not notice changes. */
  writeSettings(settings: Settings): void {
    writeFileSync(path.join(this.userData, 'User', 'settings.json'), JSON.stringify(settings, null, 1));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly scratch: Scratch;
  readonly settings?: Settings;
  /** A packaged extension to install first, as a user would. */
  readonly vsix?: string;
  readonly folder?: string;
  /** A free one when left out. */
  readonly port?: number;
  /** Further arguments of code-server. */
  readonly args?: readonly string[];
}

const UP_WITHIN_MS = 60_000;

export async function startServer(codeServer: CodeServer, options: ServerOptions): Promise<RunningServer> {
  const { scratch, settings = QUIET_SETTINGS, vsix, folder, args = [] } = options;
  scratch.writeSettings(settings);
  const places = ['--user-data-dir', scratch.userData, '--extensions-dir', scratch.extensions];
  const config = ['--config', path.join(scratch.root, 'config.yaml')];
  const env = { ...process.env, EXTENSIONS_GALLERY: '{"serviceUrl":""}' };
  if (vsix !== undefined) {
    const install = spawnSync(codeServer.node, [codeServer.entry, ...config, ...places, '--install-extension', vsix], {
      env,
      encoding: 'utf8',
    });
    if (install.status !== 0) throw new Error(`VS Code refused ${vsix}:\n${install.stdout}${install.stderr}`);
  }

  const port = options.port ?? (await freePort());
  const log = openSync(scratch.serverLog, 'w');
  const child = spawn(
    codeServer.node,
    [
      codeServer.entry,
      ...config,
      ...places,
      ...['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`],
      '--disable-telemetry',
      '--disable-update-check',
      '--disable-workspace-trust',
      '--disable-getting-started-override',
      ...args,
      ...(folder === undefined ? [] : [folder]),
    ],
    // A process group of its own, so that its extension hosts end with it.
    { stdio: ['ignore', log, log], detached: true, env },
  );
  closeSync(log);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    signalGroup(child, 'SIGTERM');
    await Promise.race([ended, sleep(3000)]);
    signalGroup(child, 'SIGKILL');
  };

  const url = `http://127.0.0.1:${port}/`;
  const giveUpAt = performance.now() + UP_WITHIN_MS;
  while (!(await answers(`${url}healthz`))) {
    if (child.exitCode !== null || performance.now() > giveUpAt) {
      await stop();
      throw new Error(`VS Code's server did not come up:\n${readFileSync(scratch.serverLog, 'utf8')}`);
    }
    await sleep(50);
  }
  return { url, port, process: child, stop };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

const answers = async (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    get(url, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });

const freePort = async (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
