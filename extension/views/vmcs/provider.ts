/** The VMCS view: the current VMCS, what changed since the stop before, and setting a field. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import { COMMANDS, VIEWS } from '../../../debug-adapter/protocol/ids.ts';
import type { VmcsField } from '../../../debug-adapter/protocol/vmcs.ts';
import { messageOf, request, type Sessions } from '../../debugging/session.ts';
import type { ViewNode } from '../node.ts';
import { short } from '../text.ts';
import { SessionView } from '../tree-view.ts';
import { changedFields, snapshotOf, vmcsAsText, vmcsNodes, type PresentVmcs, type VmcsSnapshot } from './nodes.ts';

async function chooseField(fields: readonly VmcsField[]): Promise<VmcsField | undefined> {
  const items = fields.map((field) => ({
    label: field.title,
    description: short(field.value),
    detail: `${field.key}, encoding ${short(field.encoding)}`,
    field,
  }));
  const chosen = await vscode.window.showQuickPick(items, {
    title: 'Set VMCS Field',
    placeHolder: 'The field to set',
    matchOnDetail: true,
  });
  return chosen?.field;
}

async function setField(session: vscode.DebugSession, field: VmcsField): Promise<void> {
  const value = await vscode.window.showInputBox({
    title: `Set ${field.title}`,
    prompt: `${field.key}, ${8 * field.bytes} bits: a number or an expression.`,
    value: short(field.value),
  });
  if (value === undefined) return;
  const args: DebugProtocol.SetExpressionArguments = { expression: `vmcs.${field.key}`, value };
  await session.customRequest('setExpression', args);
}

export function registerVmcs(sessions: Sessions): vscode.Disposable {
  /** At the last stop shown, and at the one before it. */
  let latest: VmcsSnapshot | undefined;
  let before: VmcsSnapshot | undefined;
  const ask = async (session: vscode.DebugSession): Promise<ReturnType<typeof request<'hyperstep/vmcs'>>> =>
    request(session, 'hyperstep/vmcs', { threadId: sessions.threadId });
  const view = new SessionView({
    id: VIEWS.vmcs,
    sessions,
    load: async (session, moved) => {
      const vmcs = await ask(session);
      if (moved) before = latest;
      if (!vmcs.present) {
        latest = undefined;
        return { roots: [], message: vmcs.because };
      }
      if (moved) latest = snapshotOf(vmcs);
      return { roots: vmcsNodes(vmcs, changedFields(vmcs, before)) };
    },
    forget: () => {
      latest = undefined;
      before = undefined;
    },
  });

  /** The current VMCS for a command that needs one; tells why where there is none. */
  const present = async (session: vscode.DebugSession | undefined): Promise<PresentVmcs | undefined> => {
    if (session === undefined) return undefined;
    const vmcs = await ask(session);
    if (vmcs.present) return vmcs;
    await vscode.window.showInformationMessage(vmcs.because);
    return undefined;
  };
  return vscode.Disposable.from(
    view,
    vscode.commands.registerCommand(COMMANDS.setVmcsField, async (node?: ViewNode) => {
      const session = sessions.stopped;
      const vmcs = await present(session);
      if (session === undefined || vmcs === undefined) return;
      const writable = vmcs.groups.flatMap(({ fields }) => fields.filter((field) => field.writable));
      const named = writable.find(({ key }) => key === node?.vmcsField);
      const field = named ?? (await chooseField(writable));
      if (field === undefined) return;
      try {
        await setField(session, field);
      } catch (error) {
        await vscode.window.showErrorMessage(messageOf(error));
      }
    }),
    vscode.commands.registerCommand(COMMANDS.copyVmcs, async () => {
      const vmcs = await present(sessions.current);
      if (vmcs !== undefined) await vscode.env.clipboard.writeText(vmcsAsText(vmcs));
    }),
  );
}
