/** The language server without its transport: registers what it can do on a connection. */
import {
  TextDocuments,
  TextDocumentSyncKind,
  type Connection,
  type InitializeParams,
  type InitializeResult,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { Programs, type Assemble } from './documents/programs.ts';
import { fileOf, Sources, uriOf } from './documents/sources.ts';
import { completion, type Vocabulary } from './features/completion.ts';
import { definition, references } from './features/definition.ts';
import { editorDiagnostic } from './features/diagnostics.ts';
import { hover, type Reference } from './features/hover.ts';
import { documentSymbols } from './features/symbols.ts';

export interface ServerOptions {
  readonly assemble: Assemble;
  readonly vocabulary: () => Vocabulary;
  readonly reference: Reference;
  /** Pause in typing after which a program is assembled again. */
  readonly debounceMs: number;
}

const CAPABILITIES: InitializeResult['capabilities'] = {
  textDocumentSync: TextDocumentSyncKind.Incremental,
  definitionProvider: true,
  referencesProvider: true,
  documentSymbolProvider: true,
  completionProvider: { triggerCharacters: ['.', '%'] },
  hoverProvider: true,
};

const foldersOf = ({ workspaceFolders, rootUri }: InitializeParams): string[] =>
  (workspaceFolders ?? (rootUri === null ? [] : [{ uri: rootUri }])).map(({ uri }) => fileOf(uri));

export function startServer(connection: Connection, options: ServerOptions): void {
  const documents = new TextDocuments(TextDocument);
  const sources = new Sources((uri) => documents.get(uri)?.getText());
  const programs = new Programs(sources, options.assemble);
  /** Files whose text changed since they were last assembled. */
  const pending = new Map<string, NodeJS.Timeout>();
  /** Files that the editor shows diagnostics for. */
  let reported = new Set<string>();

  const publish = (): void => {
    const all = programs.diagnostics();
    for (const file of new Set([...reported, ...all.keys()])) {
      const diagnostics = (all.get(file) ?? []).map(editorDiagnostic);
      void connection.sendDiagnostics({ uri: uriOf(file), diagnostics });
    }
    reported = new Set(all.keys());
  };
  const settle = (file: string): void => {
    const timer = pending.get(file);
    if (timer === undefined) return;
    clearTimeout(timer);
    pending.delete(file);
    programs.changed(file);
    publish();
  };
  /** The program a question is about, as it is now: a question does not wait for a pause in typing. */
  const assemblyOf = (file: string): ReturnType<Programs['assemblyOf']> => {
    for (const waiting of [...pending.keys()]) settle(waiting);
    return programs.assemblyOf(file);
  };
  const lineOf = (uri: string, line: number): string =>
    documents
      .get(uri)
      ?.getText({ start: { line, character: 0 }, end: { line: line + 1, character: 0 } })
      .replace(/\r?\n$/, '') ?? '';

  connection.onInitialize((params) => {
    sources.setFolders(foldersOf(params));
    return { capabilities: CAPABILITIES, serverInfo: { name: 'Hyperstep Assembly' } };
  });
  connection.onDidChangeWatchedFiles(() => {
    programs.changedOnDisk();
    publish();
  });
  documents.onDidOpen(({ document }) => {
    programs.open(fileOf(document.uri));
    publish();
  });
  documents.onDidClose(({ document }) => {
    const file = fileOf(document.uri);
    clearTimeout(pending.get(file));
    pending.delete(file);
    programs.close(file);
    publish();
  });
  documents.onDidChangeContent(({ document }) => {
    const file = fileOf(document.uri);
    clearTimeout(pending.get(file));
    pending.set(
      file,
      setTimeout(() => settle(file), options.debounceMs),
    );
  });

  connection.onDefinition(({ textDocument: { uri }, position }) => {
    const file = fileOf(uri);
    const resolve = (name: string): string | undefined => sources.include(name, file, file)?.file;
    return definition(assemblyOf(file), file, lineOf(uri, position.line), position, resolve);
  });
  connection.onReferences(({ textDocument: { uri }, position, context }) => {
    const file = fileOf(uri);
    return references(assemblyOf(file), file, position, context.includeDeclaration);
  });
  connection.onDocumentSymbol(({ textDocument: { uri } }) => {
    const file = fileOf(uri);
    return documentSymbols(assemblyOf(file), file);
  });
  connection.onCompletion(({ textDocument: { uri }, position }) => {
    const file = fileOf(uri);
    return completion(options.vocabulary(), assemblyOf(file), file, lineOf(uri, position.line), position);
  });
  connection.onHover(({ textDocument: { uri }, position }) => {
    const file = fileOf(uri);
    return hover(options.reference, assemblyOf(file), file, lineOf(uri, position.line), position) ?? null;
  });

  documents.listen(connection);
  connection.listen();
}
