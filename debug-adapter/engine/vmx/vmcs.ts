/**
 * A VMCS. Its data lives in its 4 KiB region in physical memory, so that VMCLEAR and VMPTRLD copy nothing and snapshots of
 * memory contain it: revision identifier, VMX-abort indicator, launch state, then 8 bytes per field in table order
 * (SDM Vol. 3C, "Format of the VMCS Region", 24.2: the format is the processor's own).
 */
import type { CpuState } from '../cpu/state.ts';
import type { PhysicalMemory } from '../memory/physical.ts';
import type { VmxCapabilities } from './capabilities.ts';
import type { VmcsFieldKey } from './vmcs-fields.ts';
import { VMCS_FIELDS, vmcsField, vmcsFields } from './vmcs-fields.ts';

const REVISION_OFFSET = 0;
const ABORT_OFFSET = 4;
const LAUNCH_OFFSET = 8;
const DATA_OFFSET = 16;
const LAUNCHED = 1;

/** Where a field was last written by VMWRITE. */
export interface FieldWrite {
  /** Instructions retired before the VMWRITE. */
  readonly instruction: number;
  /** CS base + RIP of the VMWRITE. */
  readonly linear: bigint;
}

const SLOT = Object.fromEntries(vmcsFields.map((field) => [field.key, field.slot])) as Record<VmcsFieldKey, number>;
const MASKS: readonly bigint[] = vmcsFields.map((field) => (1n << BigInt(8 * field.bytes)) - 1n);
export const FIELD_COUNT = Object.keys(VMCS_FIELDS).length;

export class Vmcs {
  /** Physical address of the region. */
  readonly address: number;
  private readonly physical: PhysicalMemory;
  private readonly writes: (FieldWrite | undefined)[] = [];
  /**
   * Slots written by VMWRITE (or a debugger) since the last successful VM entry; `undefined`: no entry has succeeded yet, so
   * everything has to be checked. Kept by `entry.ts`.
   */
  changed: Set<number> | undefined = undefined;

  constructor(physical: PhysicalMemory, address: number) {
    this.physical = physical;
    this.address = address;
  }

  get revision(): number {
    return this.physical.read(this.address + REVISION_OFFSET, 4);
  }
  get abortIndicator(): number {
    return this.physical.read(this.address + ABORT_OFFSET, 4);
  }
  set abortIndicator(value: number) {
    this.physical.write(this.address + ABORT_OFFSET, 4, value);
  }
  /** Launch state: true for launched, false for clear. */
  get launched(): boolean {
    return this.physical.read(this.address + LAUNCH_OFFSET, 4) === LAUNCHED;
  }
  set launched(value: boolean) {
    this.physical.write(this.address + LAUNCH_OFFSET, 4, value ? LAUNCHED : 0);
  }

  /** VMCLEAR: launch state clear; what was known about its fields is forgotten, their values stay. */
  clear(): void {
    this.launched = false;
    this.changed = undefined;
    this.writes.length = 0;
  }

  /** Value zero-extended from the field's width. */
  read(key: VmcsFieldKey): bigint {
    return this.physical.read64(this.address + DATA_OFFSET + 8 * SLOT[key]);
  }
  /** Writes the value truncated to the field's width, as the processor does; see `programWrite` for VMWRITE. */
  write(key: VmcsFieldKey, value: bigint): void {
    const slot = SLOT[key];
    this.physical.write64(this.address + DATA_OFFSET + 8 * slot, value & MASKS[slot]);
  }

  /** Bits 31:0, unsigned. */
  low(key: VmcsFieldKey): number {
    return this.physical.read(this.address + DATA_OFFSET + 8 * SLOT[key], 4);
  }
  /** Bits 63:32, unsigned. */
  high(key: VmcsFieldKey): number {
    return this.physical.read(this.address + DATA_OFFSET + 8 * SLOT[key] + 4, 4);
  }
  /** A value below 2^53 (16- and 32-bit fields, physical addresses). */
  number(key: VmcsFieldKey): number {
    const at = this.address + DATA_OFFSET + 8 * SLOT[key];
    return this.physical.read(at + 4, 4) * 0x1_0000_0000 + this.physical.read(at, 4);
  }
  /** Writes a 16- or 32-bit field, or a 64-bit one whose upper half becomes 0. */
  writeLow(key: VmcsFieldKey, value: number): void {
    const at = this.address + DATA_OFFSET + 8 * SLOT[key];
    this.physical.write(at, 4, value >>> 0);
    this.physical.write(at + 4, 4, 0);
  }
  /** A value below 2^53. */
  writeNumber(key: VmcsFieldKey, value: number): void {
    const at = this.address + DATA_OFFSET + 8 * SLOT[key];
    this.physical.write(at, 4, value >>> 0);
    this.physical.write(at + 4, 4, Math.floor(value / 0x1_0000_0000));
  }

  /** Copies a 64-bit field into the processor state at a layout offset, without an intermediate bigint. */
  loadInto(key: VmcsFieldKey, state: CpuState, at: number): void {
    const from = this.physical.offsetOf(this.address + DATA_OFFSET + 8 * SLOT[key]) >> 2;
    state.words[at >> 2] = this.physical.words[from];
    state.words[(at >> 2) + 1] = this.physical.words[from + 1];
  }
  /** Copies 64 bits of processor state into a field. */
  saveFrom(key: VmcsFieldKey, state: CpuState, at: number): void {
    const offset = this.physical.writableOffset(this.address + DATA_OFFSET + 8 * SLOT[key]);
    if (offset < 0) return; // the region is ROM: nothing can be stored there
    this.physical.words[offset >> 2] = state.words[at >> 2];
    this.physical.words[(offset >> 2) + 1] = state.words[(at >> 2) + 1];
  }

  /** A write by software: VMWRITE, or a debugger when `by` is undefined. */
  programWrite(key: VmcsFieldKey, value: bigint, by: FieldWrite | undefined): void {
    this.write(key, value);
    this.changed?.add(SLOT[key]);
    this.writes[SLOT[key]] = by;
  }
  /** Where the field was last written since VMCLEAR; undefined: nowhere. */
  lastWrite(key: VmcsFieldKey): FieldWrite | undefined {
    return this.writes[SLOT[key]];
  }

  /** All fields that the processor has, in table order. */
  fields(capabilities: VmxCapabilities): { readonly key: VmcsFieldKey; readonly value: bigint }[] {
    return vmcsFields
      .filter((field) => capabilities.hasField(field.key))
      .map((field) => ({ key: field.key, value: this.read(field.key) }));
  }
}

/** The VMCSs that a processor has seen, by address: keeps what memory does not hold (where fields were last written). */
export class VmcsStore {
  private readonly physical: PhysicalMemory;
  private readonly known = new Map<number, Vmcs>();
  private latest: Vmcs | undefined;

  constructor(physical: PhysicalMemory) {
    this.physical = physical;
  }

  at(address: number): Vmcs {
    if (this.latest?.address === address) return this.latest;
    let vmcs = this.known.get(address);
    if (vmcs === undefined) {
      vmcs = new Vmcs(this.physical, address);
      this.known.set(address, vmcs);
    }
    this.latest = vmcs;
    return vmcs;
  }

  /** After memory was replaced (reset, snapshot): nothing is known about any VMCS. */
  forget(): void {
    this.known.clear();
    this.latest = undefined;
  }
}

export const slotOf = (key: VmcsFieldKey): number => vmcsField(key).slot;
