/** INT 1Ah, AH = B1h: the PCI BIOS (PCI BIOS specification 2.1) over configuration mechanism 1. */
import type { FirmwareCall } from './context.ts';

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const ENABLE = 0x8000_0000;
const VENDOR = 0x00;
const CLASS = 0x08;
const HEADER_TYPE = 0x0e;
const MULTIFUNCTION = 0x80;
const NOTHING = 0xffff;

/** `PCI ` as EDX has it. */
const SIGNATURE = 0x2049_4350;
const VERSION_2_10 = 0x0210;
const MECHANISM_1 = 0x01;
const LAST_BUS = 0;
const DEVICES = 32;
const FUNCTIONS = 8;

const STATUS = { successful: 0x00, badVendor: 0x83, notFound: 0x86, badRegister: 0x87 } as const;
type Status = (typeof STATUS)[keyof typeof STATUS];

type Width = 1 | 2 | 4;

function finish(call: FirmwareCall, status: Status): void {
  call.setAh(status);
  call.setCarry(status !== STATUS.successful);
}

/** `place`: bus, device and function as BX has them. */
function select(call: FirmwareCall, place: number, register: number): void {
  call.context.writePort(CONFIG_ADDRESS, 4, (ENABLE | (place << 8) | (register & 0xfc)) >>> 0);
}

function readConfig(call: FirmwareCall, place: number, register: number, bytes: Width): number {
  select(call, place, register);
  return call.context.readPort(CONFIG_DATA + (register & 3), bytes);
}

/** Every function that answers, by bus, device and function. */
function* functions(call: FirmwareCall): Generator<number> {
  for (let device = 0; device < DEVICES; device++) {
    const first = device * FUNCTIONS;
    if (readConfig(call, first, VENDOR, 2) === NOTHING) continue;
    const several = (readConfig(call, first, HEADER_TYPE, 1) & MULTIFUNCTION) !== 0;
    for (let place = first; place < first + (several ? FUNCTIONS : 1); place++)
      if (readConfig(call, place, VENDOR, 2) !== NOTHING) yield place;
  }
}

/** AL = 01h: that there is a PCI BIOS. */
export function pciPresent(call: FirmwareCall): void {
  call.context.setRegister('edx', SIGNATURE);
  call.setAl(MECHANISM_1);
  call.setLow('ebx', VERSION_2_10);
  call.setLowByte('ecx', LAST_BUS);
  finish(call, STATUS.successful);
}

function find(call: FirmwareCall, matches: (place: number) => boolean): void {
  let before = call.low('esi');
  for (const place of functions(call)) {
    if (!matches(place) || before-- > 0) continue;
    call.setLow('ebx', place);
    return finish(call, STATUS.successful);
  }
  finish(call, STATUS.notFound);
}

/** AL = 02h: the SI-th function of vendor DX and device CX. */
export function findPciDevice(call: FirmwareCall): void {
  if (call.low('edx') === NOTHING) return finish(call, STATUS.badVendor);
  const wanted = ((call.low('ecx') << 16) | call.low('edx')) >>> 0;
  find(call, (place) => readConfig(call, place, VENDOR, 4) === wanted);
}

/** AL = 03h: the SI-th function of class ECX. */
export function findPciClass(call: FirmwareCall): void {
  const wanted = call.context.register('ecx') & 0xff_ffff;
  find(call, (place) => readConfig(call, place, CLASS, 4) >>> 8 === wanted);
}

/** AL = 08h, 09h and 0Ah: register DI of function BX to CL, CX or ECX. */
export function readPci(call: FirmwareCall, bytes: Width): void {
  const register = call.low('edi');
  if (!isRegister(register, bytes)) return finish(call, STATUS.badRegister);
  const value = readConfig(call, call.low('ebx'), register, bytes);
  if (bytes === 4) call.context.setRegister('ecx', value);
  else if (bytes === 2) call.setLow('ecx', value);
  else call.setLowByte('ecx', value);
  finish(call, STATUS.successful);
}

/** AL = 0Bh, 0Ch and 0Dh: CL, CX or ECX to register DI of function BX. */
export function writePci(call: FirmwareCall, bytes: Width): void {
  const register = call.low('edi');
  if (!isRegister(register, bytes)) return finish(call, STATUS.badRegister);
  select(call, call.low('ebx'), register);
  const value = call.context.register('ecx');
  const kept = bytes === 4 ? value : bytes === 2 ? value & 0xffff : value & 0xff;
  call.context.writePort(CONFIG_DATA + (register & 3), bytes, kept);
  finish(call, STATUS.successful);
}

const isRegister = (register: number, bytes: Width): boolean => register < 0x100 && register % bytes === 0;
