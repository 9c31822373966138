/** Commands that start sessions and move them on. */
import * as vscode from 'vscode';
import { COMMANDS, DEBUG_TYPE } from '../../debug-adapter/protocol/ids.ts';
import { currentProgram, defaultConfiguration } from './configuration-provider.ts';
import { presetFor, type Preset } from './presets.ts';
import { messageOf, request, type Sessions } from './session.ts';

/** What somebody has written in launch.json for this program, else the defaults. */
function configurationFor(
  program: vscode.Uri,
  folder: vscode.WorkspaceFolder | undefined,
): string | vscode.DebugConfiguration {
  const presets = vscode.workspace.getConfiguration('launch', folder).get<Preset[]>('configurations', []);
  const preset = folder === undefined ? undefined : presetFor(presets, DEBUG_TYPE, program.fsPath, folder.uri.fsPath);
  return preset === undefined ? defaultConfiguration(program) : String(preset.name);
}

async function start(chosen: vscode.Uri | undefined, noDebug: boolean): Promise<void> {
  const program = chosen ?? currentProgram();
  if (program === undefined) {
    const problem = 'There is no guest program to debug: open an .asm source, a boot image or a multiboot ELF first.';
    await vscode.window.showErrorMessage(problem);
    return;
  }
  const folder = vscode.workspace.getWorkspaceFolder(program);
  await vscode.debug.startDebugging(folder, configurationFor(program, folder), { noDebug });
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
