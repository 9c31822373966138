/** The extension's entry point: wires the folders, nothing else. */
import type * as vscode from 'vscode';
import { registerDebugging } from './debugging/register.ts';
import { Sessions } from './debugging/session.ts';
import { startLanguageClient } from './language/client.ts';
import { registerViews } from './views/register.ts';

export function activate(context: vscode.ExtensionContext): void {
  const sessions = new Sessions();
  context.subscriptions.push(
    sessions,
    registerDebugging(context.extensionUri, sessions),
    registerViews(context.extensionUri, sessions),
    startLanguageClient(context.extensionUri),
  );
}
