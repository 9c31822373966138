/** "Open Memory": a read-only text document with the bytes around an address, kept in step with the machine. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import { COMMANDS } from '../../../debug-adapter/protocol/ids.ts';
import { messageOf, type Sessions } from '../../debugging/session.ts';
import type { MemoryPlace, ViewNode } from '../node.ts';
import { hexDump, parseReference, spaceInWords, windowAround, type Highlight } from './hex-dump.ts';

const SCHEME = 'hyperstep-memory';

/** Commands in a row's menu get the row, those of a click what they were given. */
function placeOf(argument: MemoryPlace | ViewNode | undefined): MemoryPlace | undefined {
  if (argument === undefined) return undefined;
  if ('reference' in argument) return argument;
  return argument.memory ?? (argument.click?.kind === 'memory' ? argument.click.memory : undefined);
}

const uriOf = ({ reference, bytes, title }: MemoryPlace): vscode.Uri =>
  vscode.Uri.from({
    scheme: SCHEME,
    path: `/${title.replaceAll('/', ' ')}.memory`,
    query: new URLSearchParams({ reference, bytes: String(bytes) }).toString(),
  });

const highlightStyle = vscode.window.createTextEditorDecorationType({
  backgroundColor: new vscode.ThemeColor('editor.findMatchHighlightBackground'),
  border: '1px solid',
  borderColor: new vscode.ThemeColor('focusBorder'),
  overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.findMatchForeground'),
  overviewRulerLane: vscode.OverviewRulerLane.Full,
});

export class MemoryDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #sessions: Sessions;
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #highlights = new Map<string, readonly Highlight[]>();
  readonly #disposables: vscode.Disposable[];

  readonly onDidChange = this.#changed.event;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
    this.#disposables = [
      this.#changed,
      highlightStyle,
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      vscode.commands.registerCommand(COMMANDS.openMemory, async (argument?: MemoryPlace | ViewNode) =>
        this.#open(placeOf(argument)),
      ),
      sessions.onDidChange(({ kind }) => {
        if (kind === 'stopped' || kind === 'edited') this.#refresh();
      }),
      vscode.window.onDidChangeVisibleTextEditors(() => this.#decorate()),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document.uri.scheme === SCHEME) this.#decorate();
      }),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.#highlights.delete(uri.toString())),
    ];
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const query = new URLSearchParams(uri.query);
    const parsed = parseReference(query.get('reference') ?? '');
    if (parsed === undefined) return 'This address is not one of memory.\n';
    const session = this.#sessions.stopped;
    if (session === undefined) return 'The machine is not stopped: its memory appears here at the next stop.\n';
    const window = windowAround(parsed.address);
    const args: DebugProtocol.ReadMemoryArguments = {
      memoryReference: `${parsed.space}0x${window.start.toString(16)}`,
      count: window.bytes,
    };
    let known: Uint8Array;
    try {
      const body = (await session.customRequest('readMemory', args)) as DebugProtocol.ReadMemoryResponse['body'];
      known = Buffer.from(body?.data ?? '', 'base64');
    } catch (error) {
      return `${messageOf(error)}\n`;
    }
    const dump = hexDump(window, known, { start: parsed.address, bytes: Number(query.get('bytes') ?? 1) });
    const heading = [`${spaceInWords(parsed.space)} memory at 0x${parsed.address.toString(16)}`, ''];
    this.#highlights.set(
      uri.toString(),
      dump.highlights.map((highlight) => ({ ...highlight, line: highlight.line + heading.length })),
    );
    return `${[...heading, ...dump.lines].join('\n')}\n`;
  }

  async #open(place: MemoryPlace | undefined): Promise<void> {
    if (place === undefined) return;
    const uri = uriOf(place);
    const document = await vscode.workspace.openTextDocument(uri);
    const editor = await vscode.window.showTextDocument(document, {
      preview: true,
      preserveFocus: true,
      viewColumn: vscode.ViewColumn.Beside,
    });
    this.#decorate();
    const first = this.#highlights.get(uri.toString())?.[0];
    if (first !== undefined) {
      const line = new vscode.Range(first.line, 0, first.line, 0);
      editor.revealRange(line, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    }
  }

  #refresh(): void {
    for (const { uri } of vscode.workspace.textDocuments) if (uri.scheme === SCHEME) this.#changed.fire(uri);
  }

  #decorate(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      if (editor.document.uri.scheme !== SCHEME) continue;
      const ranges = (this.#highlights.get(editor.document.uri.toString()) ?? []).map(
        ({ line, start, end }) => new vscode.Range(line, start, line, end),
      );
      editor.setDecorations(highlightStyle, ranges);
    }
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose();
  }
}
