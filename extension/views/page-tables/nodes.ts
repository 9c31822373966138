/** A page walk as a tree: one node per level, and in each the EPT walk of that table read. */
import { COMMANDS } from '../../../debug-adapter/protocol/ids.ts';
import type { EptWalkBody, PageWalkBody, PageWalkStep, TableEntry } from '../../../debug-adapter/protocol/page-walk.ts';
import type { DecodedField } from '../../../debug-adapter/protocol/values.ts';
import type { MemoryPlace, NodeIcon, ViewNode } from '../node.ts';
import { bitRange, byteSize, counted, fieldTable, fieldText, short } from '../text.ts';

const ERROR: NodeIcon = { name: 'error', colour: 'error' };

const entryName = ({ level, index }: TableEntry): string => `${level} [${index}]`;

/** An address typed as a number says nothing that the address does not say. */
const NUMBER = /^(0x[0-9a-f_]+|[0-9][0-9a-f_]*h?)$/i;

/** What the walk is about, as a person typed it. */
const subject = (walk: PageWalkBody, expression: string): string =>
  NUMBER.test(expression) ? short(walk.linear) : `${expression} = ${short(walk.linear)}`;

const ACCESS_NAMES = { read: 'read', write: 'write', execute: 'fetch' } as const;

const accessText = ({ access, user }: PageWalkBody): string =>
  `${ACCESS_NAMES[access]} by ${user ? 'user' : 'supervisor'}`;

function header(walk: PageWalkBody, expression: string): ViewNode {
  const paging = walk.mode === 'off' ? 'paging off' : `${walk.mode} paging`;
  const references = counted(walk.references, 'memory reference');
  return {
    id: 'walk',
    label: subject(walk, expression),
    description: `${references}, ${accessText(walk)}`,
    icon: walk.failure === undefined ? { name: 'pass', colour: 'good' } : ERROR,
    tooltip: [
      `Linear address \`${walk.linear}\`, ${accessText(walk)}.`,
      `${paging}${walk.nested ? ' under EPT' : ''}, CR3 \`${walk.cr3}\`.`,
      `A processor with an empty TLB makes ${references} for it${walk.nested ? ', those of EPT included' : ''}.`,
      'Click to walk another address.',
    ].join('\n\n'),
    click: { kind: 'command', command: COMMANDS.walkAddress, title: 'Walk an Address' },
  };
}

const bitNode = (owner: string, field: DecodedField): ViewNode => ({
  id: `${owner}/bit${field.bit}`,
  label: field.name,
  description: fieldText(field),
  tooltip: `Bit${field.width === 1 ? '' : 's'} ${bitRange(field)}`,
  spoken: `${field.name}, bits ${bitRange(field)}, ${fieldText(field)}`,
});

function entryMemory(entry: TableEntry, linear: string): MemoryPlace {
  return { reference: entry.entryReference, bytes: entry.entryBytes, title: `${entryName(entry)} of ${linear}` };
}

const flagsText = (entry: TableEntry): string => entry.flags.join(' ');

function entryTooltip(entry: TableEntry): string {
  const verdict = entry.failing ? `**The walk ends here: ${entry.verdict}.**` : '';
  const value = `\`${entry.entry}\` at \`${entry.entryAddress}\``;
  return [verdict, value, fieldTable(entry.fields)].filter((part) => part !== '').join('\n\n');
}

/** One table entry. A failing one has an identity of its own, so that it opens although the same level was closed before. */
function entryNode(
  entry: TableEntry,
  { id, linear, first }: { readonly id: string; readonly linear: string; readonly first: readonly ViewNode[] },
): ViewNode {
  const own = entry.failing ? `${id}/failing` : id;
  const memory = entryMemory(entry, linear);
  const target = entry.leaf ? 'Page' : 'Next table';
  const details: ViewNode[] = [
    {
      id: `${own}/entry`,
      label: 'Entry',
      description: `${short(entry.entry)} at ${short(entry.entryAddress)}`,
      tooltip: 'Click to open the memory of this entry.',
      icon: { name: 'file-binary' },
      click: { kind: 'memory', memory },
    },
    ...(entry.failing && entry.verdict === 'not present'
      ? []
      : [
          {
            id: `${own}/points`,
            label: target,
            description: short(entry.points),
            tooltip: 'Click to open the memory this entry points at.',
            icon: { name: 'arrow-right' },
            click: {
              kind: 'memory',
              memory: { reference: entry.pointsReference, bytes: 8, title: `${target} of ${entryName(entry)}` },
            },
          } satisfies ViewNode,
        ]),
    {
      id: `${own}/bits`,
      label: 'Bits',
      description: flagsText(entry),
      icon: { name: 'symbol-enum-member' },
      children: entry.fields.map((field) => bitNode(own, field)),
    },
  ];
  const flags = flagsText(entry);
  const words = [short(entry.entry), flags].filter((part) => part !== '').join('  ');
  return {
    id: own,
    label: entryName(entry),
    description: entry.failing ? `${entry.verdict} (${short(entry.entry)})` : words,
    icon: entry.failing ? ERROR : { name: entry.leaf ? 'file' : 'table' },
    tooltip: entryTooltip(entry),
    memory,
    expanded: entry.failing,
    children: [...first, ...details],
    spoken: `${entry.level} index ${entry.index}, ${entry.failing ? `ends the walk: ${entry.verdict}, ` : ''}entry ${short(entry.entry)}, flags ${flags}`,
  };
}

