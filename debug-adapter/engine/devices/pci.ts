/**
 * PCI configuration mechanism #1 (PCI Local Bus specification 3.0, "Software Generation of Configuration Transactions" 3.2.2.3.2)
 * with the functions of bus 0, and the reset control register CF9h that lies among its ports.
 */
import { decodeRegisters, field, flag, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const CONFIGURATION_BYTES = 256;
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
  /** Start value of the command register; it cannot be written where absent from `writable`. */
  readonly command?: number;
  readonly status?: number;
  /** Registers with bits that can be written: offset, writable bits (8 each) and start value. */
  readonly writable: readonly { readonly offset: number; readonly mask: number; readonly value: number }[];
}

export interface PciState {
  readonly address: number;
  readonly reset: number;
  /** Configuration space of each function, in the order of their descriptions. */
  readonly spaces: readonly (readonly number[])[];
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

/** Host bridge and ISA bridge of the Intel 440FX chip set (82441FX and 82371SB data sheets, configuration registers). */
export const CHIP_SET_FUNCTIONS: readonly PciFunctionDescription[] = [
  {
    device: 0,
    function: 0,
    vendorId: 0x8086,
    deviceId: 0x1237,
    revision: 2,
    classCode: 0x06_0000,
    headerType: 0,
    command: 0x0006,
    status: 0x0280,
    writable: [],
  },
  {
    device: 1,
    function: 0,
    vendorId: 0x8086,
    deviceId: 0x7000,
    revision: 0,
    classCode: 0x06_0100,
    headerType: 0,
    command: 0x0007,
    status: 0x0200,
    // PIRQA to PIRQD: which ISA interrupt each PCI interrupt is routed to; 80h is none.
    writable: [0x60, 0x61, 0x62, 0x63].map((offset) => ({ offset, mask: 0x8f, value: 0x80 })),
  },
];
