/**
 * A VMCS. Its data lives in its 4 KiB region in physical memory, so that VMCLEAR and VMPTRLD copy nothing and snapshots of
 * memory contain it: revision identifier, VMX-abort indicator, launch state, then 8 bytes per field in table order
 * (SDM Vol. 3C, "Format of the VMCS Region", 24.2: the format is the processor's own).
 */
import { MachineStop } from '../cpu/guest-fault.ts';
import type { CpuState } from '../cpu/state.ts';
import type { PhysicalMemory } from '../memory/physical.ts';
import type { VmxCapabilities } from './capabilities.ts';
import type { VmcsFieldKey } from './vmcs-fields.ts';
import { hex } from './hex.ts';
import { vmcsField, vmcsFields } from './vmcs-fields.ts';

const REVISION_OFFSET = 0;
const ABORT_OFFSET = 4;
const LAUNCH_OFFSET = 8;
const DATA_OFFSET = 16;
const LAUNCHED = 1;

/** Where a field was last written by VMWRITE. */
export interface FieldWrite {
  /** Instructions retired before the VMWRITE. */
  readonly instruction: number;
  /** CS base + RIP of the VMWRITE; undefined: a debugger wrote it. */
  readonly linear: bigint | undefined;
}

const SLOT = Object.fromEntries(vmcsFields.map((field) => [field.key, field.slot])) as Record<VmcsFieldKey, number>;
const MASKS: readonly bigint[] = vmcsFields.map((field) => (1n << BigInt(8 * field.bytes)) - 1n);

const LAUNCH_WORD = LAUNCH_OFFSET / 4;
const DATA_WORD = DATA_OFFSET / 4;

export class Vmcs {
  /** Physical address of the region. */
  readonly address: number;
  private readonly physical: PhysicalMemory;
  /** The engine memory and where the region is in it. Frames stay where they are until memory is replaced (`forget`). */
  private readonly words: Int32Array;
  private readonly view: DataView;
  private readonly region: number;
  private readonly frame: number;
  private readonly writes: (FieldWrite | undefined)[] = [];
  /**
   * Slots written by VMWRITE (or a debugger) since the last successful VM entry; `undefined`: no entry has succeeded yet, so
   * everything has to be checked. Kept by `entry.ts`.
   */
  changed: Set<number> | undefined = undefined;

  constructor(physical: PhysicalMemory, address: number) {
    if (physical.kind(address) !== 'ram')
      throw new MachineStop(`VMCS region at ${hex(address)}, where there is no RAM`);
    this.physical = physical;
    this.address = address;
    this.words = physical.words;
    this.view = new DataView(physical.bytes.buffer);
    this.region = physical.offsetOf(address) >> 2;
    this.frame = physical.frameOf(address);
  }

  get revision(): number {
    return this.words[this.region + REVISION_OFFSET / 4] >>> 0;
  }
  get abortIndicator(): number {
    return this.words[this.region + ABORT_OFFSET / 4] >>> 0;
  }
  set abortIndicator(value: number) {
    this.store(this.region + ABORT_OFFSET / 4, value);
  }
  /** Launch state: true for launched, false for clear. */
  get launched(): boolean {
    return this.words[this.region + LAUNCH_WORD] === LAUNCHED;
  }
  set launched(value: boolean) {
    this.store(this.region + LAUNCH_WORD, value ? LAUNCHED : 0);
  }

  /** VMCLEAR: launch state clear; what was known about its fields is forgotten, their values stay. */
  clear(): void {
    this.launched = false;
    this.changed = undefined;
    this.writes.length = 0;
  }

  /** Stores a word; a page that also holds decoded instructions announces it as every other write does. */
  private store(word: number, value: number): void {
    if (this.physical.codeFrames[this.frame] !== 0) this.physical.onCodeWrite(this.frame);
    this.words[word] = value;
  }
  private word(slot: number): number {
    return this.region + DATA_WORD + 2 * slot;
  }

  // By slot, for the path that every entry and exit takes: a slot is a constant there, a key is a look-up.

  /** Bits 31:0, signed. */
  lowOf(slot: number): number {
    return this.words[this.word(slot)];
  }
  /** Sets bits 31:0; bits 63:32 become 0. */
  setLowOf(slot: number, value: number): void {
    const word = this.word(slot);
    this.store(word, value);
    this.words[word + 1] = 0;
  }
  /** Copies 64 bits of the field into the processor state at a layout offset. */
  loadOf(slot: number, state: CpuState, at: number): void {
    const word = this.word(slot);
    state.words[at >> 2] = this.words[word];
    state.words[(at >> 2) + 1] = this.words[word + 1];
  }
  /** Copies 64 bits of processor state into the field. */
  saveOf(slot: number, state: CpuState, at: number): void {
    const word = this.word(slot);
    this.store(word, state.words[at >> 2]);
    this.words[word + 1] = state.words[(at >> 2) + 1];
  }

  // By key.

  /** Value zero-extended from the field's width. */
  read(key: VmcsFieldKey): bigint {
    return this.view.getBigUint64(this.word(SLOT[key]) * 4, true);
  }
  /** Writes the value truncated to the field's width, as the processor does; see `programWrite` for VMWRITE. */
  write(key: VmcsFieldKey, value: bigint): void {
    const slot = SLOT[key];
    const word = this.word(slot);
    this.store(word, 0);
    this.view.setBigUint64(word * 4, value & MASKS[slot], true);
  }
  /** Bits 31:0, unsigned. */
  low(key: VmcsFieldKey): number {
    return this.lowOf(SLOT[key]) >>> 0;
  }
  /** Bits 63:32, unsigned. */
  high(key: VmcsFieldKey): number {
    return this.words[this.word(SLOT[key]) + 1] >>> 0;
  }
  /** A value below 2^53 (16- and 32-bit fields, physical addresses). */
  number(key: VmcsFieldKey): number {
    return this.high(key) * 0x1_0000_0000 + this.low(key);
  }
  /** Writes a 16- or 32-bit field, or a 64-bit one whose upper half becomes 0. */
  writeLow(key: VmcsFieldKey, value: number): void {
    this.setLowOf(SLOT[key], value);
  }

  /** A write by software: VMWRITE or a debugger; `by` is undefined where nobody has to know. */
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

/** Position of a field in the region, for constants of the entry and exit path. */
export const slotOf = (key: VmcsFieldKey): number => vmcsField(key).slot;
