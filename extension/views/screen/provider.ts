/** The guest's screen as an editor: what the VGA shows, while the machine runs and while it stands, and its keyboard. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { COMMANDS, SCREEN_PANEL } from '../../../debug-adapter/protocol/ids.ts';
import type { ScreenPageMessage, ScreenPageUpdate } from '../../../debug-adapter/protocol/screen-page.ts';
import type { TextScreenBody } from '../../../debug-adapter/protocol/text-screen.ts';
import { messageOf, request, type Sessions } from '../../debugging/session.ts';

/** While the machine runs the screen is asked for this often. */
const REFRESH_MILLISECONDS = 100;

const NO_SESSION = 'No guest is being debugged: its screen appears here when one is.';

const readScreen = async (session: vscode.DebugSession): Promise<TextScreenBody> =>
  request(session, 'hyperstep/textScreen', {});

const textOf = ({ lines }: TextScreenBody): string =>
  `${lines
    .map(({ text }) => text.trimEnd())
    .join('\n')
    .trimEnd()}\n`;

class ScreenPanel implements vscode.Disposable {
  readonly onDidClose: vscode.Event<void>;
  readonly #panel: vscode.WebviewPanel;
  readonly #sessions: Sessions;
  readonly #disposables: vscode.Disposable[];
  #timer: NodeJS.Timeout | undefined;
  #asking = false;

  constructor(extensionUri: vscode.Uri, sessions: Sessions) {
    this.#sessions = sessions;
    const folder = vscode.Uri.joinPath(extensionUri, 'dist', 'views');
    this.#panel = vscode.window.createWebviewPanel(
      SCREEN_PANEL,
      'Guest Screen',
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      { enableScripts: true, localResourceRoots: [folder], retainContextWhenHidden: false },
    );
    this.#panel.webview.html = page(this.#panel.webview, folder);
    this.onDidClose = this.#panel.onDidDispose;
    this.#disposables = [
      this.#panel,
      this.#panel.webview.onDidReceiveMessage(async (message: ScreenPageMessage) => this.#receive(message)),
      this.#panel.onDidChangeViewState(() => void this.#refresh()),
      sessions.onDidChange(() => void this.#refresh()),
    ];
  }

  reveal(): void {
    this.#panel.reveal(undefined, true);
  }

  async #receive(message: ScreenPageMessage): Promise<void> {
    if (message.kind === 'ready') return this.#refresh();
    const session = this.#sessions.current;
    if (session === undefined) return;
    try {
      await request(session, 'hyperstep/keyboardInput', { scanCodes: message.scanCodes });
    } catch (error) {
      await vscode.window.showErrorMessage(messageOf(error));
    }
  }

  /** Shows what is on the screen now, and while the machine runs soon again. */
  async #refresh(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.#panel.visible || this.#asking) return;
    this.#asking = true;
    const session = this.#sessions.current;
    const running = session !== undefined && this.#sessions.stopped !== session;
    try {
      await this.#panel.webview.postMessage(await updateOf(session, running));
    } finally {
      this.#asking = false;
    }
    const changed = this.#sessions.current !== session || (!running && this.#sessions.stopped !== session);
    if (running || changed) this.#timer = setTimeout(() => void this.#refresh(), REFRESH_MILLISECONDS);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const disposable of this.#disposables) disposable.dispose();
  }
}

async function updateOf(session: vscode.DebugSession | undefined, running: boolean): Promise<ScreenPageUpdate> {
  if (session === undefined) return { kind: 'none', because: NO_SESSION };
  try {
    return { kind: 'screen', screen: await readScreen(session), running };
  } catch (error) {
    // The session may have ended meanwhile, or not have begun: both are told by the next change.
    return { kind: 'none', because: messageOf(error) };
  }
}

function page(webview: vscode.Webview, folder: vscode.Uri): string {
  const nonce = randomBytes(16).toString('hex');
  const file = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'" />
    <link rel="stylesheet" href="${file('screen.css')}" />
    <title>Guest Screen</title>
  </head>
  <body>
    <main>
      <div id="screen" role="document" tabindex="0" aria-describedby="status" hidden>
        <div id="lines"></div>
        <div id="cursor" aria-hidden="true"></div>
      </div>
      <div id="status">${NO_SESSION}</div>
    </main>
    <script nonce="${nonce}" src="${file('screen.js')}"></script>
  </body>
</html>`;
}

export function registerScreen(extensionUri: vscode.Uri, sessions: Sessions): vscode.Disposable {
  let panel: ScreenPanel | undefined;
  return vscode.Disposable.from(
    { dispose: () => panel?.dispose() },
    vscode.commands.registerCommand(COMMANDS.showScreen, () => {
      if (panel !== undefined) {
        panel.reveal();
        return;
      }
      const opened = new ScreenPanel(extensionUri, sessions);
      panel = opened;
      opened.onDidClose(() => {
        opened.dispose();
        if (panel === opened) panel = undefined;
      });
    }),
    vscode.commands.registerCommand(COMMANDS.copyScreen, async () => {
      const session = sessions.current;
      if (session === undefined) {
        await vscode.window.showInformationMessage(NO_SESSION);
        return;
      }
      await vscode.env.clipboard.writeText(textOf(await readScreen(session)));
    }),
  );
}
