/** Wires the views of the debug side bar. */
import * as vscode from 'vscode';
import type { Sessions } from '../debugging/session.ts';
import { MemoryDocuments } from './memory/documents.ts';
import { registerPageTables } from './page-tables/provider.ts';
import { registerVmExits } from './vm-exits/provider.ts';
import { registerVmcs } from './vmcs/provider.ts';

export function registerViews(sessions: Sessions): vscode.Disposable {
  return vscode.Disposable.from(
    new MemoryDocuments(sessions),
    registerPageTables(sessions),
    registerVmExits(sessions),
    registerVmcs(sessions),
  );
}
