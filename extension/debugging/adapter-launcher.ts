/** Starts the debug adapter; the extension knows it by path only. */
import * as vscode from 'vscode';

const ADAPTER = ['dist', 'adapter.cjs'];

/** The command `node` means VS Code's own Node, on the desktop as on a server: nobody needs to install one. */
export function adapterLauncher(extensionUri: vscode.Uri): vscode.DebugAdapterDescriptorFactory {
  return {
    createDebugAdapterDescriptor: () =>
      new vscode.DebugAdapterExecutable('node', [vscode.Uri.joinPath(extensionUri, ...ADAPTER).fsPath]),
  };
}
