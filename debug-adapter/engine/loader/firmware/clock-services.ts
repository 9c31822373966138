/** INT 1Ah: the tick counter and the CMOS clock (IBM PC AT technical reference, "Time of Day"). */
import type { FirmwareCall } from './context.ts';

const CMOS = 0x70;
const REGISTER = {
  seconds: 0x00,
  minutes: 0x02,
  hours: 0x04,
  day: 0x07,
  month: 0x08,
  year: 0x09,
  century: 0x32,
} as const;
const STATUS_A = 0x0a;
const STATUS_B = 0x0b;
const UPDATE_IN_PROGRESS = 0x80;
const SET = 0x80;
const DAYLIGHT_SAVING = 0x01;
/** The CMOS clock needs at most this many looks to finish an update: 1,984 microseconds. */
const MOST_LOOKS = 0x1_0000;

/** AH = 00h: ticks since midnight in CX:DX; AL tells whether midnight has passed since the last call. */
export function readTicks(call: FirmwareCall): void {
  const ticks = call.field('ticks');
  call.setLow('ecx', ticks >>> 16);
  call.setLow('edx', ticks);
  call.setAl(call.field('ticksWrapped'));
  call.setField('ticksWrapped', 0);
}

/** AH = 01h: sets the ticks to CX:DX. */
export function setTicks(call: FirmwareCall): void {
  call.setField('ticks', ((call.low('ecx') << 16) | call.low('edx')) >>> 0);
  call.setField('ticksWrapped', 0);
}

/** False where the clock does not finish its update: it is stopped. */
function clockIsStable(call: FirmwareCall): boolean {
  for (let looks = 0; looks < MOST_LOOKS; looks++)
    if ((call.readIndexed(CMOS, STATUS_A) & UPDATE_IN_PROGRESS) === 0) return true;
  return false;
}

/** AH = 02h: BCD hours in CH, minutes in CL, seconds in DH; DL tells about daylight saving. */
export function readTime(call: FirmwareCall): void {
  call.setCarry(!clockIsStable(call));
  call.setHigh('ecx', call.readIndexed(CMOS, REGISTER.hours));
  call.setLowByte('ecx', call.readIndexed(CMOS, REGISTER.minutes));
  call.setHigh('edx', call.readIndexed(CMOS, REGISTER.seconds));
  call.setLowByte('edx', call.readIndexed(CMOS, STATUS_B) & DAYLIGHT_SAVING);
}

/** AH = 03h: sets what 02h reads. */
export function setTime(call: FirmwareCall): void {
  stopped(call, () => {
    call.writeIndexed(CMOS, REGISTER.hours, call.high('ecx'));
    call.writeIndexed(CMOS, REGISTER.minutes, call.lowByte('ecx'));
    call.writeIndexed(CMOS, REGISTER.seconds, call.high('edx'));
  });
}

/** AH = 04h: BCD century in CH, year in CL, month in DH, day in DL. */
export function readDate(call: FirmwareCall): void {
  call.setCarry(!clockIsStable(call));
  call.setHigh('ecx', call.readIndexed(CMOS, REGISTER.century));
  call.setLowByte('ecx', call.readIndexed(CMOS, REGISTER.year));
  call.setHigh('edx', call.readIndexed(CMOS, REGISTER.month));
  call.setLowByte('edx', call.readIndexed(CMOS, REGISTER.day));
}

/** AH = 05h: sets what 04h reads. */
export function setDate(call: FirmwareCall): void {
  stopped(call, () => {
    call.writeIndexed(CMOS, REGISTER.century, call.high('ecx'));
    call.writeIndexed(CMOS, REGISTER.year, call.lowByte('ecx'));
    call.writeIndexed(CMOS, REGISTER.month, call.high('edx'));
    call.writeIndexed(CMOS, REGISTER.day, call.lowByte('edx'));
  });
}

/** Sets the clock with its updates held back. */
function stopped(call: FirmwareCall, set: () => void): void {
  const status = call.readIndexed(CMOS, STATUS_B);
  call.writeIndexed(CMOS, STATUS_B, status | SET);
  set();
  call.writeIndexed(CMOS, STATUS_B, status & ~SET);
  call.setCarry(false);
}
