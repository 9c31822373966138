/** Starts the language server and connects it to the editor. */
import * as vscode from 'vscode';
import { LanguageClient, TransportKind, type LanguageClientOptions } from 'vscode-languageclient/node';
import { LANGUAGE_ID } from '../../debug-adapter/protocol/ids.ts';

const SERVER = ['dist', 'server.cjs'];

/** Starts in the background; the returned object ends the server. */
export function startLanguageClient(extensionUri: vscode.Uri): vscode.Disposable {
  const module = vscode.Uri.joinPath(extensionUri, ...SERVER).fsPath;
  const options: LanguageClientOptions = {
    documentSelector: [{ language: LANGUAGE_ID }],
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher('**/*.{asm,nasm,inc}') },
  };
  const client = new LanguageClient(
    'hyperstep',
    'Hyperstep Assembly',
    { module, transport: TransportKind.ipc },
    options,
  );
  void client.start();
  return { dispose: () => void client.dispose() };
}
