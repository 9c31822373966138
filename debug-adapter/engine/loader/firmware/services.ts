/** Every firmware service there is, one row each. Any other call stops the machine with its name. */
import { readDate, readTicks, readTime, setDate, setTicks, setTime } from './clock-services.ts';
import {
  FirmwareCall,
  FirmwareGap,
  type FirmwareContext,
  type FirmwareMachine,
  type FirmwareResult,
} from './context.ts';
import {
  badCommand,
  checkExtensions,
  readDriveKind,
  readExtendedParameters,
  readGeometry,
  readStatus,
  ready,
  transferByCylinder,
  transferByLba,
} from './disk-services.ts';
import {
  keyArrived,
  keyboardFunctions,
  peekKey,
  readExtendedShiftFlags,
  readKey,
  readShiftFlags,
  writeKey,
} from './keyboard-services.ts';
import { findPciClass, findPciDevice, pciPresent, readPci, writePci } from './pci-services.ts';
import { CALL } from './rom-layout.ts';
import { noPrinter, readSerialStatus, receiveSerial, sendSerial, setUpSerial } from './serial-services.ts';
import {
  a20Support,
  extendedMemory,
  extendedMemoryInBlocks,
  memoryMapEntry,
  moveBlock,
  readA20,
  readConfigurationTable,
  readConventionalMemory,
  readEquipment,
  readExtendedDataSegment,
  setA20,
  unsupported,
} from './system-services.ts';
import * as video from './video-services.ts';

interface Service {
  readonly vector: number;
  /** Function number in AH, or in all of AX where the row has four digits; neither where the interrupt has one function. */
  readonly ah?: number;
  readonly ax?: number;
  readonly title: string;
  readonly run: (call: FirmwareCall) => void;
}

const VIDEO: readonly Service[] = [
  { vector: 0x10, ah: 0x00, title: 'set video mode', run: video.setMode },
  { vector: 0x10, ah: 0x01, title: 'set cursor type', run: video.setCursorType },
  { vector: 0x10, ah: 0x02, title: 'set cursor position', run: video.setCursorPosition },
  { vector: 0x10, ah: 0x03, title: 'read cursor', run: video.readCursor },
  { vector: 0x10, ah: 0x05, title: 'select page', run: video.selectPage },
  { vector: 0x10, ah: 0x06, title: 'scroll up', run: (call) => video.scroll(call, 'up') },
  { vector: 0x10, ah: 0x07, title: 'scroll down', run: (call) => video.scroll(call, 'down') },
  { vector: 0x10, ah: 0x08, title: 'read character and attribute', run: video.readCell },
  {
    vector: 0x10,
    ah: 0x09,
    title: 'write character and attribute',
    run: (call) => video.writeCells(call, call.lowByte('ebx')),
  },
  { vector: 0x10, ah: 0x0a, title: 'write character', run: (call) => video.writeCells(call, undefined) },
  { vector: 0x10, ah: 0x0b, title: 'set border or palette', run: video.setColor },
  { vector: 0x10, ah: 0x0e, title: 'teletype output', run: video.teletype },
  { vector: 0x10, ah: 0x0f, title: 'read video mode', run: video.readMode },
  { vector: 0x10, ax: 0x1001, title: 'set border', run: video.setOverscan },
  { vector: 0x10, ax: 0x1003, title: 'blinking or bright background', run: video.setBlinking },
  { vector: 0x10, ah: 0x11, title: 'load font', run: video.loadFont },
  { vector: 0x10, ah: 0x12, title: 'display adapter', run: video.alternateSelect },
  { vector: 0x10, ah: 0x13, title: 'write string', run: video.writeString },
  { vector: 0x10, ax: 0x1a00, title: 'display combination', run: video.readDisplayCombination },
  { vector: 0x10, ah: 0x4f, title: 'VESA BIOS Extensions: none', run: video.noVesa },
];

