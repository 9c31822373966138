/**
 * What our firmware leaves in memory before it starts a boot sector: interrupt vectors, BIOS data area and a 64 KiB ROM at
 * F0000h. The ROM holds one small stub for each interrupt vector. A stub pushes its number and writes to a port of ours;
 * the host answers there (`services.ts`), then the stub returns. The handlers of hardware interrupts are real code.
 */
import { EXTENDED_BIOS_DATA, FIRMWARE_ROM } from '../../base/memory-map.ts';
import type { LoadSegment } from '../../base/program.ts';
import { RealModeCode } from './code.ts';

/** Written by a stub to call the host. No PC device uses it. */
export const FIRMWARE_CALL_PORT = 0xb5;
/** Call number of a jump to the reset vector; the numbers below are interrupt vectors. */
export const RESET_CALL = 0x100;

export const FIRMWARE_SEGMENT = FIRMWARE_ROM >> 4;
const ROM_BYTES = 0x1_0000;
const VECTORS = 0x100;

const IRQ_HANDLERS = 0xc000;
const IRQ_HANDLER_BYTES = 0x40;
const EMPTY_HANDLER = 0xc800;
const STUBS = 0xd000;
const STUB_BYTES = 16;
/** Where compatible BIOSes have it; programs find it through vector 1Eh. */
export const DISKETTE_PARAMETERS = 0xefc7;
const RESET_VECTOR = 0xfff0;
const BUILD_DATE = 0xfff5;
const MODEL = 0xfffe;
const MODEL_AT = 0xfc;

const BIOS_DATA = 0x400;
const BIOS_DATA_SEGMENT = 0x40;
const BIOS_DATA_BYTES = 0x100;
const TICKS = 0x6c;
const TICKS_WRAPPED = 0x70;
/** Timer interrupts in a day. */
const TICKS_PER_DAY = 0x18_00b0;

const PIC_MASTER = 0x20;
const PIC_SLAVE = 0xa0;
const OCW2_END = 0x20;
const OCW3_READ_ISR = 0x0b;

const VECTOR_MASTER = 0x08;
const VECTOR_SLAVE = 0x70;
const VECTOR_USER_TICK = 0x1c;
const VECTOR_DISKETTE_PARAMETERS = 0x1e;

/** Fields of the BIOS data area that boot programs read (offsets in segment 40h). */
export const BIOS_DATA_FIELDS = {
  com1: { offset: 0x00, bytes: 2, value: 0x3f8 },
  extendedBiosDataSegment: { offset: 0x0e, bytes: 2, value: EXTENDED_BIOS_DATA >> 4 },
  /** One floppy drive, 80 x 25 colour text, one serial port. */
  equipment: { offset: 0x10, bytes: 2, value: 0x0221 },
  conventionalKib: { offset: 0x13, bytes: 2, value: EXTENDED_BIOS_DATA / 1024 },
  disketteStatus: { offset: 0x41, bytes: 1, value: 0 },
  videoMode: { offset: 0x49, bytes: 1, value: 3 },
  columns: { offset: 0x4a, bytes: 2, value: 80 },
  crtController: { offset: 0x63, bytes: 2, value: 0x3d4 },
  hardDisks: { offset: 0x75, bytes: 1, value: 0 },
  lastRow: { offset: 0x84, bytes: 1, value: 24 },
} as const;

/** Guest-physical address of a field. */
export const biosDataAddress = (field: keyof typeof BIOS_DATA_FIELDS): number =>
  BIOS_DATA + BIOS_DATA_FIELDS[field].offset;

