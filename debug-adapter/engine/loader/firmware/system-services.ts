/** INT 10h and INT 15h: teletype output, the memory map and the A20 gate. */
import { EXTENDED_MEMORY, memoryMap } from '../../base/memory-map.ts';
import type { FirmwareCall } from './context.ts';

/** `SMAP` (ACPI specification, "INT 15H, E820H"). */
const SIGNATURE = 0x534d_4150;
const ENTRY_BYTES = 20;
const TYPE_USABLE = 1;
const TYPE_RESERVED = 2;
const STATUS_UNSUPPORTED = 0x86;
/** Function 88h ends at 64 MiB, less the megabyte it does not count. */
const MAXIMUM_EXTENDED_KIB = 0xfc00;
/** Port 92h moves the gate; there is no keyboard controller that could. */
const A20_BY_PORT_92 = 2;

/** INT 10h, AH = 0Eh: prints AL. */
export function teletype(call: FirmwareCall): void {
  call.context.teletype(call.al);
}

/** INT 15h, AX = E820h: entry EBX of the memory map to ES:DI. */
export function memoryMapEntry(call: FirmwareCall): void {
  const { context } = call;
  const map = memoryMap(call.machine.memoryBytes);
  const index = context.register('ebx');
  const range = map[index];
  if (context.register('edx') !== SIGNATURE || context.register('ecx') < ENTRY_BYTES || range === undefined) {
    call.setAh(STATUS_UNSUPPORTED);
    return call.setCarry(true);
  }
  const entry = new Uint8Array(ENTRY_BYTES);
  const view = new DataView(entry.buffer);
  view.setBigUint64(0, BigInt(range.base), true);
  view.setBigUint64(8, BigInt(range.bytes), true);
  view.setUint32(16, range.kind === 'usable' ? TYPE_USABLE : TYPE_RESERVED, true);
  context.writeMemory(call.pointer('es', 'edi'), entry);
  context.setRegister('eax', SIGNATURE);
  context.setRegister('ecx', ENTRY_BYTES);
  context.setRegister('ebx', index + 1 < map.length ? index + 1 : 0);
  call.setCarry(false);
}

/** INT 15h, AH = 88h: KiB of memory above 1 MiB in AX. */
export function extendedMemory(call: FirmwareCall): void {
  const range = memoryMap(call.machine.memoryBytes).find(({ base }) => base === EXTENDED_MEMORY);
  call.setLow('eax', Math.min(Math.floor((range?.bytes ?? 0) / 1024), MAXIMUM_EXTENDED_KIB));
  call.setCarry(false);
}

/** INT 15h, AX = 2400h and 2401h. */
export function setA20(call: FirmwareCall, on: boolean): void {
  call.context.setA20(on);
  call.setAh(0);
  call.setCarry(false);
}

/** INT 15h, AX = 2402h: the gate in AL. */
export function readA20(call: FirmwareCall): void {
  call.setLow('eax', Number(call.context.a20));
  call.setCarry(false);
}

/** INT 15h, AX = 2403h: how the gate can be moved, in BX. */
export function a20Support(call: FirmwareCall): void {
  call.setLow('ebx', A20_BY_PORT_92);
  call.setAh(0);
  call.setCarry(false);
}
