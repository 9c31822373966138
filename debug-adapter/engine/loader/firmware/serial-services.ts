/** INT 14h on COM1, and INT 17h for the printers that the machine does not have. */
import type { FirmwareCall } from './context.ts';

const TIMED_OUT = 0x80;
/** Registers of the UART (16550 data sheet), from its base port. */
const UART = { data: 0, divisorLow: 0, divisorHigh: 1, lineControl: 3, lineStatus: 5, modemStatus: 6 } as const;
const DIVISOR_ACCESS = 0x80;
const DATA_READY = 0x01;
const TRANSMITTER_EMPTY = 0x20;
/** Divisors of 115,200 baud for AL bits 7:5: 110 to 9,600 baud. */
const DIVISORS = [1047, 768, 384, 192, 96, 48, 24, 12] as const;

/** Base port of serial port DX; undefined where the BIOS data area has none. */
function baseOf(call: FirmwareCall): number | undefined {
  const base = call.low('edx') === 0 ? call.field('com1') : 0;
  return base === 0 ? undefined : base;
}

const statusOf = (call: FirmwareCall, base: number): number => call.context.readPort(base + UART.lineStatus, 1);

/** AH = 00h: speed and format from AL; status in AX. */
export function setUpSerial(call: FirmwareCall): void {
  const base = baseOf(call);
  if (base === undefined) return;
  const write = (register: number, value: number): void => call.context.writePort(base + register, 1, value);
  const divisor = DIVISORS[call.al >> 5] ?? 12;
  write(UART.lineControl, DIVISOR_ACCESS);
  write(UART.divisorLow, divisor & 0xff);
  write(UART.divisorHigh, divisor >> 8);
  write(UART.lineControl, call.al & 0x1f);
  readSerialStatus(call);
}

/** AH = 01h: sends AL; line status in AH. */
export function sendSerial(call: FirmwareCall): void {
  const base = baseOf(call);
  if (base === undefined) return;
  const status = statusOf(call, base);
  if ((status & TRANSMITTER_EMPTY) === 0) return call.setAh(status | TIMED_OUT);
  call.context.writePort(base + UART.data, 1, call.al);
  call.setAh(statusOf(call, base));
}

/** AH = 02h: a received character to AL; line status in AH. */
export function receiveSerial(call: FirmwareCall): void {
  const base = baseOf(call);
  if (base === undefined) return;
  const status = statusOf(call, base);
  if ((status & DATA_READY) === 0) return call.setAh(status | TIMED_OUT);
  call.setAl(call.context.readPort(base + UART.data, 1));
  call.setAh(status & 0x1e);
}

/** AH = 03h: line status in AH, modem status in AL. */
export function readSerialStatus(call: FirmwareCall): void {
  const base = baseOf(call);
  if (base === undefined) return;
  call.setLow('eax', (statusOf(call, base) << 8) | call.context.readPort(base + UART.modemStatus, 1));
}

/** INT 17h: no printer ever answers. */
export function noPrinter(call: FirmwareCall): void {
  call.setAh(TIMED_OUT);
}
