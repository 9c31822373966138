/** Commands that start sessions and move them on. */
import * as vscode from 'vscode';
import { COMMANDS, DEBUG_TYPE } from '../../debug-adapter/protocol/ids.ts';
import { currentProgram, defaultConfiguration } from './configuration-provider.ts';
import { presetsFor, type Preset } from './presets.ts';
import { messageOf, request, type Sessions } from './session.ts';

/** What launch.json says about this program, chosen by the person where it says several things; else the defaults. */
async function configurationFor(
  program: vscode.Uri,
  folder: vscode.WorkspaceFolder | undefined,
): Promise<string | vscode.DebugConfiguration | undefined> {
  if (folder === undefined) return defaultConfiguration(program);
  const all = vscode.workspace.getConfiguration('launch', folder).get<Preset[]>('configurations', []);
  const names = presetsFor(all, DEBUG_TYPE, program.fsPath, folder.uri.fsPath).map(({ name }) => String(name));
  if (names.length === 0) return defaultConfiguration(program);
  if (names.length === 1) return names[0];
  return vscode.window.showQuickPick(names, { title: 'Debug Guest Program', placeHolder: 'How to run it' });
}

async function start(chosen: vscode.Uri | undefined, noDebug: boolean): Promise<void> {
  const program = chosen ?? currentProgram();
  if (program === undefined) {
    const problem = 'There is no guest program to debug: open an .asm source, a boot image or a multiboot ELF first.';
    await vscode.window.showErrorMessage(problem);
    return;
  }
  const folder = vscode.workspace.getWorkspaceFolder(program);
  const configuration = await configurationFor(program, folder);
  if (configuration !== undefined) await vscode.debug.startDebugging(folder, configuration, { noDebug });
}

/** Menus pass the resource they were opened on; everything else passes nothing we want. */
const asUri = (argument: unknown): vscode.Uri | undefined => (argument instanceof vscode.Uri ? argument : undefined);

export function registerDebugCommands(sessions: Sessions): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(COMMANDS.debugFile, async (resource: unknown) => start(asUri(resource), false)),
    vscode.commands.registerCommand(COMMANDS.runFile, async (resource: unknown) => start(asUri(resource), true)),
    vscode.commands.registerCommand(COMMANDS.runToNextExit, async () => {
      const session = sessions.stopped;
      if (session === undefined) {
        await vscode.window.showInformationMessage('No guest is stopped: start one, then run to its next VM exit.');
        return;
      }
      try {
        await request(session, 'hyperstep/runToNextExit', { threadId: sessions.threadId });
      } catch (error) {
        await vscode.window.showErrorMessage(messageOf(error));
      }
    }),
  );
}
