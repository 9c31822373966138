/**
 * PCI configuration mechanism #1 (PCI Local Bus specification 3.0, "Software Generation of Configuration Transactions" 3.2.2.3.2)
 * with the functions of bus 0, and the reset control register CF9h that lies among its ports.
 */
import { decodeRegisters, field, flag, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const CONFIGURATION_BYTES = 256;
const COMMAND = 0x04;
const FIRST_BAR = 0x10;
/** Bit 0 of a base address register in I/O space. */
const IO_BAR = 1;
const IO_ENABLE = 0x01;
const MASTER_ENABLE = 0x04;

const ADDRESS_OFFSET = 0;
const RESET_OFFSET = 1;
const DATA_OFFSET = 4;
const ENABLE = 0x8000_0000;
/** Bits 30:24 and 1:0 are reserved and read 0. */
const ADDRESS_WRITABLE = 0x80ff_fffc;
const RESET_CPU = 0x04;
const RESET_WRITABLE = 0x06;

const PCI_REGISTERS = {
  ADDRESS: {
    title: 'Configuration address',
    offset: ADDRESS_OFFSET,
    access: 'read-write',
    bits: 32,
    fields: [
      field('REGISTER', 7, 0, 'register'),
      field('FUNCTION', 10, 8, 'function'),
      field('DEVICE', 15, 11, 'device'),
      field('BUS', 23, 16, 'bus'),
      flag('ENABLE', 31, 'configuration cycles'),
    ],
  },
  RESET: { title: 'Reset control', offset: RESET_OFFSET, access: 'read-write', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;

/** What a function's configuration header says and which of its bits can be written. */
export interface PciFunctionDescription {
  /** On bus 0. */
  readonly device: number;
  readonly function: number;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision: number;
  /** Base class, sub-class and programming interface, 24 bits. */
  readonly classCode: number;
  /** Bit 7: the device has further functions. */
  readonly headerType: number;
  /** Start value of the command register, and its bits that can be written. */
  readonly command?: number;
  readonly commandWritable?: number;
  readonly status?: number;
  /** Base address registers in I/O space: index, ports (a power of two) and where the firmware has put them. */
  readonly ioBars?: readonly { readonly index: number; readonly ports: number; readonly base: number }[];
  /** Registers with bits that can be written: offset, writable bits (8 each) and start value. */
  readonly writable: readonly { readonly offset: number; readonly mask: number; readonly value: number }[];
}

export interface PciState {
  readonly address: number;
  readonly reset: number;
  /** Configuration space of each function, in the order of their descriptions. */
  readonly spaces: readonly (readonly number[])[];
}

/** A function's configuration as it is now. */
export interface PciFunctionView {
  byte(offset: number): number;
  /** It answers in I/O space. */
  readonly ioEnabled: boolean;
  /** It may read and write memory. */
  readonly masterEnabled: boolean;
  /** First port of a base address register; undefined where it answers none. */
  ioBase(index: number): number | undefined;
}

interface PciFunction {
  readonly device: number;
  readonly function: number;
  readonly writable: Uint8Array;
  space: number[];
}

function build(description: PciFunctionDescription): PciFunction {
  const space = new Array<number>(CONFIGURATION_BYTES).fill(0);
  const put = (offset: number, bytes: number, value: number) => {
    for (let index = 0; index < bytes; index++) space[offset + index] = (value >>> (8 * index)) & 0xff;
  };
  put(0x00, 2, description.vendorId);
  put(0x02, 2, description.deviceId);
  put(0x04, 2, description.command ?? 0);
  put(0x06, 2, description.status ?? 0);
  put(0x08, 1, description.revision);
  put(0x09, 3, description.classCode);
  put(0x0e, 1, description.headerType);
  const writable = new Uint8Array(CONFIGURATION_BYTES);
  writable[COMMAND] = description.commandWritable ?? 0;
  for (const { index, ports, base } of description.ioBars ?? []) {
    const at = FIRST_BAR + 4 * index;
    put(at, 4, base | IO_BAR);
    // Software writes ones and reads back which bits stay: I/O addresses have sixteen (6.2.5.1).
    writable[at] = -ports & 0xfc;
    writable[at + 1] = (-ports >> 8) & 0xff;
  }
  for (const { offset, mask, value } of description.writable) {
    writable[offset] = mask;
    space[offset] = value;
  }
  return { device: description.device, function: description.function, writable, space };
}

export class PciBus implements PortDevice<PciState> {
  readonly name = 'PCI configuration';
  readonly portCount = 8;
  readonly widestAccess = 4;
  readonly #reset: () => void;
  readonly #functions: readonly PciFunction[];
  #address = 0;
  #resetControl = 0;

  /** `reset`: a write to CF9h asks for a reset of the machine. */
  constructor(functions: readonly PciFunctionDescription[], reset: () => void) {
    this.#functions = functions.map(build);
    this.#reset = reset;
  }

  /** The function that the address register selects; undefined: the access ends in a master abort. */
  get #selected(): PciFunction | undefined {
    const bus = (this.#address >>> 16) & 0xff;
    const device = (this.#address >>> 11) & 31;
    const number = (this.#address >>> 8) & 7;
    if ((this.#address & ENABLE) === 0 || bus !== 0) return undefined;
    return this.#functions.find((one) => one.device === device && one.function === number);
  }

  /** What the chip behind a function needs of its configuration. */
  functionAt(device: number, number: number): PciFunctionView {
    const found = this.#functions.find((one) => one.device === device && one.function === number);
    if (found === undefined) throw new Error(`Invariant broken: there is no PCI function ${device}.${number}`);
    const byte = (offset: number): number => found.space[offset] ?? 0;
    const enabled = (bit: number): boolean => (byte(COMMAND) & bit) !== 0;
    return {
      byte,
      get ioEnabled() {
        return enabled(IO_ENABLE);
      },
      get masterEnabled() {
        return enabled(MASTER_ENABLE);
      },
      ioBase(index) {
        const at = FIRST_BAR + 4 * index;
        const base = (byte(at) & 0xfc) | (byte(at + 1) << 8);
        return enabled(IO_ENABLE) && base !== 0 ? base : undefined;
      },
    };
  }

  read(offset: number, bytes: AccessBytes): number {
    if (offset >= DATA_OFFSET) return this.#readData((this.#address & 0xfc) + offset - DATA_OFFSET, bytes);
    // Only double-word accesses reach the address register; others are for whatever else has those ports.
    if (offset === ADDRESS_OFFSET && bytes === 4) return this.#address;
    return offset === RESET_OFFSET && bytes === 1 ? this.#resetControl : ones(bytes);
  }

  #readData(at: number, bytes: AccessBytes): number {
    const selected = this.#selected;
    if (selected === undefined) return ones(bytes);
    let value = 0;
    for (let index = bytes - 1; index >= 0; index--) value = value * 256 + (selected.space[at + index] ?? 0xff);
    return value;
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    if (offset >= DATA_OFFSET) this.#writeData((this.#address & 0xfc) + offset - DATA_OFFSET, bytes, value);
    else if (offset === ADDRESS_OFFSET && bytes === 4) this.#address = (value & ADDRESS_WRITABLE) >>> 0;
    else if (offset === RESET_OFFSET && bytes === 1) this.#writeReset(value);
  }

  #writeData(at: number, bytes: AccessBytes, value: number): void {
    const selected = this.#selected;
    if (selected === undefined) return;
    for (let index = 0; index < bytes; index++) {
      const mask = selected.writable[at + index] ?? 0;
      const byte = (value >>> (8 * index)) & 0xff;
      selected.space[at + index] = ((selected.space[at + index] ?? 0) & ~mask) | (byte & mask);
    }
  }

  /** A rise of bit 2 resets; bit 1 chooses which kind, and both are the whole machine here. */
  #writeReset(value: number): void {
    const rises = (value & ~this.#resetControl & RESET_CPU) !== 0;
    this.#resetControl = value & RESET_WRITABLE;
    if (rises) this.#reset();
  }

  save(): PciState {
    return {
      address: this.#address,
      reset: this.#resetControl,
      spaces: this.#functions.map(({ space }) => [...space]),
    };
  }

  load(state: PciState): void {
    this.#address = state.address;
    this.#resetControl = state.reset;
    this.#functions.forEach((one, index) => (one.space = [...(state.spaces[index] ?? one.space)]));
  }

  registers() {
    return decodeRegisters(PCI_REGISTERS, { ADDRESS: this.#address, RESET: this.#resetControl });
  }
}

const ones = (bytes: AccessBytes): number => (bytes === 4 ? 0xffff_ffff : bytes === 2 ? 0xffff : 0xff);
