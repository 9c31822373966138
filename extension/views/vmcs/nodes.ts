/** The current VMCS as a tree: its areas, their fields, the bits of each. */
import type { Hex } from '../../../debug-adapter/protocol/values.ts';
import type { VmcsBody, VmcsField, VmcsGroup } from '../../../debug-adapter/protocol/vmcs.ts';
import type { ViewNode } from '../node.ts';
import { bitRange, counted, fieldTable, fieldText, short } from '../text.ts';

export type PresentVmcs = Extract<VmcsBody, { readonly present: true }>;

/** Values of the fields of one VMCS at one stop. */
export interface VmcsSnapshot {
  readonly address: Hex;
  readonly values: ReadonlyMap<string, Hex>;
}

const allFields = (vmcs: PresentVmcs): VmcsField[] => vmcs.groups.flatMap(({ fields }) => [...fields]);

export const snapshotOf = (vmcs: PresentVmcs): VmcsSnapshot => ({
  address: vmcs.address,
  values: new Map(allFields(vmcs).map(({ key, value }) => [key, value])),
});

/** Keys of the fields whose value differs from the stop before; nothing where that showed another VMCS. */
export function changedFields(vmcs: PresentVmcs, before: VmcsSnapshot | undefined): ReadonlyMap<string, Hex> {
  const changed = new Map<string, Hex>();
  if (before === undefined || before.address !== vmcs.address) return changed;
  for (const { key, value } of allFields(vmcs)) {
    const old = before.values.get(key);
    if (old !== undefined && old !== value) changed.set(key, old);
  }
  return changed;
}

/** Names of the flags that are set, for the line of the field itself. */
function setFlags(field: VmcsField): string {
  const names = (field.fields ?? []).filter(({ width, value }) => width === 1 && value === 1).map(({ name }) => name);
  return names.length === 0 ? '' : names.join(', ');
}

function lastWriteText({ lastWrite }: VmcsField): string {
  if (lastWrite === undefined) return 'Not written since VMCLEAR.';
  const place = lastWrite.symbol ?? short(lastWrite.linear);
  return `Last written at ${place}, after ${counted(lastWrite.instruction, 'instruction')}.`;
}

function fieldTooltip(field: VmcsField, old: Hex | undefined): string {
  return [
    `**${field.title}** (\`${field.key}\`, encoding ${short(field.encoding)}, ${8 * field.bytes} bits)`,
    `Value \`${field.value}\`${old === undefined ? '' : `, before \`${old}\``}.`,
    lastWriteText(field),
    ...(field.fields === undefined || field.fields.length === 0 ? [] : [fieldTable(field.fields)]),
  ].join('\n\n');
}

function fieldNode(field: VmcsField, prefix: string, old: Hex | undefined): ViewNode {
  const id = `${prefix}/${field.key}`;
  const flags = setFlags(field);
  const change = old === undefined ? '' : `  was ${short(old)}`;
  return {
    id,
    label: field.title,
    description: `${short(field.value)}${change}${flags === '' ? '' : `  ${flags}`}`,
    tooltip: fieldTooltip(field, old),
    icon: old === undefined ? { name: 'symbol-field' } : { name: 'diff-modified', colour: 'changed' },
    spoken: `${field.title}, ${short(field.value)}${old === undefined ? '' : `, changed, was ${short(old)}`}${flags === '' ? '' : `, ${flags}`}`,
    ...(field.writable ? { vmcsField: field.key } : {}),
    ...(field.memoryReference === undefined
      ? {}
      : { memory: { reference: field.memoryReference, bytes: 8, title: field.title } }),
    children: (field.fields ?? []).map((bit) => ({
      id: `${id}/${bit.bit}`,
      label: bit.name,
      description: fieldText(bit),
      tooltip: `Bit${bit.width === 1 ? '' : 's'} ${bitRange(bit)}`,
    })),
  };
}

/** Bits 14:13 of an encoding: 0 is 16 bits, 1 is 64, 2 is 32, 3 is natural width (SDM Vol. 3D, "Field Encoding in VMCS"). */
const widthOf = ({ encoding }: VmcsField): number => (Number(encoding) >> 13) & 3;

/** Registers come first, of exit information the reason: what one looks for. Within a width the encodings' order stays. */
const REGISTERS_FIRST = [3, 0, 1, 2];
const REASON_FIRST = [2, 3, 1, 0];

const inReadingOrder = ({ area, fields }: VmcsGroup): VmcsField[] =>
  (area === 'exit information' ? REASON_FIRST : REGISTERS_FIRST).flatMap((width) =>
    fields.filter((field) => widthOf(field) === width),
  );

function groupNode(group: VmcsGroup, changed: ReadonlyMap<string, Hex>): ViewNode {
  const marked = group.fields.filter(({ key }) => changed.has(key)).length;
  return {
    id: `area/${group.area}`,
    label: group.title,
    description: `${counted(group.fields.length, 'field')}${marked === 0 ? '' : `, ${marked} changed`}`,
    children: inReadingOrder(group).map((field) => fieldNode(field, `area/${group.area}`, changed.get(field.key))),
  };
}

/** More changes than this push everything else out of sight. */
const EXPANDED_CHANGES = 8;

/** The whole view: where the VMCS is, what changed since the stop before, then its areas. */
export function vmcsNodes(vmcs: PresentVmcs, changed: ReadonlyMap<string, Hex>): ViewNode[] {
  const memory = { reference: vmcs.addressReference, bytes: 8, title: `VMCS at ${short(vmcs.address)}` };
  const changedNodes = allFields(vmcs)
    .filter(({ key }) => changed.has(key))
    .map((field) => fieldNode(field, 'changed', changed.get(field.key)));
  return [
    {
      id: 'vmcs',
      label: `VMCS at ${short(vmcs.address)}`,
      description: `launch state: ${vmcs.launchState}`,
      icon: { name: 'server-process' },
      tooltip: 'Click to open its memory: the format inside is the processor’s own, VMREAD and VMWRITE are the way in.',
      click: { kind: 'memory', memory },
    },
    ...(changedNodes.length === 0
      ? []
      : [
          {
            id: 'changed',
            label: 'Changed since the last stop',
            description: counted(changedNodes.length, 'field'),
            expanded: changedNodes.length <= EXPANDED_CHANGES,
            children: changedNodes,
          },
        ]),
    ...vmcs.groups.map((group) => groupNode(group, changed)),
  ];
}

/** All fields as plain text, for the clipboard. */
export function vmcsAsText(vmcs: PresentVmcs): string {
  const lines = [`VMCS at ${vmcs.address}, launch state: ${vmcs.launchState}`];
  for (const { title, fields } of vmcs.groups) {
    lines.push('', `*** ${title} ***`);
    for (const field of fields) {
      const flags = setFlags(field);
      lines.push(`${field.key.padEnd(36)} ${field.value.padEnd(18)} ${flags}`.trimEnd());
    }
  }
  return `${lines.join('\n')}\n`;
}