const DISK: readonly Service[] = [
  { vector: 0x13, ah: 0x00, title: 'reset disk', run: ready },
  { vector: 0x13, ah: 0x01, title: 'status of the last function', run: readStatus },
  { vector: 0x13, ah: 0x02, title: 'read sectors', run: transferByCylinder('read') },
  { vector: 0x13, ah: 0x03, title: 'write sectors', run: transferByCylinder('write') },
  { vector: 0x13, ah: 0x04, title: 'verify sectors', run: transferByCylinder('verify') },
  { vector: 0x13, ah: 0x08, title: 'drive parameters', run: readGeometry },
  { vector: 0x13, ah: 0x0c, title: 'seek', run: ready },
  { vector: 0x13, ah: 0x0d, title: 'reset hard disk', run: ready },
  { vector: 0x13, ah: 0x10, title: 'drive ready', run: ready },
  { vector: 0x13, ah: 0x11, title: 'recalibrate', run: ready },
  { vector: 0x13, ah: 0x15, title: 'kind of drive', run: readDriveKind },
  { vector: 0x13, ah: 0x16, title: 'disk changed', run: ready },
  { vector: 0x13, ah: 0x41, title: 'check extensions', run: checkExtensions },
  { vector: 0x13, ah: 0x42, title: 'extended read', run: transferByLba('read') },
  { vector: 0x13, ah: 0x43, title: 'extended write', run: transferByLba('write') },
  { vector: 0x13, ah: 0x44, title: 'extended verify', run: transferByLba('verify') },
  { vector: 0x13, ah: 0x47, title: 'extended seek', run: ready },
  { vector: 0x13, ah: 0x48, title: 'extended drive parameters', run: readExtendedParameters },
  { vector: 0x13, ah: 0x4b, title: 'emulated disk of a bootable CD: none', run: badCommand },
];

const SYSTEM: readonly Service[] = [
  { vector: 0x11, title: 'equipment', run: readEquipment },
  { vector: 0x12, title: 'conventional memory', run: readConventionalMemory },
  { vector: 0x15, ax: 0x2400, title: 'disable A20', run: (call) => setA20(call, false) },
  { vector: 0x15, ax: 0x2401, title: 'enable A20', run: (call) => setA20(call, true) },
  { vector: 0x15, ax: 0x2402, title: 'A20 state', run: readA20 },
  { vector: 0x15, ax: 0x2403, title: 'A20 support', run: a20Support },
  { vector: 0x15, ah: 0x41, title: 'wait for an event: not on an AT', run: unsupported },
  { vector: 0x15, ah: 0x53, title: 'advanced power management: none', run: unsupported },
  { vector: 0x15, ah: 0x87, title: 'move block', run: moveBlock },
  { vector: 0x15, ah: 0x88, title: 'extended memory size', run: extendedMemory },
  { vector: 0x15, ah: 0xc0, title: 'system configuration', run: readConfigurationTable },
  { vector: 0x15, ah: 0xc1, title: 'extended BIOS data segment', run: readExtendedDataSegment },
  { vector: 0x15, ah: 0xc2, title: 'pointing device: none', run: unsupported },
  { vector: 0x15, ah: 0xd8, title: 'EISA: none', run: unsupported },
  { vector: 0x15, ax: 0xe801, title: 'extended memory in blocks', run: extendedMemoryInBlocks },
  { vector: 0x15, ax: 0xe820, title: 'memory map', run: memoryMapEntry },
  { vector: 0x15, ah: 0xe9, title: 'SpeedStep: none', run: unsupported },
  { vector: 0x15, ah: 0xec, title: 'intended processor mode: not asked for', run: unsupported },
  { vector: 0x17, ah: 0x00, title: 'print', run: noPrinter },
  { vector: 0x17, ah: 0x01, title: 'initialize printer', run: noPrinter },
  { vector: 0x17, ah: 0x02, title: 'printer status', run: noPrinter },
];

const INPUT: readonly Service[] = [
  { vector: 0x14, ah: 0x00, title: 'set up serial port', run: setUpSerial },
  { vector: 0x14, ah: 0x01, title: 'send', run: sendSerial },
  { vector: 0x14, ah: 0x02, title: 'receive', run: receiveSerial },
  { vector: 0x14, ah: 0x03, title: 'serial status', run: readSerialStatus },
  { vector: 0x16, ah: 0x00, title: 'read key', run: (call) => readKey(call, 'original') },
  { vector: 0x16, ah: 0x01, title: 'look for a key', run: (call) => peekKey(call, 'original') },
  { vector: 0x16, ah: 0x02, title: 'shift flags', run: readShiftFlags },
  { vector: 0x16, ah: 0x03, title: 'set repeat rate', run: () => undefined },
  { vector: 0x16, ah: 0x05, title: 'store key', run: writeKey },
  { vector: 0x16, ah: 0x09, title: 'keyboard functions', run: keyboardFunctions },
  { vector: 0x16, ah: 0x10, title: 'read key, enhanced', run: (call) => readKey(call, 'enhanced') },
  { vector: 0x16, ah: 0x11, title: 'look for a key, enhanced', run: (call) => peekKey(call, 'enhanced') },
  { vector: 0x16, ah: 0x12, title: 'shift flags, enhanced', run: readExtendedShiftFlags },
];

