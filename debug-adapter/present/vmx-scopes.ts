/** The VMCS and the last VM exit as rows. */
import { EXIT_REASONS, QUALIFICATION_FIELDS, describeExit, exitReason, vmcsField } from '../engine/index.ts';
import type { VmcsFieldView, VmExit, VmExitRecord } from '../engine/index.ts';
import type { ProcessorView } from '../debugger/processor.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import { exitFacts } from './exits.ts';
import { fieldSummary, fieldValue } from './fields.ts';
import type { VariableNode } from './node.ts';
import { fieldText } from './registers.ts';
import { hexOf, hex64, memoryReference } from './text.ts';
import { addressPart, VMCS_AREAS } from './vmcs.ts';
import { addressKindOf, vmcsBits } from './vmcs-bits.ts';

export function vmcsScope(view: ProcessorView, symbols: SymbolTable): readonly VariableNode[] {
  const vmcs = view.machine.inspect.vmcs(view.cpu);
  if (!vmcs) return [];
  return [
    { name: 'address', value: hex64(vmcs.address), memoryReference: memoryReference(vmcs.address, 'host-physical') },
    { name: 'launch state', value: vmcs.launched ? 'launched' : 'clear' },
    ...VMCS_AREAS.map(({ area, title }) => {
      const fields = vmcs.fields.filter(({ key }) => vmcsField(key).area === area);
      return {
        name: title,
        value: '',
        children: () => fields.map((field) => fieldNode(view, symbols, field)),
        childCount: fields.length,
      };
    }),
  ];
}

function fieldNode(view: ProcessorView, symbols: SymbolTable, { key, value }: VmcsFieldView): VariableNode {
  const field = vmcsField(key);
  const bits = vmcsBits(key);
  const space = addressKindOf(key);
  const symbol = space === 'linear' ? symbols.describe(value) : undefined;
  const summary = bits.length > 0 ? fieldSummary(value, bits) : symbol === undefined ? '' : `<${symbol}>`;
  return {
    name: key,
    value: `${hexOf(value, 8 * field.bytes)} ${summary}`.trimEnd(),
    type: field.name,
    ...(field.readOnly ? {} : { place: { kind: 'vmcs', cpu: view.cpu, key } as const }),
    evaluateName: `vmcs.${key}`,
    memoryReference: space === undefined ? undefined : memoryReference(addressPart(key, value), space),
    ...(bits.length === 0
      ? {}
      : {
          children: () => bits.map((bit) => ({ name: bit.name, value: fieldText(value, bit), type: `bit ${bit.bit}` })),
        }),
  };
}

export function exitScope(record: VmExitRecord | undefined, symbols: SymbolTable): readonly VariableNode[] {
  if (!record) return [];
  const { exit } = record;
  const symbol = symbols.describe(record.guestLinearRip);
  const rows: VariableNode[] = [
    { name: 'number', value: `${record.number}` },
    {
      name: 'reason',
      value: `${exit.basicReason} ${EXIT_REASONS[exit.name].title}${exit.entryFailure ? ' (the VM entry failed)' : ''}`,
    },
    { name: 'summary', value: describeExit(exit) },
    {
      name: 'guest RIP',
      value: `${hex64(record.guestRip)}${symbol === undefined ? '' : ` <${symbol}>`}`,
      memoryReference: memoryReference(record.guestLinearRip),
    },
    qualificationRow(exit),
    ...exitFacts(exit).map(([name, value]) => ({ name, value: hex64(value) })),
    { name: 'instruction length', value: `${exit.instructionBytes}` },
    {
      name: 'guest-physical address',
      value: hex64(exit.guestPhysical),
      memoryReference: memoryReference(exit.guestPhysical, 'guest-physical'),
    },
    {
      name: 'guest-linear address',
      value: hex64(exit.guestLinear),
      memoryReference: memoryReference(exit.guestLinear),
    },
    informationRow('interruption information', exit.interruptionInformation, 'EXIT_INTR_INFO'),
    informationRow('IDT-vectoring information', exit.idtVectoringInformation, 'IDT_VECTORING_INFO'),
    { name: 'instructions before it', value: record.instruction.toLocaleString('en-US') },
  ];
  return rows;
}

function informationRow(name: string, value: number, key: 'EXIT_INTR_INFO' | 'IDT_VECTORING_INFO'): VariableNode {
  const bits = vmcsBits(key);
  const wide = BigInt(value >>> 0);
  return {
    name,
    value: wide >> 31n === 0n ? `${hexOf(wide, 32)} (not valid)` : `${hexOf(wide, 32)} ${fieldSummary(wide, bits)}`,
    children: () => bits.map((bit) => ({ name: bit.name, value: fieldText(wide, bit) })),
  };
}

function qualificationRow(exit: VmExit): VariableNode {
  const fields = QUALIFICATION_FIELDS[exitReason(exit.name).qualification];
  const row = { name: 'qualification', value: hex64(exit.qualification) };
  if (fields.length === 0) return row;
  const children = (): readonly VariableNode[] =>
    fields.map(({ name, bit, width, values }) => {
      const part = fieldValue(exit.qualification, { name, bit, width });
      const words = values?.[Number(part)];
      const number = width > 8 ? hexOf(part, width) : part.toString();
      return { name, value: words === undefined ? number : `${number} (${words})` };
    });
  return { ...row, children };
}
