/**
 * Registers of a VGA in colour text mode 03h (IBM VGA technical reference, "VGA Function"): 3B0h to 3DFh. Text memory is plain
 * RAM at B8000h; graphics modes are not built, and a program that asks for one is told by name.
 */
import { decodeRegisters, field, flag, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const FIRST_PORT = 0x3b0;
const PALETTE_BYTES = 768;
const GRAPHICS_MISCELLANEOUS = 6;
const GRAPHICS_MODE = 1;
const CRTC_PROTECT_INDEX = 0x11;
const CRTC_PROTECT = 0x80;
const ATTRIBUTE_ACCESS = 0x20;
const STATUS_RETRACE = 0x09;

/** What the firmware has programmed: 80 x 25 characters of 9 x 16 dots. */
const MODE_03 = {
  miscellaneous: 0x67,
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f,
    0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
  attribute: [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f,
    0x08, 0x00,
  ],
} as const;

/** The DAC as the firmware leaves it: the 64 colours of an EGA, two bits for each component (`rgbRGB`), and black after them. */
const START_PALETTE = Array.from({ length: PALETTE_BYTES }, (_, at) => {
  const colour = Math.floor(at / 3);
  const bit = 2 - (at % 3);
  if (colour >= 64) return 0;
  return 42 * ((colour >> bit) & 1) + 21 * ((colour >> (bit + 3)) & 1);
});

const VGA_REGISTERS = {
  CURSOR: { title: 'Cursor location, in characters', access: 'internal', bits: 16, fields: [] },
  START: { title: 'First character shown', access: 'internal', bits: 16, fields: [] },
  CURSOR_SHAPE: {
    title: 'Cursor start',
    access: 'internal',
    bits: 8,
    fields: [field('LINE', 4, 0, 'first scan line'), flag('OFF', 5, 'cursor off')],
  },
  COLUMNS: { title: 'Characters in a row', access: 'internal', bits: 16, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export interface VgaTextState {
  readonly miscellaneous: number;
  readonly sequencer: readonly number[];
  readonly crtc: readonly number[];
  readonly graphics: readonly number[];
  readonly attribute: readonly number[];
  readonly palette: readonly number[];
  readonly indexes: { readonly sequencer: number; readonly crtc: number; readonly graphics: number };
  readonly attributeIndex: number;
  /** The next write to 3C0h is data. */
  readonly attributeData: boolean;
  readonly paletteMask: number;
  readonly paletteRead: number;
  readonly paletteWrite: number;
  readonly retrace: boolean;
}

type Bank = 'sequencer' | 'crtc' | 'graphics';
const BANK_PORTS: Readonly<Record<number, Bank>> = { 0x3c4: 'sequencer', 0x3ce: 'graphics', 0x3d4: 'crtc' };

export class VgaText implements PortDevice<VgaTextState> {
  readonly name = 'VGA';
  readonly portCount = 0x30;
  readonly widestAccess = 1;
  readonly #graphicsAsked: () => void;
  #miscellaneous: number = MODE_03.miscellaneous;
  #banks: Record<Bank, number[]> = {
    sequencer: [...MODE_03.sequencer],
    crtc: [...MODE_03.crtc],
    graphics: [...MODE_03.graphics],
  };
  #indexes: Record<Bank, number> = { sequencer: 0, crtc: 0, graphics: 0 };
  #attribute: number[] = [...MODE_03.attribute];
  #attributeIndex = ATTRIBUTE_ACCESS;
  #attributeData = false;
  #palette: number[] = [...START_PALETTE];
  #paletteMask = 0xff;
  #paletteRead = 0;
  #paletteWrite = 0;
  #retrace = false;

  /** `graphicsAsked`: the program switches to a graphics mode. */
  constructor(graphicsAsked: () => void) {
    this.#graphicsAsked = graphicsAsked;
  }

  read(offset: number, _bytes: AccessBytes): number {
    const port = FIRST_PORT + offset;
    const index = BANK_PORTS[port];
    if (index !== undefined) return this.#indexes[index];
    const bank = BANK_PORTS[port - 1];
    if (bank !== undefined) return this.#banks[bank][this.#indexes[bank]] ?? 0;
    switch (port) {
      case 0x3c0:
        return this.#attributeIndex;
      case 0x3c1:
        return this.#attribute[this.#attributeIndex & 31] ?? 0;
      case 0x3c2:
      case 0x3ca:
        return 0;
      case 0x3c6:
        return this.#paletteMask;
      case 0x3c8:
        return Math.floor(this.#paletteWrite / 3) & 0xff;
      case 0x3c9: {
        const value = this.#palette[this.#paletteRead] ?? 0;
        this.#paletteRead = (this.#paletteRead + 1) % PALETTE_BYTES;
        return value;
      }
      case 0x3cc:
        return this.#miscellaneous;
      case 0x3da:
        // Programs wait for either level of the retrace bits: each look finds the other one.
        this.#attributeData = false;
        this.#retrace = !this.#retrace;
        return this.#retrace ? STATUS_RETRACE : 0;
      default:
        return 0xff;
    }
  }

  write(offset: number, _bytes: AccessBytes, value: number): void {
    const port = FIRST_PORT + offset;
    const index = BANK_PORTS[port];
    const bank = BANK_PORTS[port - 1];
    if (index !== undefined) this.#indexes[index] = value;
    else if (bank !== undefined) this.#writeBank(bank, value);
    else if (port === 0x3c0) this.#writeAttribute(value);
    else if (port === 0x3c2) this.#miscellaneous = value;
    else if (port === 0x3c6) this.#paletteMask = value;
    else if (port === 0x3c7) this.#paletteRead = value * 3;
    else if (port === 0x3c8) this.#paletteWrite = value * 3;
    else if (port === 0x3c9) {
      this.#palette[this.#paletteWrite] = value & 0x3f;
      this.#paletteWrite = (this.#paletteWrite + 1) % PALETTE_BYTES;
    }
  }

  #writeBank(bank: Bank, value: number): void {
    const index = this.#indexes[bank];
    const registers = this.#banks[bank];
    if (index >= registers.length) return;
    const locked = bank === 'crtc' && index < 8 && ((registers[CRTC_PROTECT_INDEX] ?? 0) & CRTC_PROTECT) !== 0;
    if (locked) return;
    registers[index] = value;
    if (bank === 'graphics' && index === GRAPHICS_MISCELLANEOUS && (value & GRAPHICS_MODE) !== 0) this.#graphicsAsked();
  }

  #writeAttribute(value: number): void {
    if (this.#attributeData) {
      const index = this.#attributeIndex & 31;
      if (index < this.#attribute.length) this.#attribute[index] = value;
    } else this.#attributeIndex = value & 0x3f;
    this.#attributeData = !this.#attributeData;
  }

  #crtcWord(high: number): number {
    const { crtc } = this.#banks;
    return ((crtc[high] ?? 0) << 8) | (crtc[high + 1] ?? 0);
  }

  save(): VgaTextState {
    return {
      miscellaneous: this.#miscellaneous,
      sequencer: [...this.#banks.sequencer],
      crtc: [...this.#banks.crtc],
      graphics: [...this.#banks.graphics],
      attribute: [...this.#attribute],
      palette: [...this.#palette],
      indexes: { ...this.#indexes },
      attributeIndex: this.#attributeIndex,
      attributeData: this.#attributeData,
      paletteMask: this.#paletteMask,
      paletteRead: this.#paletteRead,
      paletteWrite: this.#paletteWrite,
      retrace: this.#retrace,
    };
  }

  load(state: VgaTextState): void {
    this.#miscellaneous = state.miscellaneous;
    this.#banks = { sequencer: [...state.sequencer], crtc: [...state.crtc], graphics: [...state.graphics] };
    this.#attribute = [...state.attribute];
    this.#palette = [...state.palette];
    this.#indexes = { ...state.indexes };
    this.#attributeIndex = state.attributeIndex;
    this.#attributeData = state.attributeData;
    this.#paletteMask = state.paletteMask;
    this.#paletteRead = state.paletteRead;
    this.#paletteWrite = state.paletteWrite;
    this.#retrace = state.retrace;
  }

  registers() {
    return decodeRegisters(VGA_REGISTERS, {
      CURSOR: this.#crtcWord(0x0e),
      START: this.#crtcWord(0x0c),
      CURSOR_SHAPE: this.#banks.crtc[0x0a] ?? 0,
      COLUMNS: (this.#banks.crtc[0x01] ?? 0) + 1,
    });
  }
}
