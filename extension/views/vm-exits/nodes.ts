/** The log of VM exits as a tree: counts by reason, then the exits, the latest first. */
import type { ExitCount, ExitRow, ExitsBody } from '../../../debug-adapter/protocol/exits.ts';
import { COMMANDS } from '../../../debug-adapter/protocol/ids.ts';
import type { NodeIcon, ViewNode } from '../node.ts';
import { counted, grouped, short } from '../text.ts';

/** Exits whose kind is worth seeing at a glance, by their condition names. */
const ICONS: Readonly<Record<string, string>> = {
  cpuid: 'chip',
  crAccess: 'settings-gear',
  drAccess: 'settings-gear',
  entryFailureGuestState: 'error',
  entryFailureMachineCheck: 'error',
  entryFailureMsrLoad: 'error',
  eptMisconfiguration: 'layers',
  eptViolation: 'layers',
  exceptionOrNmi: 'zap',
  externalInterrupt: 'zap',
  hlt: 'debug-pause',
  interruptWindow: 'zap',
  ioInstruction: 'plug',
  preemptionTimer: 'watch',
  rdmsr: 'symbol-variable',
  tripleFault: 'flame',
  vmcall: 'call-outgoing',
  wrmsr: 'symbol-variable',
};
const OTHER_ICON = 'debug-step-out';

function iconOf({ name, entryFailure }: Pick<ExitRow, 'name' | 'entryFailure'>): NodeIcon {
  if (entryFailure) return { name: 'error', colour: 'error' };
  return { name: ICONS[name] ?? OTHER_ICON };
}

const percent = (share: number): string => `${(100 * share).toFixed(share >= 0.0995 ? 0 : 1)} %`;

const countNode = ({ name, title, count, share }: ExitCount): ViewNode => ({
  id: `count/${name}`,
  label: title,
  description: `${grouped(count)}  (${percent(share)})`,
  icon: iconOf({ name, entryFailure: false }),
  tooltip: `Condition name \`${name}\`: ${counted(count, 'exit')} since reset.`,
});

function countsNode({ total, counts }: ExitsBody): ViewNode {
  return {
    id: 'counts',
    label: 'Counts',
    description: `${counted(total, 'exit')}, ${counted(counts.length, 'reason')}`,
    icon: { name: 'graph' },
    expanded: true,
    children: counts.map(countNode),
  };
}

const placeText = ({ place, guestRip }: ExitRow): string => place.symbol ?? short(guestRip);

function rowTooltip(row: ExitRow): string {
  const payload = row.payload.map(({ name, value }) => `| ${name} | \`${short(value)}\` |`);
  return [
    `**${row.title}** (basic exit reason ${row.basicReason}${row.entryFailure ? ', VM-entry failure' : ''})`,
    row.summary,
    `Guest RIP \`${row.guestRip}\`${row.place.symbol === undefined ? '' : ` (${row.place.symbol})`}, after ${counted(row.instruction, 'instruction')}.`,
    `Exit qualification \`${row.qualification}\`.`,
    ...(payload.length === 0 ? [] : [['| Name in conditions | Value |', '|---|---|', ...payload].join('\n')]),
    row.place.path === undefined ? 'No source line is known for this address.' : 'Click to go to the source line.',
  ].join('\n\n');
}

function rowNode(row: ExitRow): ViewNode {
  const { path, line } = row.place;
  return {
    id: `exit/${row.number}`,
    label: `#${row.number} ${row.title}`,
    description: `${placeText(row)}  ${row.summary}`,
    icon: iconOf(row),
    tooltip: rowTooltip(row),
    spoken: `Exit ${row.number}, ${row.title}, at ${placeText(row)}, ${row.summary}`,
    ...(path === undefined || line === undefined ? {} : { click: { kind: 'source', path, line } as const }),
  };
}

/** The whole view; empty before the first exit. */
export function exitNodes(exits: ExitsBody): ViewNode[] {
  if (exits.total === 0) return [];
  const rows = [...exits.rows].reverse().map(rowNode);
  const dropped = exits.total - exits.kept;
  const nodes = [countsNode(exits), ...rows];
  if (exits.start > 0) {
    nodes.push({
      id: 'older',
      label: 'Show older exits',
      description: `${grouped(exits.start)} more`,
      icon: { name: 'ellipsis' },
      click: { kind: 'command', command: COMMANDS.olderVmExits, title: 'Show Older VM Exits' },
    });
  } else if (dropped > 0) {
    nodes.push({
      id: 'dropped',
      label: `${counted(dropped, 'older exit')} no longer kept`,
      description: 'they are in the counts',
      icon: { name: 'info', colour: 'muted' },
    });
  }
  return nodes;
}

const column = (texts: readonly string[]): number => Math.max(...texts.map((text) => text.length));

/** The counts and the log as plain text, for the clipboard. */
export function exitsAsText(exits: ExitsBody): string {
  const wide = column(['VM exit', ...exits.counts.map(({ title }) => title)]);
  const counts = exits.counts.map(
    ({ title, count, share }) => `${title.padEnd(wide)}  ${String(count).padStart(9)}  ${percent(share).padStart(6)}`,
  );
  const rows = exits.rows.map(
    (row) =>
      `#${row.number}  ${row.title}  rip ${row.guestRip}  qualification ${row.qualification}  ${placeText(row)}  ${row.summary}`,
  );
  return [
    `${'VM exit'.padEnd(wide)}  ${'exits'.padStart(9)}  ${'share'.padStart(6)}`,
    ...counts,
    `${'total'.padEnd(wide)}  ${String(exits.total).padStart(9)}`,
    '',
    ...rows,
    '',
  ].join('\n');
}
