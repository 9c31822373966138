/** Scopes and the rows below them, found again by path whenever a client asks. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { ProcessorView } from '../debugger/processor.ts';
import type { StateSource } from '../debugger/processor.ts';
import { UserError } from '../debugger/user-error.ts';
import type { VariableNode } from '../present/node.ts';
import { registersScope, segmentsScope, systemScope } from '../present/registers.ts';
import { exitScope, vmcsScope } from '../present/vmx-scopes.ts';
import type { Session } from '../session/session.ts';
import type { Target } from '../session/target.ts';

type Scope = {
  readonly title: string;
  readonly rows: (view: ProcessorView, target: Target) => readonly VariableNode[];
};

const SCOPES: Readonly<Record<string, Scope>> = {
  registers: { title: 'Registers', rows: (view, { symbols }) => registersScope(view, symbols) },
  segments: { title: 'Segments', rows: (view) => segmentsScope(view) },
  system: { title: 'System', rows: (view, { symbols }) => systemScope(view, symbols) },
  vmcs: { title: 'VMCS', rows: (view, { symbols }) => vmcsScope(view, symbols) },
  exit: { title: 'VM exit', rows: (view, { machine, symbols }) => exitScope(lastExit(machine, view.cpu), symbols) },
};

const lastExit = (machine: Target['machine'], cpu: number) => {
  const last = machine.exits.at(-1);
  return last?.cpu === cpu ? last : undefined;
};

const SEPARATOR = '\u0000';

export function scopesOf(session: Session, view: ProcessorView): DebugProtocol.Scope[] {
  const { machine } = session.target;
  return Object.entries(SCOPES)
    .filter(([id]) => id !== 'vmcs' || machine.inspect.vmcs(view.cpu) !== undefined)
    .filter(([id]) => id !== 'exit' || lastExit(machine, view.cpu) !== undefined)
    .map(([id, { title }]) => ({
      name: title,
      variablesReference: session.handles.of([id, view.cpu, view.source].join(SEPARATOR)),
      expensive: id === 'vmcs' || id === 'system',
      ...(id === 'registers' ? { presentationHint: 'registers' as const } : {}),
    }));
}

export interface Children {
  readonly path: string;
  readonly nodes: readonly VariableNode[];
  readonly view: ProcessorView;
}

/** The rows below a reference that `scopesOf` or `toVariable` gave out. */
export function childrenAt(session: Session, reference: number): Children {
  const path = session.handles.path(reference);
  if (path === undefined) throw new UserError(`There are no variables ${reference}.`);
  const [scopeId = '', cpu = '0', source = 'processor', ...names] = path.split(SEPARATOR);
  const target = session.target;
  const view = new ProcessorView(target.machine, Number(cpu), source as StateSource);
  let nodes = SCOPES[scopeId]?.rows(view, target) ?? [];
  for (const name of names) nodes = nodes.find((node) => node.name === name)?.children?.() ?? [];
  return { path, nodes, view };
}

export function toVariable(
  session: Session,
  parent: string,
  node: VariableNode,
  format?: DebugProtocol.ValueFormat,
): DebugProtocol.Variable {
  const readOnly = node.place === undefined;
  return {
    name: node.name,
    value: format?.hex === true ? inHex(node.value) : node.value,
    ...(node.type === undefined ? {} : { type: node.type }),
    variablesReference: node.children ? session.handles.of(parent + SEPARATOR + node.name) : 0,
    ...(node.childCount === undefined ? {} : { namedVariables: node.childCount }),
    ...(node.evaluateName === undefined ? {} : { evaluateName: node.evaluateName }),
    ...(node.memoryReference === undefined ? {} : { memoryReference: node.memoryReference }),
    ...(readOnly ? { presentationHint: { attributes: ['readOnly'] } } : {}),
  };
}

/** Values are hexadecimal already, but for plain decimal ones. */
const inHex = (value: string): string => (/^\d+$/.test(value) ? `0x${BigInt(value).toString(16)}` : value);
