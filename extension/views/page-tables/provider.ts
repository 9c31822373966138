/** The Page Tables view: the walk of one address, again at every stop. */
import * as vscode from 'vscode';
import { COMMANDS, VIEWS } from '../../../debug-adapter/protocol/ids.ts';
import type { PageWalkArguments } from '../../../debug-adapter/protocol/page-walk.ts';
import { request, type Sessions } from '../../debugging/session.ts';
import { SessionView } from '../tree-view.ts';
import { askForAddress } from './address-box.ts';
import { pageTableNodes } from './nodes.ts';
import { expressionOfVariable, type VariableContext } from './variable.ts';

/** How the walk is judged; what is left out is as the processor is now. */
type Access = Pick<PageWalkArguments, 'access' | 'user'>;

interface AccessItem extends vscode.QuickPickItem {
  readonly chosen: Access;
}

const AS_NOW: AccessItem = {
  label: 'Read, with the privilege of now',
  description: 'the default',
  chosen: {},
};

const ACCESSES: readonly AccessItem[] = [
  AS_NOW,
  ...([false, true] as const).flatMap((user) =>
    (['read', 'write', 'execute'] as const).map((access): AccessItem => {
      const verb = { read: 'Read', write: 'Write', execute: 'Instruction fetch' }[access];
      return { label: `${verb} by ${user ? 'user (CPL 3)' : 'supervisor (CPL 0-2)'}`, chosen: { access, user } };
    }),
  ),
];

export function registerPageTables(sessions: Sessions): vscode.Disposable {
  let expression = 'rip';
  let access: Access = AS_NOW.chosen;
  const view = new SessionView({
    id: VIEWS.pageTables,
    sessions,
    load: async (session) => {
      const walk = await request(session, 'hyperstep/pageWalk', {
        threadId: sessions.threadId,
        address: expression,
        ...access,
      });
      return { roots: pageTableNodes(walk, expression) };
    },
  });
  const walk = async (chosen: string | undefined): Promise<void> => {
    if (chosen === undefined) return;
    expression = chosen;
    await view.reveal();
  };
  return vscode.Disposable.from(
    view,
    vscode.commands.registerCommand(COMMANDS.walkAddress, async (argument?: unknown) => {
      const session = sessions.stopped;
      if (session === undefined) return;
      await walk(typeof argument === 'string' ? argument : await askForAddress(session, expression));
    }),
    vscode.commands.registerCommand(COMMANDS.walkVariable, async (context?: VariableContext) =>
      walk(expressionOfVariable(context)),
    ),
    vscode.commands.registerCommand(COMMANDS.chooseWalkAccess, async () => {
      const chosen = await vscode.window.showQuickPick(ACCESSES, {
        title: 'Kind of Access',
        placeHolder: 'The access that the page walk is judged as',
      });
      if (chosen === undefined) return;
      access = chosen.chosen;
      await view.refresh();
    }),
  );
}
