/** Where things are in the firmware's ROM, and the numbers by which its stubs call the host. */
import { FIRMWARE_ROM } from '../../base/memory-map.ts';

export const FIRMWARE_SEGMENT = FIRMWARE_ROM >> 4;
export const ROM_BYTES = 0x1_0000;

/** Written by a stub to call the host. No PC device uses it. */
export const FIRMWARE_CALL_PORT = 0xb5;
/** Numbers of calls that are no interrupt; those below are interrupt vectors. */
export const CALL = {
  /** A jump to the reset vector. */
  reset: 0x100,
  /** The keyboard interrupt's handler has read AL from the controller. */
  key: 0x101,
} as const;

export const EXTRA_HANDLERS = 0xb000;
export const IRQ_HANDLERS = 0xc000;
export const IRQ_HANDLER_BYTES = 0x40;
export const EMPTY_HANDLER = 0xc800;
const STUBS = 0xd000;
const STUB_BYTES = 16;
/** Where compatible BIOSes have these two; programs find them through INT 15h, AH = C0h and vector 1Eh. */
export const CONFIGURATION_TABLE = 0xe6f5;
export const DISKETTE_PARAMETERS = 0xefc7;
export const RESET_VECTOR = 0xfff0;
export const BUILD_DATE = 0xfff5;
export const MODEL = 0xfffe;
export const MODEL_AT = 0xfc;

export const stubOffset = (call: number): number => STUBS + call * STUB_BYTES;