const eptSteps = (walk: EptWalkBody, id: string): ViewNode[] =>
  walk.steps.map((step) =>
    entryNode(step, { id: `${id}/${step.level}`, linear: short(walk.guestPhysical), first: [] }),
  );

/** The EPT walk of one table read, in the level that made it. */
function tableRead(ept: EptWalkBody, id: string): ViewNode {
  const own = ept.failure === undefined ? `${id}/ept` : `${id}/ept/failing`;
  const where = ept.hostPhysical === undefined ? 'fails' : `→ ${short(ept.hostPhysical)}`;
  return {
    id: own,
    label: `EPT of ${short(ept.guestPhysical)}`,
    description: `${where}, ${counted(ept.steps.length, 'read')}`,
    icon: ept.failure === undefined ? { name: 'layers' } : ERROR,
    tooltip: ept.failure ?? `The table lies in guest-physical memory: EPT translates \`${ept.guestPhysical}\` first.`,
    expanded: ept.failure !== undefined,
    children: eptSteps(ept, own),
  };
}

const guestStep = (step: PageWalkStep, walk: PageWalkBody): ViewNode => {
  const id = `guest/${step.level}`;
  return entryNode(step, {
    id,
    linear: short(walk.linear),
    first: step.ept === undefined ? [] : [tableRead(step.ept, id)],
  });
};

/** Guest-physical result, with the EPT walk that takes it on. */
function guestPhysicalNode(walk: PageWalkBody, guestPhysical: string): ViewNode {
  const ept = walk.ept;
  const failed = ept?.failure !== undefined;
  const id = failed ? 'guest-physical/failing' : 'guest-physical';
  const page = walk.pageBytes === undefined ? '' : `, ${byteSize(walk.pageBytes)} page`;
  const memory =
    walk.guestPhysicalReference === undefined
      ? undefined
      : { reference: walk.guestPhysicalReference, bytes: 8, title: `Guest-physical ${short(guestPhysical)}` };
  return {
    id,
    label: 'Guest-physical',
    description: `${short(guestPhysical)}${page}`,
    icon: failed ? ERROR : { name: 'server' },
    ...(memory === undefined ? {} : { memory }),
    ...(memory === undefined || ept !== undefined ? {} : { click: { kind: 'memory', memory } as const }),
    tooltip: ept === undefined ? 'Click to open this memory.' : 'EPT translates this address once more.',
    ...(ept === undefined ? {} : { children: eptSteps(ept, id), expanded: true }),
  };
}

function hostPhysicalNode(walk: PageWalkBody, hostPhysical: string): ViewNode {
  const reference = walk.hostPhysicalReference;
  const title = `Host-physical ${short(hostPhysical)}`;
  return {
    id: 'host-physical',
    label: 'Host-physical',
    description: short(hostPhysical),
    icon: { name: 'chip' },
    tooltip: 'Click to open this memory.',
    ...(reference === undefined ? {} : { click: { kind: 'memory', memory: { reference, bytes: 8, title } } as const }),
  };
}

/** The whole view: the header line, the guest's levels, what they lead to. */
export function pageTableNodes(walk: PageWalkBody, expression: string): ViewNode[] {
  const nodes: ViewNode[] = [header(walk, expression)];
  for (const step of walk.steps) nodes.push(guestStep(step, walk));
  if (walk.guestPhysical !== undefined) nodes.push(guestPhysicalNode(walk, walk.guestPhysical));
  if (walk.hostPhysical !== undefined && walk.nested) nodes.push(hostPhysicalNode(walk, walk.hostPhysical));
  if (walk.failure !== undefined) {
    nodes.push({ id: 'failure', label: walk.failure, icon: ERROR, tooltip: walk.failure });
  }
  return nodes;
}
