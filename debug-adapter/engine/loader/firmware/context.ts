/** What a firmware service sees of the machine that called it. */

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
  readonly a20: boolean;
  setA20(on: boolean): void;
  /** Console output of INT 10h. */
  teletype(byte: number): void;
}

/** What the firmware knows of the machine besides. */
export interface FirmwareMachine {
  /** Image in drive 0. */
  readonly disk: Uint8Array;
  readonly memoryBytes: number;
}

export type FirmwareResult =
  { readonly kind: 'done' } | { readonly kind: 'reset' } | { readonly kind: 'unimplemented'; readonly what: string };

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

  /** What the stub pushed: the vector, or `RESET_CALL`. */
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
    const at = this.#frame + 6;
    this.writeWord(at, (this.readWord(at) & ~1) | Number(carry));
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
    this.setLow('eax', (value << 8) | this.al);
  }

  low(name: FirmwareRegister): number {
    return this.context.register(name) & 0xffff;
  }

  /** Sets bits 15:0, leaving the upper half as the processor would. */
  setLow(name: FirmwareRegister, value: number): void {
    const upper = this.context.register(name) & ~0xffff;
    this.context.setRegister(name, (upper | (value & 0xffff)) >>> 0);
  }

  /** Guest-physical address of `segment:register`. */
  pointer(segment: 'ds' | 'es', register: FirmwareRegister): number {
    return this.context.segmentBase(segment) + this.low(register);
  }

  readWord(address: number): number {
    const [low = 0, high = 0] = this.context.readMemory(address, 2);
    return low | (high << 8);
  }

  writeWord(address: number, value: number): void {
    this.context.writeMemory(address, Uint8Array.of(value & 0xff, value >> 8));
  }
}
