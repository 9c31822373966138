/** Registers, segments and system registers as rows. */
import { REGISTERS, REGISTER_NAMES } from '../engine/index.ts';
import type { BitField, RegisterName, RegisterRow, SegmentView } from '../engine/index.ts';
import type { ProcessorView } from '../debugger/processor.ts';
import { ACCESS_RIGHTS_UNUSABLE } from '../debugger/processor.ts';
import { registerBits, registerFields } from '../debugger/register-names.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import { fieldSummary, fieldValue } from './fields.ts';
import type { VariableNode } from './node.ts';
import { hexOf, hexShort, memoryReference } from './text.ts';
import { ACCESS_RIGHTS_FIELDS } from './vmcs-bits.ts';

const groupOf = (name: RegisterName): RegisterRow['group'] => REGISTERS[name].group;
const namesIn = (group: RegisterRow['group']): readonly RegisterName[] =>
  REGISTER_NAMES.filter((name) => groupOf(name) === group);

/** Registers that hold linear addresses often enough for a memory icon. */
const POINTERS: ReadonlySet<RegisterName> = new Set<RegisterName>([
  ...namesIn('general'),
  'RIP',
  'CR2',
  'GDTR_BASE',
  'IDTR_BASE',
  'DR0',
  'DR1',
  'DR2',
  'DR3',
  'IA32_LSTAR',
  'IA32_CSTAR',
  'IA32_KERNEL_GS_BASE',
  'IA32_SYSENTER_ESP',
  'IA32_SYSENTER_EIP',
]);

export function registersScope(view: ProcessorView, symbols: SymbolTable): readonly VariableNode[] {
  return [...namesIn('general'), ...namesIn('instruction')].map((name) => registerNode(view, symbols, name));
}

function registerNode(view: ProcessorView, symbols: SymbolTable, name: RegisterName): VariableNode {
  const value = view.register(name);
  const bits = registerBits(name);
  const fields = registerFields(name);
  return {
    name,
    value: registerText(value, bits, name, fields, symbols),
    type: `${bits}-bit register`,
    place: { kind: 'register', cpu: view.cpu, source: view.source, register: name, bit: 0, bits },
    evaluateName: name.toLowerCase(),
    memoryReference: pointerReference(view, name, value),
    ...(fields.length === 0 ? {} : { children: () => fieldNodes(view, name, value, fields) }),
  };
}

function registerText(
  value: bigint,
  bits: number,
  name: RegisterName,
  fields: readonly BitField[],
  symbols: SymbolTable,
): string {
  const hex = hexOf(value, bits);
  if (fields.length > 0) return `${hex} ${fieldSummary(value, fields)}`.trimEnd();
  const symbol = POINTERS.has(name) && value >= 0x1000n ? symbols.describe(value) : undefined;
  return symbol === undefined ? hex : `${hex} <${symbol}>`;
}

function pointerReference(view: ProcessorView, name: RegisterName, value: bigint) {
  if (name === 'CR3') return memoryReference(value & 0xf_ffff_ffff_f000n, 'guest-physical');
  if (!POINTERS.has(name)) return undefined;
  if (name === 'RIP') return memoryReference(view.linearRip);
  if (name === 'RSP') return memoryReference(view.linearStackPointer);
  return memoryReference(value);
}

function fieldNodes(
  view: ProcessorView,
  register: RegisterName,
  value: bigint,
  fields: readonly BitField[],
): readonly VariableNode[] {
  return fields.map((field) => {
    const width = field.width ?? 1;
    const name = register === 'RFLAGS' ? field.name : `${register}.${field.name}`;
    return {
      name: field.name,
      value: fieldText(value, field),
      type: width === 1 ? `bit ${field.bit}` : `bits ${field.bit + width - 1}:${field.bit}`,
      place: { kind: 'register', cpu: view.cpu, source: view.source, register, bit: field.bit, bits: width },
      evaluateName: name.toLowerCase(),
    };
  });
}

/** `1 (paging enabled)`. */
export function fieldText(value: bigint, field: BitField): string {
  const part = fieldValue(value, field);
  const text = (field.width ?? 1) > 8 ? hexShort(part) : part.toString();
  return field.meaning === undefined ? text : `${text} (${field.meaning})`;
}

export function segmentsScope(view: ProcessorView): readonly VariableNode[] {
  return view.segments().map((segment) => segmentNode(view, segment));
}

function segmentNode(view: ProcessorView, segment: SegmentView): VariableNode {
  const rights = BigInt(segment.accessRights);
  const unusable = (segment.accessRights & ACCESS_RIGHTS_UNUSABLE) !== 0;
  const name = segment.name;
  const lower = name.toLowerCase();
  const code = unusable
    ? 'unusable'
    : `base ${hexShort(segment.base)}, limit ${hexShort(segment.limit)}, ${segmentKind(segment)}`;
  return {
    name,
    value: `${hexOf(segment.selector, 16)} ${code}`,
    type: 'segment register',
    place: { kind: 'register', cpu: view.cpu, source: view.source, register: name, bit: 0, bits: 16 },
    evaluateName: lower,
    children: () => [
      {
        name: 'selector',
        value: hexOf(segment.selector, 16),
        place: { kind: 'register', cpu: view.cpu, source: view.source, register: name, bit: 0, bits: 16 },
        evaluateName: lower,
      },
      {
        name: 'base',
        value: hexOf(segment.base, 64),
        evaluateName: `${lower}.base`,
        memoryReference: memoryReference(segment.base),
      },
      { name: 'limit', value: hexOf(segment.limit, 32), evaluateName: `${lower}.limit` },
      {
        name: 'access rights',
        value: `${hexOf(segment.accessRights, 32)} ${fieldSummary(rights, ACCESS_RIGHTS_FIELDS)}`,
        evaluateName: `${lower}.ar`,
        children: () => ACCESS_RIGHTS_FIELDS.map((field) => ({ name: field.name, value: fieldText(rights, field) })),
      },
    ],
  };
}

/** `64-bit code, DPL 0`. SDM Vol. 3A, "Code- and Data-Segment Types", 3.4.5.1, and "System Descriptor Types", 3.5. */
function segmentKind({ accessRights, name }: SegmentView): string {
  const dpl = (accessRights >> 5) & 3;
  const type = accessRights & 15;
  if ((accessRights & 0x10) === 0) return name === 'TR' ? `TSS, type ${type}` : `system, type ${type}`;
  const isCode = (type & 8) !== 0;
  const width =
    isCode && (accessRights & 0x2000) !== 0 ? '64-bit' : (accessRights & 0x4000) !== 0 ? '32-bit' : '16-bit';
  const use = isCode ? 'code' : (type & 2) !== 0 ? 'writable data' : 'read-only data';
  return `${width} ${use}, DPL ${dpl}`;
}

export function systemScope(view: ProcessorView, symbols: SymbolTable): readonly VariableNode[] {
  const group = (title: string, group: RegisterRow['group']): VariableNode => ({
    name: title,
    value: '',
    children: () => namesIn(group).map((name) => registerNode(view, symbols, name)),
  });
  return [
    ...namesIn('control').map((name) => registerNode(view, symbols, name)),
    group('Descriptor tables', 'system-table'),
    group('Debug registers', 'debug'),
    group('MSRs', 'msr'),
  ];
}
