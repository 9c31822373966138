/** F5: makes a launch configuration out of what is open, fills in what is left out, and refuses what cannot work. */
import path from 'node:path';
import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../../debug-adapter/protocol/ids.ts';
import { DEFAULT_MODE, WORKSPACE_ATTRIBUTE, type LaunchMode } from '../../debug-adapter/protocol/launch.ts';
import { checkLaunch } from './launch-check.ts';
import { isGuestProgram, isProgramFile, isSourceFile, ownsMachine } from './languages.ts';

/** File of the active tab, also where the tab is no text editor (an ELF file opened as binary). */
function activeFile(): vscode.Uri | undefined {
  const document = vscode.window.activeTextEditor?.document;
  if (document !== undefined && isGuestProgram(document.languageId, document.uri.fsPath)) return document.uri;
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const shown = input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom ? input.uri : undefined;
  return shown !== undefined && isProgramFile(shown.fsPath) ? shown : undefined;
}

/** The guest program to debug: the one in front, else any visible one. */
export function currentProgram(): vscode.Uri | undefined {
  const visible = vscode.window.visibleTextEditors.find(({ document }) =>
    isGuestProgram(document.languageId, document.uri.fsPath),
  );
  return activeFile() ?? visible?.document.uri;
}

export function defaultConfiguration(program: vscode.Uri, mode?: LaunchMode): vscode.DebugConfiguration {
  const name = path.basename(program.fsPath);
  return {
    type: DEBUG_TYPE,
    request: 'launch',
    name: mode === 'bare' ? `${name} on the bare machine` : mode === 'vm' ? `${name} in a VM` : name,
    program: program.fsPath,
    ...(mode === undefined ? {} : { mode }),
    stopOnEntry: true,
  };
}

const isEmpty = (configuration: vscode.DebugConfiguration): boolean =>
  configuration.type === undefined && configuration.request === undefined && configuration.name === undefined;

/** A program's text as far as it can be had: what is being edited comes before what is saved. */
async function sourceOf(program: string): Promise<string> {
  const open = vscode.workspace.textDocuments.find((document) => document.uri.fsPath === program);
  if (open !== undefined) return open.getText();
  try {
    return Buffer.from(await vscode.workspace.fs.readFile(vscode.Uri.file(program))).toString('utf8');
  } catch {
    // The adapter says why a file cannot be read.
    return '';
  }
}

/** A program that executes VMXON itself can only do that on the bare machine. */
async function defaultMode(program: string): Promise<LaunchMode> {
  return isSourceFile(program) && ownsMachine(await sourceOf(program)) ? 'bare' : DEFAULT_MODE;
}

async function refuse(messages: readonly string[], canOpen: boolean): Promise<null | undefined> {
  const open = 'Open launch.json';
  const chosen = await vscode.window.showErrorMessage(messages.join(' '), { modal: true }, ...(canOpen ? [open] : []));
  // VS Code opens launch.json for null and quietly stops for undefined.
  return chosen === open ? null : undefined;
}

const absolute = (folder: vscode.WorkspaceFolder | undefined, program: string): string =>
  folder !== undefined && !path.isAbsolute(program) ? path.join(folder.uri.fsPath, program) : program;

export const configurationProvider: vscode.DebugConfigurationProvider = {
  provideDebugConfigurations() {
    const program = currentProgram();
    return program === undefined ? [] : [{ ...defaultConfiguration(program), program: '${file}' }];
  },

  resolveDebugConfiguration(_folder, configuration) {
    if (!isEmpty(configuration)) return configuration;
    const program = currentProgram();
    if (program === undefined) {
      const problem = 'There is no guest program to debug: open an .asm source, a boot image or a multiboot ELF first.';
      void vscode.window.showErrorMessage(problem);
      return undefined;
    }
    return { ...configuration, ...defaultConfiguration(program) };
  },

  async resolveDebugConfigurationWithSubstitutedVariables(folder, configuration) {
    const problems = checkLaunch(configuration);
    if (problems.length > 0) {
      return refuse(
        problems.map(({ message }) => message),
        folder !== undefined,
      );
    }
    const program = absolute(folder, String(configuration['program']));
    const workspaceFolder = folder ?? vscode.workspace.getWorkspaceFolder(vscode.Uri.file(program));
    return {
      ...configuration,
      program,
      mode: (configuration['mode'] as LaunchMode | undefined) ?? (await defaultMode(program)),
      ...(workspaceFolder === undefined ? {} : { [WORKSPACE_ATTRIBUTE]: workspaceFolder.uri.fsPath }),
    };
  },
};

/** Offered by "Run and Debug" without a launch.json: the open program both ways. */
export const dynamicConfigurations: vscode.DebugConfigurationProvider = {
  provideDebugConfigurations() {
    const program = currentProgram();
    if (program === undefined) return [];
    return [defaultConfiguration(program, 'vm'), defaultConfiguration(program, 'bare')];
  },
};
