/**
 * The firmware configuration device of QEMU (its specification "QEMU Firmware Configuration (fw_cfg) Device"), traditional
 * interface only: a 16-bit write at offset 0 selects an item, byte reads at offset 1 deliver it from the start. Small
 * kernels ask it for the processor count and the memory size. Reads past an item's end, or of an unknown item, give zeros.
 */
import { decodeRegisters, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const SELECTOR_OFFSET = 0;
const DATA_OFFSET = 1;

const KEY_SIGNATURE = 0x00;
const KEY_INTERFACE_ID = 0x01;
const KEY_RAM_BYTES = 0x03;
const KEY_PROCESSORS = 0x05;

/** Bit 0 of the interface id: the traditional interface is there (bit 1 would be DMA). */
const TRADITIONAL_INTERFACE = 1;

const FW_CFG_REGISTERS = {
  SELECTOR: { title: 'Selected item', offset: SELECTOR_OFFSET, access: 'write', bits: 16, fields: [] },
  POSITION: { title: 'Bytes of it read so far', access: 'internal', bits: 32, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export interface FwCfgOptions {
  readonly processors: number;
  readonly ramBytes: number;
}

export interface FwCfgState {
  readonly selector: number;
  readonly position: number;
}

const littleEndian = (value: number, bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 256);

export class FwCfg implements PortDevice<FwCfgState> {
  readonly name = 'fw_cfg';
  readonly portCount = 2;
  readonly widestAccess = 2;
  readonly #items: ReadonlyMap<number, Uint8Array>;
  #selector = 0;
  #position = 0;

  constructor({ processors, ramBytes }: FwCfgOptions) {
    this.#items = new Map([
      [KEY_SIGNATURE, Uint8Array.from([...'QEMU'].map((letter) => letter.charCodeAt(0)))],
      [KEY_INTERFACE_ID, littleEndian(TRADITIONAL_INTERFACE, 4)],
      [KEY_RAM_BYTES, littleEndian(ramBytes, 8)],
      [KEY_PROCESSORS, littleEndian(processors, 2)],
    ]);
  }

  read(offset: number, bytes: AccessBytes): number {
    // Only the data register can be read, a byte at a time; anything else floats high.
    if (bytes === 2) return 0xff | (this.read(DATA_OFFSET, 1) << 8);
    if (offset !== DATA_OFFSET) return 0xff;
    const value = this.#items.get(this.#selector)?.[this.#position] ?? 0;
    this.#position += 1;
    return value;
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    if (offset !== SELECTOR_OFFSET || bytes !== 2) return;
    this.#selector = value;
    this.#position = 0;
  }

  save(): FwCfgState {
    return { selector: this.#selector, position: this.#position };
  }

  load(state: FwCfgState): void {
    this.#selector = state.selector;
    this.#position = state.position;
  }

  registers() {
    return decodeRegisters(FW_CFG_REGISTERS, { SELECTOR: this.#selector, POSITION: this.#position });
  }
}