const CLOCK_AND_PCI: readonly Service[] = [
  { vector: 0x1a, ah: 0x00, title: 'read ticks', run: readTicks },
  { vector: 0x1a, ah: 0x01, title: 'set ticks', run: setTicks },
  { vector: 0x1a, ah: 0x02, title: 'read time', run: readTime },
  { vector: 0x1a, ah: 0x03, title: 'set time', run: setTime },
  { vector: 0x1a, ah: 0x04, title: 'read date', run: readDate },
  { vector: 0x1a, ah: 0x05, title: 'set date', run: setDate },
  { vector: 0x1a, ax: 0xb101, title: 'PCI BIOS present', run: pciPresent },
  { vector: 0x1a, ax: 0xb102, title: 'find PCI device', run: findPciDevice },
  { vector: 0x1a, ax: 0xb103, title: 'find PCI class', run: findPciClass },
  { vector: 0x1a, ax: 0xb108, title: 'read PCI byte', run: (call) => readPci(call, 1) },
  { vector: 0x1a, ax: 0xb109, title: 'read PCI word', run: (call) => readPci(call, 2) },
  { vector: 0x1a, ax: 0xb10a, title: 'read PCI doubleword', run: (call) => readPci(call, 4) },
  { vector: 0x1a, ax: 0xb10b, title: 'write PCI byte', run: (call) => writePci(call, 1) },
  { vector: 0x1a, ax: 0xb10c, title: 'write PCI word', run: (call) => writePci(call, 2) },
  { vector: 0x1a, ax: 0xb10d, title: 'write PCI doubleword', run: (call) => writePci(call, 4) },
  { vector: 0x1a, ah: 0xbb, title: 'trusted platform module: none', run: (call) => call.setCarry(true) },
];

export const SERVICES: readonly Service[] = [...VIDEO, ...DISK, ...SYSTEM, ...INPUT, ...CLOCK_AND_PCI];

/** Exceptions whose vectors the firmware owns in real mode (SDM Vol. 3A, "Exception and Interrupt Vectors", 6.3). */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  0x00: '#DE, divide error',
  0x01: '#DB, debug exception',
  0x02: 'NMI',
  0x03: '#BP, breakpoint',
  0x04: '#OF, overflow',
  0x05: '#BR, bound range exceeded',
  0x06: '#UD, invalid opcode',
  0x07: '#NM, device not available',
  0x08: '#DF, double fault',
  0x09: 'coprocessor segment overrun',
  0x0a: '#TS, invalid TSS',
  0x0b: '#NP, segment not present',
  0x0c: '#SS, stack-segment fault',
  0x0d: '#GP, general protection',
};

const NO_BOOT_DEVICE = 0x18;
/** Interrupts whose function number is all of AX. */
const NUMBERED_BY_AX = [0x15];

const digits = (value: number, count: number): string => `${value.toString(16).toUpperCase().padStart(count, '0')}h`;

/**
 * Answers the call that a ROM stub has just made through the firmware port. The caller applies `reset` and `halted`, and stops
 * the machine on `unimplemented`.
 */
export function callFirmware(context: FirmwareContext, machine: FirmwareMachine): FirmwareResult {
  const call = new FirmwareCall(context, machine);
  if (call.number === CALL.reset) return { kind: 'reset' };
  if (call.number === CALL.key) return keyArrived(call);
  if (call.number === NO_BOOT_DEVICE)
    return { kind: 'halted', because: 'the program gave up booting (INT 18h), and there is nothing else to boot from' };
  const service = SERVICES.find(
    ({ vector, ah, ax }) =>
      vector === call.number && (ah === undefined || ah === call.ah) && (ax === undefined || ax === call.ax),
  );
  const name = nameOf(call);
  if (service === undefined) return { kind: 'unimplemented', what: name };
  try {
    service.run(call);
  } catch (error) {
    if (!(error instanceof FirmwareGap)) throw error;
    return { kind: 'unimplemented', what: `${name}: ${error.message}` };
  }
  return { kind: 'done' };
}

function nameOf(call: FirmwareCall): string {
  const vector = `INT ${digits(call.number, 2)}`;
  const exception = EXCEPTIONS[call.number];
  if (exception !== undefined) {
    return `${vector} (${exception}) at ${call.returnAddress}: the program has set no handler for it`;
  }
  const number = NUMBERED_BY_AX.includes(call.number) ? `AX=${digits(call.ax, 4)}` : `AH=${digits(call.ah, 2)}`;
  return `firmware service ${vector}, ${number}, called before ${call.returnAddress}`;
}
