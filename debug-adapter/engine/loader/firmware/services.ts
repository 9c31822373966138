/** Every firmware service there is, one row each. Any other call stops the machine with its name. */
import { FirmwareCall, type FirmwareContext, type FirmwareMachine, type FirmwareResult } from './context.ts';
import { checkExtensions, readByCylinder, readByLba, readGeometry, resetDisk } from './disk-services.ts';
import { RESET_CALL } from './image.ts';
import { a20Support, extendedMemory, memoryMapEntry, readA20, setA20, teletype } from './system-services.ts';

interface Service {
  readonly vector: number;
  /** Function number in AH, or in all of AX where the row has four digits. */
  readonly ah?: number;
  readonly ax?: number;
  readonly title: string;
  readonly run: (call: FirmwareCall) => void;
}

export const SERVICES: readonly Service[] = [
  { vector: 0x10, ah: 0x0e, title: 'teletype output', run: teletype },
  { vector: 0x13, ah: 0x00, title: 'reset disk', run: resetDisk },
  { vector: 0x13, ah: 0x02, title: 'read sectors', run: readByCylinder },
  { vector: 0x13, ah: 0x08, title: 'drive parameters', run: readGeometry },
  { vector: 0x13, ah: 0x41, title: 'check extensions', run: checkExtensions },
  { vector: 0x13, ah: 0x42, title: 'extended read', run: readByLba },
  { vector: 0x15, ax: 0x2400, title: 'disable A20', run: (call) => setA20(call, false) },
  { vector: 0x15, ax: 0x2401, title: 'enable A20', run: (call) => setA20(call, true) },
  { vector: 0x15, ax: 0x2402, title: 'A20 state', run: readA20 },
  { vector: 0x15, ax: 0x2403, title: 'A20 support', run: a20Support },
  { vector: 0x15, ah: 0x88, title: 'extended memory size', run: extendedMemory },
  { vector: 0x15, ax: 0xe820, title: 'memory map', run: memoryMapEntry },
];

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

const digits = (value: number, count: number): string => `${value.toString(16).toUpperCase().padStart(count, '0')}h`;

/**
 * Answers the call that a ROM stub has just made through the firmware port. The caller applies `reset`, and stops the machine
 * on `unimplemented`.
 */
export function callFirmware(context: FirmwareContext, machine: FirmwareMachine): FirmwareResult {
  const call = new FirmwareCall(context, machine);
  if (call.number === RESET_CALL) return { kind: 'reset' };
  const service = SERVICES.find(
    ({ vector, ah, ax }) =>
      vector === call.number && (ah === undefined || ah === call.ah) && (ax === undefined || ax === call.ax),
  );
  if (service === undefined) return { kind: 'unimplemented', what: nameOf(call) };
  service.run(call);
  return { kind: 'done' };
}

function nameOf(call: FirmwareCall): string {
  const vector = `INT ${digits(call.number, 2)}`;
  const exception = EXCEPTIONS[call.number];
  if (exception !== undefined) {
    return `${vector} (${exception}) at ${call.returnAddress}: the program has set no handler for it`;
  }
  const number = call.number === 0x15 ? `AX=${digits(call.ax, 4)}` : `AH=${digits(call.ah, 2)}`;
  return `firmware service ${vector}, ${number}, called before ${call.returnAddress}`;
}
