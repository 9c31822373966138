/**
 * What our firmware leaves in memory before it starts a boot sector: interrupt vectors, BIOS data area, an empty screen and a
 * 64 KiB ROM at F0000h. The ROM holds one small stub for each interrupt vector. A stub pushes its number and writes to a port of
 * ours; the host answers there (`services.ts`), then the stub returns. The handlers of hardware interrupts are real code.
 */
import { EXTENDED_BIOS_DATA, FIRMWARE_ROM } from '../../base/memory-map.ts';
import type { LoadSegment } from '../../base/program.ts';
import { BIOS_DATA, initialBiosData, type BiosDataChoices } from './bios-data.ts';
import { RealModeCode } from './code.ts';
import {
  VECTOR_MASTER,
  VECTOR_SLAVE,
  VECTOR_USER_TICK,
  callHost,
  writeIrqHandler,
  writeKeyboardService,
} from './handlers.ts';
import {
  BUILD_DATE,
  CALL,
  CONFIGURATION_TABLE,
  DISKETTE_PARAMETERS,
  EMPTY_HANDLER,
  EXTRA_HANDLERS,
  FIRMWARE_SEGMENT,
  IRQ_HANDLERS,
  IRQ_HANDLER_BYTES,
  MODEL,
  MODEL_AT,
  RESET_VECTOR,
  ROM_BYTES,
  stubOffset,
} from './rom-layout.ts';
import { BLANK_CELL, VIDEO_MEMORY } from './video-services.ts';

const VECTORS = 0x100;
const VECTOR_KEYBOARD_SERVICE = 0x16;
const VECTOR_DISKETTE_PARAMETERS = 0x1e;
const SCREEN_CELLS = 80 * 25;

/** Diskette parameters of a 1.44 MB drive (IBM PC AT technical reference, "Diskette parameter table"). */
const DISKETTE_PARAMETER_BYTES = [0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08];

/** Model AT, submodel 0, revision 1; second interrupt controller, clock and an extended BIOS data area; INT 16h, AH = 09h. */
const CONFIGURATION_BYTES = [0x08, 0x00, MODEL_AT, 0x00, 0x01, 0x64, 0x40, 0x00, 0x00, 0x00];

/**
 * What the firmware's start-up has done to the chips, in order: timer 0 at 18.2 Hz, interrupt controllers at vectors 08h and
 * 70h with timer and cascade open, COM1 at 9,600 baud, 8 data bits, no parity.
 */
export const FIRMWARE_PORT_WRITES: readonly { readonly port: number; readonly value: number }[] = [
  [0x43, 0x34],
  [0x40, 0x00],
  [0x40, 0x00],
  [0x43, 0x54],
  [0x41, 0x12],
  [0x20, 0x11],
  [0x21, VECTOR_MASTER],
  [0x21, 0x04],
  [0x21, 0x01],
  [0xa0, 0x11],
  [0xa1, VECTOR_SLAVE],
  [0xa1, 0x02],
  [0xa1, 0x01],
  [0x21, 0xb8],
  [0xa1, 0x8f],
  [0x3fb, 0x83],
  [0x3f8, 0x0c],
  [0x3f9, 0x00],
  [0x3fb, 0x03],
].map(([port = 0, value = 0]) => ({ port, value }));

/** The segments to place before a boot sector runs. The one at F0000h is ROM. */
export function buildFirmwareImage(choices: BiosDataChoices = {}): readonly LoadSegment[] {
  const biosData = initialBiosData(choices);
  const lowMemory = new Uint8Array(BIOS_DATA + biosData.length);
  const low = new DataView(lowMemory.buffer);
  for (let vector = 0; vector < VECTORS; vector++) {
    low.setUint16(vector * 4, handlerOffset(vector), true);
    low.setUint16(vector * 4 + 2, FIRMWARE_SEGMENT, true);
  }
  lowMemory.set(biosData, BIOS_DATA);
  return [
    { address: 0, bytes: lowMemory, zeroBytes: 0 },
    // The extended BIOS data area begins with its own size in KiB.
    { address: EXTENDED_BIOS_DATA, bytes: Uint8Array.of(1), zeroBytes: 1023 },
    {
      address: VIDEO_MEMORY,
      bytes: new Uint8Array(new Uint16Array(SCREEN_CELLS).fill(BLANK_CELL).buffer),
      zeroBytes: 0,
    },
    { address: FIRMWARE_ROM, bytes: buildRom(), zeroBytes: 0 },
  ];
}

/** Offset in the firmware segment of what a vector points to. */
function handlerOffset(vector: number): number {
  if (vector === VECTOR_USER_TICK) return EMPTY_HANDLER;
  if (vector === VECTOR_DISKETTE_PARAMETERS) return DISKETTE_PARAMETERS;
  if (vector === VECTOR_KEYBOARD_SERVICE) return EXTRA_HANDLERS;
  const irq = irqOfVector(vector);
  return irq === undefined ? stubOffset(vector) : irqHandlerOffset(irq);
}

const irqHandlerOffset = (irq: number): number => IRQ_HANDLERS + irq * IRQ_HANDLER_BYTES;

function irqOfVector(vector: number): number | undefined {
  if (vector >= VECTOR_MASTER && vector < VECTOR_MASTER + 8) return vector - VECTOR_MASTER;
  if (vector >= VECTOR_SLAVE && vector < VECTOR_SLAVE + 8) return vector - VECTOR_SLAVE + 8;
  return undefined;
}

function buildRom(): Uint8Array {
  // Unused ROM reads as an erased chip.
  const rom = new Uint8Array(ROM_BYTES).fill(0xff);
  const place = (offset: number, write: (code: RealModeCode) => void) => {
    const code = new RealModeCode(offset);
    write(code);
    rom.set(code.bytes, offset);
  };
  for (let call = 0; call <= CALL.reset; call++) place(stubOffset(call), (code) => callHost(code, call).iret());
  place(EMPTY_HANDLER, (code) => code.iret());
  place(EXTRA_HANDLERS, writeKeyboardService);
  for (let irq = 0; irq < 16; irq++) place(irqHandlerOffset(irq), (code) => writeIrqHandler(code, irq));
  rom.set(CONFIGURATION_BYTES, CONFIGURATION_TABLE);
  rom.set(DISKETTE_PARAMETER_BYTES, DISKETTE_PARAMETERS);
  place(RESET_VECTOR, (code) => code.jumpFar(FIRMWARE_SEGMENT, stubOffset(CALL.reset)));
  rom.set(
    [...'01/01/00'].map((letter) => letter.charCodeAt(0)),
    BUILD_DATE,
  );
  rom[MODEL] = MODEL_AT;
  return rom;
}
