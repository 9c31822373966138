/** The current VMCS for the wire, in the groups of the manual (SDM Vol. 3C, "Organization of VMCS Data", 24.3). */
import { vmcsFields } from '../engine/index.ts';
import type { FieldArea, Machine, VmcsField as EngineField } from '../engine/index.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import type { VmcsBody, VmcsField, VmcsGroup } from '../protocol/vmcs.ts';
import { codePlace } from './exits.ts';
import { decodeFields } from './fields.ts';
import { hex64, hexOf, memoryReference } from './text.ts';
import { addressKindOf, vmcsBits } from './vmcs-bits.ts';

export const VMCS_AREAS: readonly { readonly area: FieldArea; readonly title: string }[] = [
  { area: 'guest state', title: 'Guest state' },
  { area: 'host state', title: 'Host state' },
  { area: 'control', title: 'Controls' },
  { area: 'exit information', title: 'Exit information' },
];

const fieldByKey = new Map<string, EngineField>(vmcsFields.map((field) => [field.key, field]));

export function presentVmcs(machine: Machine, cpu: number, symbols: SymbolTable): VmcsBody {
  const vmcs = machine.inspect.vmcs(cpu);
  if (!vmcs) return { present: false, because: noVmcs(machine, cpu) };
  const groups = VMCS_AREAS.map(({ area, title }): VmcsGroup => {
    const fields = vmcs.fields.flatMap(({ key, value }) => {
      const field = fieldByKey.get(key);
      return field?.area === area ? [presentField(machine, cpu, symbols, field, value)] : [];
    });
    return { area, title, fields };
  });
  return {
    present: true,
    address: hex64(vmcs.address),
    addressReference: memoryReference(vmcs.address, 'host-physical'),
    launchState: vmcs.launched ? 'launched' : 'clear',
    groups,
  };
}

/** Why there is no current VMCS. */
function noVmcs(machine: Machine, cpu: number): string {
  return machine.inspect.mode(cpu).vmx === 'off'
    ? 'The processor is not in VMX operation: VMXON has not been executed.'
    : 'No VMCS is current: VMPTRLD has not been executed.';
}

function presentField(
  machine: Machine,
  cpu: number,
  symbols: SymbolTable,
  field: EngineField,
  value: bigint,
): VmcsField {
  const bits = vmcsBits(field.key);
  const space = addressKindOf(field.key);
  const write = machine.inspect.lastVmcsWrite(field.key, cpu);
  return {
    key: field.key,
    title: field.name,
    encoding: hexOf(field.encoding, 16),
    bytes: field.bytes,
    value: hexOf(value, 8 * field.bytes),
    ...(bits.length === 0 ? {} : { fields: decodeFields(value, bits) }),
    writable: !field.readOnly,
    ...(space === undefined ? {} : { memoryReference: memoryReference(addressPart(field.key, value), space) }),
    ...(write.instruction === undefined || write.linear === undefined
      ? {}
      : { lastWrite: { ...codePlace(write.linear, symbols), instruction: write.instruction } }),
  };
}

/** EPTP and CR3 hold other bits besides a page address. */
export const addressPart = (key: string, value: bigint): bigint =>
  key === 'EPTP' || key.endsWith('_CR3') ? value & 0xf_ffff_ffff_f000n : value;
