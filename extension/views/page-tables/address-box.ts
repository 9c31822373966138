/** Asks for an address: registers and symbols to pick from, or any expression typed. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import { request } from '../../debugging/session.ts';
import { short } from '../text.ts';

interface AddressItem extends vscode.QuickPickItem {
  readonly expression: string;
}

const REGISTERS: readonly (readonly [name: string, meaning: string])[] = [
  ['rip', 'next instruction'],
  ['rsp', 'top of the stack'],
  ['cr2', 'address of the last page fault'],
  ...['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp'].map((name) => [name, ''] as const),
];

async function valueOf(session: vscode.DebugSession, expression: string): Promise<string> {
  const frame = vscode.debug.activeStackItem;
  const args: DebugProtocol.EvaluateArguments = {
    expression,
    context: 'hover',
    ...(frame instanceof vscode.DebugStackFrame && frame.session === session ? { frameId: frame.frameId } : {}),
  };
  try {
    const body = (await session.customRequest('evaluate', args)) as DebugProtocol.EvaluateResponse['body'];
    return body.result;
  } catch {
    // A register that cannot be read has no value to show; picking it gives the adapter's reason.
    return '';
  }
}

async function items(session: vscode.DebugSession): Promise<AddressItem[]> {
  const [info, ...values] = await Promise.all([
    request(session, 'hyperstep/machineInfo', {}),
    ...REGISTERS.map(async ([name]) => valueOf(session, name)),
  ]);
  const registers = REGISTERS.map(([name, meaning], index): AddressItem => {
    const item = { label: `$(symbol-variable) ${name}`, description: values[index] ?? '', expression: name };
    return meaning === '' ? item : { ...item, detail: meaning };
  });
  const symbols = info.symbols
    .filter(({ kind }) => kind !== 'constant')
    .map(({ name, address, kind }): AddressItem => {
      const icon = kind === 'code' ? 'symbol-method' : 'symbol-field';
      return { label: `$(${icon}) ${name}`, description: short(address), expression: name };
    });
  const separator = (label: string): AddressItem => ({
    label,
    kind: vscode.QuickPickItemKind.Separator,
    expression: '',
  });
  return [separator('registers'), ...registers, separator('symbols'), ...symbols];
}

/** The expression chosen or typed; undefined when the person gave up. */
export async function askForAddress(session: vscode.DebugSession, current: string): Promise<string | undefined> {
  const box = vscode.window.createQuickPick<AddressItem>();
  box.title = 'Walk an Address in Page Tables';
  box.placeholder = `An address, register, symbol or expression; now ${current}`;
  box.matchOnDescription = true;
  box.busy = true;
  let offered: readonly AddressItem[] = [];
  /** What is typed comes first, unless it is one of the names offered. */
  const update = (): void => {
    const text = box.value.trim();
    const known = text === '' || offered.some(({ expression }) => expression === text);
    const typed: AddressItem = { label: `$(search) Walk ${text}`, alwaysShow: true, expression: text };
    box.items = known ? offered : [typed, ...offered];
  };
  box.onDidChangeValue(update);
  const chosen = new Promise<string | undefined>((resolve) => {
    box.onDidAccept(() => resolve(box.activeItems[0]?.expression ?? (box.value.trim() || undefined)));
    box.onDidHide(() => resolve(undefined));
  });
  box.show();
  try {
    // Somebody who knows the address does not wait for what could be offered.
    void items(session).then(
      (all) => {
        offered = all;
        box.busy = false;
        update();
      },
      () => (box.busy = false),
    );
    return await chosen;
  } finally {
    box.dispose();
  }
}
