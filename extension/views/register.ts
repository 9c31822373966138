/** Wires the views: those of the debug side bar and those that are editors. */
import * as vscode from 'vscode';
import type { Sessions } from '../debugging/session.ts';
import { MemoryDocuments } from './memory/documents.ts';
import { registerPageTables } from './page-tables/provider.ts';
import { registerScreen } from './screen/provider.ts';
import { registerVmExits } from './vm-exits/provider.ts';
import { registerVmcs } from './vmcs/provider.ts';

export function registerViews(extensionUri: vscode.Uri, sessions: Sessions): vscode.Disposable {
  return vscode.Disposable.from(
    new MemoryDocuments(sessions),
    registerPageTables(sessions),
    registerScreen(extensionUri, sessions),
    registerVmExits(sessions),
    registerVmcs(sessions),
  );
}
