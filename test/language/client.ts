/** The language server in this process, spoken to as an editor speaks to it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import {
  createConnection,
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type Diagnostic,
  type Position,
  type ProtocolConnection,
  type PublishDiagnosticsParams,
} from 'vscode-languageserver/node';
import { assembleProgram, reference, vocabulary } from '../../extension/language/server/engine.ts';
import { startServer } from '../../extension/language/server/server.ts';

/** Marks the cursor in a document's text. */
const CURSOR = '¦';

export class Editor {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'hyperstep-language-'));
  readonly #client: ProtocolConnection;
  readonly #diagnostics = new Map<string, readonly Diagnostic[]>();
  readonly #texts = new Map<string, string>();
  #published = (): void => {};
  #version = 0;

  constructor() {
    const [toServer, toClient] = [new PassThrough(), new PassThrough()];
    startServer(createConnection(new StreamMessageReader(toServer), new StreamMessageWriter(toClient)), {
      assemble: assembleProgram,
      vocabulary,
      reference,
      debounceMs: 5,
    });
    this.#client = createProtocolConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer));
    this.#client.onNotification('textDocument/publishDiagnostics', (params: PublishDiagnosticsParams) => {
      this.#diagnostics.set(params.uri, params.diagnostics);
      this.#published();
    });
    this.#client.listen();
  }

  /** @param capabilities of the workspace: its folder, unless `folder` is null. */
  async start(folder: string | null = this.folder): Promise<void> {
    const workspaceFolders = folder === null ? null : [{ uri: pathToFileURL(folder).toString(), name: 'test' }];
    await this.#client.sendRequest('initialize', {
      processId: null,
      rootUri: null,
      capabilities: {},
      workspaceFolders,
    });
    await this.#client.sendNotification('initialized', {});
  }

  /** Puts a file on disk. */
  write(name: string, text: string): void {
    writeFileSync(path.join(this.folder, name), text);
  }

  uri(name: string): string {
    return pathToFileURL(path.join(this.folder, name)).toString();
  }

  async open(name: string, text: string): Promise<void> {
    const uri = this.uri(name);
    this.#texts.set(uri, text.replace(CURSOR, ''));
    await this.#client.sendNotification('textDocument/didOpen', {
      textDocument: { uri, languageId: 'nasm-guest', version: ++this.#version, text: text.replace(CURSOR, '') },
    });
  }

  async change(name: string, text: string): Promise<void> {
    await this.#client.sendNotification('textDocument/didChange', {
      textDocument: { uri: this.uri(name), version: ++this.#version },
      contentChanges: [{ text }],
    });
  }

  async close(name: string): Promise<void> {
    await this.#client.sendNotification('textDocument/didClose', { textDocument: { uri: this.uri(name) } });
  }

  /** What is underlined in a file, once it is what `wanted` asks for: `line:column-column code`. */
  async diagnostics(name: string, wanted: (lines: readonly string[]) => boolean): Promise<readonly string[]> {
    for (;;) {
      const next = new Promise<void>((resolve) => (this.#published = resolve));
      const found = this.#diagnostics.get(this.uri(name));
      const lines = found?.map(
        ({ range: { start, end }, code }) => `${start.line + 1}:${start.character}-${end.character} ${String(code)}`,
      );
      if (lines !== undefined && wanted(lines)) return lines;
      await next;
    }
  }

  messages(name: string): readonly string[] {
    return (this.#diagnostics.get(this.uri(name)) ?? []).map(({ message }) =>
      typeof message === 'string' ? message : message.value,
    );
  }

  /** Asks about the cursor in a text. */
  async at<Result>(method: string, name: string, text: string, more: object = {}): Promise<Result> {
    return this.#client.sendRequest<Result>(`textDocument/${method}`, {
      textDocument: { uri: this.uri(name) },
      position: positionOf(text),
      ...more,
    });
  }

  dispose(): void {
    this.#client.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function positionOf(text: string): Position {
  const before = text.slice(0, text.indexOf(CURSOR));
  const lines = before.split('\n');
  return { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
}
