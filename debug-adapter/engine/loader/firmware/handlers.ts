/** The firmware's handlers that are real code: hardware interrupts, and services that wait. */
import { BIOS_DATA_FIELDS, BIOS_DATA_SEGMENT } from './bios-data.ts';
import type { RealModeCode } from './code.ts';
import { CALL, FIRMWARE_CALL_PORT, FIRMWARE_SEGMENT, stubOffset } from './rom-layout.ts';

const PIC_MASTER = 0x20;
const PIC_SLAVE = 0xa0;
const OCW2_END = 0x20;
const OCW3_READ_ISR = 0x0b;
const KEYBOARD_DATA = 0x60;
/** Timer interrupts in a day. */
const TICKS_PER_DAY = 0x18_00b0;

export const VECTOR_MASTER = 0x08;
export const VECTOR_SLAVE = 0x70;
export const VECTOR_USER_TICK = 0x1c;
const VECTOR_KEYBOARD_SERVICE = 0x16;

/** INT 16h functions 00h and 10h wait for a key: AH bits other than these are zero. */
const WAITS_WITHOUT = 0xef;

const irqVector = (irq: number): number => (irq < 8 ? VECTOR_MASTER + irq : VECTOR_SLAVE + irq - 8);

/** Pushes the number, calls the host, and leaves what the host has changed. */
export const callHost = (code: RealModeCode, number: number): RealModeCode =>
  code.pushWord(number).outAl(FIRMWARE_CALL_PORT).addSp(2);

/**
 * Ends a hardware interrupt. Vectors 08h to 0Fh are exceptions too, and an INT instruction reaches any vector: if the
 * interrupt controller has nothing in service here, the host is told, which stops with the vector's name.
 */
export function writeIrqHandler(code: RealModeCode, irq: number): void {
  const slave = irq >= 8;
  const pic = slave ? PIC_SLAVE : PIC_MASTER;
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
    else not.jump(stubOffset(irqVector(irq)));
  });
  if (irq === 0) writeTick(code);
  if (irq === 1) callHost(code.inAl(KEYBOARD_DATA), CALL.key);
  code.movAl(OCW2_END).outAl(pic);
  if (slave) code.outAl(PIC_MASTER);
  code.popAx().iret();
}

/** Counts the tick, notes midnight, and lets the program's own INT 1Ch handler see it. */
function writeTick(code: RealModeCode): void {
  const { ticks, ticksWrapped } = BIOS_DATA_FIELDS;
  code.pushDs().pushWord(BIOS_DATA_SEGMENT).popDs();
  code.incDword(ticks.offset).cmpDword(ticks.offset, TICKS_PER_DAY);
  code.unlessBelow((midnight) => midnight.movDword(ticks.offset, 0).movByte(ticksWrapped.offset, 1));
  code.interrupt(VECTOR_USER_TICK).popDs();
}

/** INT 16h. A function that waits halts until the one that only looks has found a key; interrupts may come in between. */
export function writeKeyboardService(code: RealModeCode): void {
  const stub = stubOffset(VECTOR_KEYBOARD_SERVICE);
  code.testAh(WAITS_WITHOUT).jumpIfNotZero(stub);
  const look = code.here;
  code.cli().pushAx().incAh().pushFlags().callFar(FIRMWARE_SEGMENT, stub).popAx().jumpIfNotZero(stub);
  code.sti().hlt().jump(look);
}
