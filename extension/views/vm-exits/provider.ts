/** The VM Exits view: the log, the latest exits first, a page at a time. */
import * as vscode from 'vscode';
import { COMMANDS, VIEWS } from '../../../debug-adapter/protocol/ids.ts';
import { request, type Sessions } from '../../debugging/session.ts';
import { SessionView } from '../tree-view.ts';
import { exitNodes, exitsAsText } from './nodes.ts';

const PAGE = 100;
/** As many as the clipboard gets. */
const COPIED = 10_000;

export function registerVmExits(sessions: Sessions): vscode.Disposable {
  let rows = PAGE;
  const view = new SessionView({
    id: VIEWS.vmExits,
    sessions,
    load: async (session, moved) => {
      if (moved) rows = PAGE;
      return { roots: exitNodes(await request(session, 'hyperstep/exits', { start: -rows, count: rows })) };
    },
  });
  return vscode.Disposable.from(
    view,
    vscode.commands.registerCommand(COMMANDS.olderVmExits, async () => {
      rows += PAGE;
      await view.refresh();
    }),
    vscode.commands.registerCommand(COMMANDS.copyVmExits, async () => {
      const session = sessions.current;
      if (session === undefined) return;
      const exits = await request(session, 'hyperstep/exits', { start: -COPIED, count: COPIED });
      await vscode.env.clipboard.writeText(exitsAsText(exits));
    }),
  );
}
