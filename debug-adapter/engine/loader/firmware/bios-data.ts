/** The BIOS data area in segment 40h, which the firmware's services keep and boot programs read (IBM PC AT technical reference). */
import { EXTENDED_BIOS_DATA } from '../../base/memory-map.ts';

export const BIOS_DATA = 0x400;
export const BIOS_DATA_SEGMENT = 0x40;
const BIOS_DATA_BYTES = 0x100;

interface Field {
  /** In segment 40h. */
  readonly offset: number;
  readonly bytes: 1 | 2 | 4;
  /** What the firmware's start-up leaves. */
  readonly value: number;
}

/** Keyboard ring buffer: 16 words, one of which stays empty. */
const KEYBOARD_BUFFER = { start: 0x1e, end: 0x3e } as const;

/** x87, 80 x 25 colour text and one serial port; with or without a floppy drive. */
export const EQUIPMENT = { others: 0x0222, floppy: 0x0001 } as const;

export const BIOS_DATA_FIELDS = {
  com1: { offset: 0x00, bytes: 2, value: 0x3f8 },
  extendedBiosDataSegment: { offset: 0x0e, bytes: 2, value: EXTENDED_BIOS_DATA >> 4 },
  equipment: { offset: 0x10, bytes: 2, value: EQUIPMENT.others | EQUIPMENT.floppy },
  conventionalKib: { offset: 0x13, bytes: 2, value: EXTENDED_BIOS_DATA / 1024 },
  keyboardFlags: { offset: 0x17, bytes: 2, value: 0 },
  keyboardHead: { offset: 0x1a, bytes: 2, value: KEYBOARD_BUFFER.start },
  keyboardTail: { offset: 0x1c, bytes: 2, value: KEYBOARD_BUFFER.start },
  disketteStatus: { offset: 0x41, bytes: 1, value: 0 },
  videoMode: { offset: 0x49, bytes: 1, value: 3 },
  columns: { offset: 0x4a, bytes: 2, value: 80 },
  videoPageBytes: { offset: 0x4c, bytes: 2, value: 0x1000 },
  videoPageStart: { offset: 0x4e, bytes: 2, value: 0 },
  /** Column and row of each of eight pages. */
  cursors: { offset: 0x50, bytes: 2, value: 0 },
  cursorShape: { offset: 0x60, bytes: 2, value: 0x0607 },
  activePage: { offset: 0x62, bytes: 1, value: 0 },
  crtController: { offset: 0x63, bytes: 2, value: 0x3d4 },
  crtModeControl: { offset: 0x65, bytes: 1, value: 0x29 },
  crtPalette: { offset: 0x66, bytes: 1, value: 0x30 },
  ticks: { offset: 0x6c, bytes: 4, value: 0 },
  ticksWrapped: { offset: 0x70, bytes: 1, value: 0 },
  hardDiskStatus: { offset: 0x74, bytes: 1, value: 0 },
  hardDisks: { offset: 0x75, bytes: 1, value: 0 },
  keyboardStart: { offset: 0x80, bytes: 2, value: KEYBOARD_BUFFER.start },
  keyboardEnd: { offset: 0x82, bytes: 2, value: KEYBOARD_BUFFER.end },
  lastRow: { offset: 0x84, bytes: 1, value: 24 },
  characterHeight: { offset: 0x85, bytes: 2, value: 16 },
  /** 256 KiB of video memory, colour display; 400 scan lines. */
  videoControl: { offset: 0x87, bytes: 1, value: 0x60 },
  videoSwitches: { offset: 0x88, bytes: 1, value: 0xf9 },
  videoOptions: { offset: 0x89, bytes: 1, value: 0x11 },
  displayCombination: { offset: 0x8a, bytes: 1, value: 0x08 },
  /** Bit 4: a keyboard with 101 keys; bits 1 and 0: the last byte was E0h or E1h. */
  keyboardState: { offset: 0x96, bytes: 1, value: 0x10 },
} as const satisfies Record<string, Field>;

export type BiosDataField = keyof typeof BIOS_DATA_FIELDS;

/** Guest-physical address of a field. */
export const biosDataAddress = (field: BiosDataField): number => BIOS_DATA + BIOS_DATA_FIELDS[field].offset;

/** Fields that the machine's disks decide: by default one floppy. */
export type BiosDataChoices = Partial<Record<'equipment' | 'hardDisks', number>>;

/** The area as the firmware's start-up leaves it. */
export function initialBiosData(choices: BiosDataChoices): Uint8Array {
  const area = new Uint8Array(BIOS_DATA_BYTES);
  const fields: Readonly<Record<string, Field>> = BIOS_DATA_FIELDS;
  const chosen: Readonly<Record<string, number | undefined>> = choices;
  for (const [name, { offset, bytes, value }] of Object.entries(fields))
    for (let at = 0; at < bytes; at++) area[offset + at] = ((chosen[name] ?? value) >> (at * 8)) & 0xff;
  return area;
}