/** Diskette parameters of a 1.44 MB drive (IBM PC AT technical reference, "Diskette parameter table"). */
const DISKETTE_PARAMETER_BYTES = [0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08];

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
export function buildFirmwareImage(): readonly LoadSegment[] {
  const lowMemory = new Uint8Array(BIOS_DATA + BIOS_DATA_BYTES);
  const low = new DataView(lowMemory.buffer);
  for (let vector = 0; vector < VECTORS; vector++) {
    low.setUint16(vector * 4, handlerOffset(vector), true);
    low.setUint16(vector * 4 + 2, FIRMWARE_SEGMENT, true);
  }
  for (const { offset, bytes, value } of Object.values(BIOS_DATA_FIELDS)) {
    if (bytes === 1) low.setUint8(BIOS_DATA + offset, value);
    else low.setUint16(BIOS_DATA + offset, value, true);
  }
  return [
    { address: 0, bytes: lowMemory, zeroBytes: 0 },
    // The extended BIOS data area begins with its own size in KiB.
    { address: EXTENDED_BIOS_DATA, bytes: Uint8Array.of(1), zeroBytes: 1023 },
    { address: FIRMWARE_ROM, bytes: buildRom(), zeroBytes: 0 },
  ];
}

/** Offset in the firmware segment of what a vector points to. */
function handlerOffset(vector: number): number {
  if (vector === VECTOR_USER_TICK) return EMPTY_HANDLER;
  if (vector === VECTOR_DISKETTE_PARAMETERS) return DISKETTE_PARAMETERS;
  const irq = irqOfVector(vector);
  return irq === undefined ? stubOffset(vector) : irqHandlerOffset(irq);
}

const stubOffset = (call: number): number => STUBS + call * STUB_BYTES;
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
  for (let call = 0; call <= RESET_CALL; call++) {
    place(stubOffset(call), (code) => code.pushWord(call).outAl(FIRMWARE_CALL_PORT).addSp(2).iret());
  }
  place(EMPTY_HANDLER, (code) => code.iret());
  for (let irq = 0; irq < 16; irq++) place(irqHandlerOffset(irq), (code) => writeIrqHandler(code, irq));
  rom.set(DISKETTE_PARAMETER_BYTES, DISKETTE_PARAMETERS);
  place(RESET_VECTOR, (code) => code.jumpFar(FIRMWARE_SEGMENT, stubOffset(RESET_CALL)));
  rom.set(
    [...'01/01/00'].map((letter) => letter.charCodeAt(0)),
    BUILD_DATE,
  );
  rom[MODEL] = MODEL_AT;
  return rom;
}

/**
 * Ends a hardware interrupt. Vectors 08h to 0Fh are exceptions too, and an INT instruction reaches any vector: if the
 * interrupt controller has nothing in service here, the host is told, which stops with the vector's name.
 */
function writeIrqHandler(code: RealModeCode, irq: number): void {
  const slave = irq >= 8;
  const pic = slave ? PIC_SLAVE : PIC_MASTER;
  const vector = slave ? VECTOR_SLAVE + irq - 8 : VECTOR_MASTER + irq;
  code
    .pushAx()
    .movAl(OCW3_READ_ISR)
    .outAl(pic)
    .inAl(pic)
    .testAl(1 << (irq & 7));
  code.unlessNotZero((not) => {
    // A spurious interrupt of the slave is in service in the master; one of the master is nowhere.
    if (irq === 15) not.movAl(OCW2_END).outAl(PIC_MASTER);
    not.popAx();
    if ((irq & 7) === 7) not.iret();
    else not.jump(stubOffset(vector));
  });
  if (irq === 0) writeTick(code);
  code.movAl(OCW2_END).outAl(pic);
  if (slave) code.outAl(PIC_MASTER);
  code.popAx().iret();
}

/** Counts the tick, notes midnight, and lets the program's own INT 1Ch handler see it. */
function writeTick(code: RealModeCode): void {
  code.pushDs().pushWord(BIOS_DATA_SEGMENT).popDs();
  code.incDword(TICKS).cmpDword(TICKS, TICKS_PER_DAY);
  code.unlessBelow((midnight) => midnight.movDword(TICKS, 0).movByte(TICKS_WRAPPED, 1));
  code.interrupt(VECTOR_USER_TICK).popDs();
}
