/** What a firmware service sees of the machine that called it. */
import { BIOS_DATA_FIELDS, biosDataAddress, type BiosDataField } from './bios-data.ts';
import type { FirmwareDisk } from './firmware-disk.ts';

export type FirmwareRegister = 'eax' | 'ebx' | 'ecx' | 'edx' | 'esi' | 'edi' | 'ebp' | 'esp';
export type FirmwareSegment = 'ds' | 'es' | 'ss';

/**
 * The calling processor in real mode, in the middle of a stub's OUT to the firmware port, and the memory it runs in.
 * Guest-physical addresses throughout: real mode has no paging.
 */
export interface FirmwareContext {
  /** Low 32 bits, unsigned. */
  register(name: FirmwareRegister): number;
  /** Sets the low 32 bits. */
  setRegister(name: FirmwareRegister, value: number): void;
  segmentBase(name: FirmwareSegment): number;
  /** Loads a data segment register as real mode does. */
  loadSegment(name: 'ds' | 'es', selector: number): void;
  readMemory(address: number, bytes: number): Uint8Array;
  writeMemory(address: number, bytes: Uint8Array): void;
  /** As the processor's IN and OUT. */
  readPort(port: number, bytes: 1 | 2 | 4): number;
  writePort(port: number, bytes: 1 | 2 | 4, value: number): void;
  readonly a20: boolean;
  setA20(on: boolean): void;
  /** Console output of INT 10h. */
  teletype(byte: number): void;
}

/** What the firmware knows of the machine besides. */
export interface FirmwareMachine {
  readonly disks: readonly FirmwareDisk[];
  readonly memoryBytes: number;
}

export type FirmwareResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'halted'; readonly because: string }
  | { readonly kind: 'unimplemented'; readonly what: string };

/** A service was asked for something that is not built. */
export class FirmwareGap extends Error {}

const CARRY = 0x01;
const ZERO = 0x40;

/** One call: the context with the frame that the stub left on the stack. */
export class FirmwareCall {
  readonly context: FirmwareContext;
  readonly machine: FirmwareMachine;
  readonly #frame: number;

  constructor(context: FirmwareContext, machine: FirmwareMachine) {
    this.context = context;
    this.machine = machine;
    this.#frame = context.segmentBase('ss') + (context.register('esp') & 0xffff);
  }

  /** What the stub pushed: the vector, or a number above all vectors. */
  get number(): number {
    return this.readWord(this.#frame);
  }

  /** Where the caller goes on, as `CS:IP`. */
  get returnAddress(): string {
    const digits = (value: number) => value.toString(16).toUpperCase().padStart(4, '0');
    return `${digits(this.readWord(this.#frame + 4))}:${digits(this.readWord(this.#frame + 2))}`;
  }

  /** Sets CF in the FLAGS image that the stub's IRET will load. */
  setCarry(carry: boolean): void {
    this.#setFlag(CARRY, carry);
  }

  /** Sets ZF there. */
  setZero(zero: boolean): void {
    this.#setFlag(ZERO, zero);
  }

  #setFlag(mask: number, on: boolean): void {
    const at = this.#frame + 6;
    this.writeWord(at, on ? this.readWord(at) | mask : this.readWord(at) & ~mask);
  }

  get ax(): number {
    return this.context.register('eax') & 0xffff;
  }

  get ah(): number {
    return this.ax >> 8;
  }

  get al(): number {
    return this.ax & 0xff;
  }

  setAh(value: number): void {
    this.setHigh('eax', value);
  }

  setAl(value: number): void {
    this.setLowByte('eax', value);
  }

  /** Bits 15:0. */
  low(name: FirmwareRegister): number {
    return this.context.register(name) & 0xffff;
  }

  /** Bits 7:0: AL, BL, CL, DL. */
  lowByte(name: FirmwareRegister): number {
    return this.context.register(name) & 0xff;
  }

  /** Bits 15:8: AH, BH, CH, DH. */
  high(name: FirmwareRegister): number {
    return this.low(name) >> 8;
  }

  /** Sets bits 15:0, leaving the upper half as the processor would. */
  setLow(name: FirmwareRegister, value: number): void {
    const upper = this.context.register(name) & ~0xffff;
    this.context.setRegister(name, (upper | (value & 0xffff)) >>> 0);
  }

  setLowByte(name: FirmwareRegister, value: number): void {
    this.setLow(name, (this.low(name) & 0xff00) | (value & 0xff));
  }

  setHigh(name: FirmwareRegister, value: number): void {
    this.setLow(name, ((value & 0xff) << 8) | this.lowByte(name));
  }

  /** Guest-physical address of `segment:register`. */
  pointer(segment: 'ds' | 'es', register: FirmwareRegister): number {
    return this.context.segmentBase(segment) + this.low(register);
  }

  readByte(address: number): number {
    return this.context.readMemory(address, 1)[0] ?? 0xff;
  }

  writeByte(address: number, value: number): void {
    this.context.writeMemory(address, Uint8Array.of(value & 0xff));
  }

  readWord(address: number): number {
    const [low = 0, high = 0] = this.context.readMemory(address, 2);
    return low | (high << 8);
  }

  writeWord(address: number, value: number): void {
    this.context.writeMemory(address, Uint8Array.of(value & 0xff, (value >> 8) & 0xff));
  }

  /** A field of the BIOS data area. */
  field(name: BiosDataField): number {
    const bytes = this.context.readMemory(biosDataAddress(name), BIOS_DATA_FIELDS[name].bytes);
    return bytes.reduceRight((value, byte) => value * 0x100 + byte, 0);
  }

  setField(name: BiosDataField, value: number): void {
    const bytes = Uint8Array.from({ length: BIOS_DATA_FIELDS[name].bytes }, (_, at) => (value >>> (at * 8)) & 0xff);
    this.context.writeMemory(biosDataAddress(name), bytes);
  }

  /** Reads a byte through an index and a data port, as the CMOS and the display controller have them. */
  readIndexed(port: number, index: number): number {
    this.context.writePort(port, 1, index);
    return this.context.readPort(port + 1, 1);
  }

  writeIndexed(port: number, index: number, value: number): void {
    this.context.writePort(port, 1, index);
    this.context.writePort(port + 1, 1, value & 0xff);
  }
}
