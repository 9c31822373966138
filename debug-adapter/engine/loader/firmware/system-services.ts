/** INT 11h, 12h and 15h: what the machine has, its memory, and the A20 gate. */
import { EXTENDED_MEMORY, memoryMap } from '../../base/memory-map.ts';
import type { FirmwareCall } from './context.ts';
import { CONFIGURATION_TABLE, FIRMWARE_SEGMENT } from './rom-layout.ts';

/** `SMAP` (ACPI specification, "INT 15H, E820H"). */
const SIGNATURE = 0x534d_4150;
const ENTRY_BYTES = 20;
const TYPE_USABLE = 1;
const TYPE_RESERVED = 2;
const STATUS_UNSUPPORTED = 0x86;
/** Function 88h ends at 64 MiB, less the megabyte it does not count. */
const MAXIMUM_EXTENDED_KIB = 0xfc00;
/** Function E801h counts to here in KiB, and beyond in 64 KiB blocks. */
const SIXTEEN_MIB = 0x100_0000;
/** Port 92h moves the gate, and so does the keyboard controller. */
const A20_BY_KEYBOARD_AND_PORT_92 = 3;

/** Where block move finds its descriptors in the table at ES:SI, and the bases in them. */
const SOURCE_DESCRIPTOR = 0x10;
const TARGET_DESCRIPTOR = 0x18;
const MOST_WORDS = 0x8000;

/** INT 11h: the equipment word. */
export function readEquipment(call: FirmwareCall): void {
  call.setLow('eax', call.field('equipment'));
}

/** INT 12h: KiB of conventional memory. */
export function readConventionalMemory(call: FirmwareCall): void {
  call.setLow('eax', call.field('conventionalKib'));
}

/** INT 15h functions of machines that this one is not. */
export function unsupported(call: FirmwareCall): void {
  call.setAh(STATUS_UNSUPPORTED);
  call.setCarry(true);
}

/** AX = E820h: entry EBX of the memory map to ES:DI. */
export function memoryMapEntry(call: FirmwareCall): void {
  const { context } = call;
  const map = memoryMap(call.machine.memoryBytes);
  const index = context.register('ebx');
  const range = map[index];
  if (context.register('edx') !== SIGNATURE || context.register('ecx') < ENTRY_BYTES || range === undefined)
    return unsupported(call);
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

/** Bytes of RAM from 1 MiB up to the hole below 4 GiB. */
const extendedBytes = (call: FirmwareCall): number =>
  memoryMap(call.machine.memoryBytes).find(({ base }) => base === EXTENDED_MEMORY)?.bytes ?? 0;

/** AH = 88h: KiB of memory above 1 MiB in AX. */
export function extendedMemory(call: FirmwareCall): void {
  call.setLow('eax', Math.min(Math.floor(extendedBytes(call) / 1024), MAXIMUM_EXTENDED_KIB));
  call.setCarry(false);
}

/** AX = E801h: KiB from 1 to 16 MiB in AX and CX, 64 KiB blocks above in BX and DX. */
export function extendedMemoryInBlocks(call: FirmwareCall): void {
  const end = EXTENDED_MEMORY + extendedBytes(call);
  const below = (Math.min(end, SIXTEEN_MIB) - EXTENDED_MEMORY) / 1024;
  const above = Math.floor(Math.max(0, end - SIXTEEN_MIB) / 0x1_0000);
  for (const register of ['eax', 'ecx'] as const) call.setLow(register, below);
  for (const register of ['ebx', 'edx'] as const) call.setLow(register, above);
  call.setCarry(false);
}

/** AX = 2400h and 2401h. */
export function setA20(call: FirmwareCall, on: boolean): void {
  call.context.setA20(on);
  call.setAh(0);
  call.setCarry(false);
}

/** AX = 2402h: the gate in AL. */
export function readA20(call: FirmwareCall): void {
  call.setLow('eax', Number(call.context.a20));
  call.setCarry(false);
}

/** AX = 2403h: how the gate can be moved, in BX. */
export function a20Support(call: FirmwareCall): void {
  call.setLow('ebx', A20_BY_KEYBOARD_AND_PORT_92);
  call.setAh(0);
  call.setCarry(false);
}

/** AH = 87h: moves CX words between the segments that the descriptor table at ES:SI describes. */
export function moveBlock(call: FirmwareCall): void {
  const { context } = call;
  const bytes = Math.min(call.low('ecx'), MOST_WORDS) * 2;
  const table = call.pointer('es', 'esi');
  const base = (descriptor: number): number => {
    const [b0 = 0, b1 = 0, b2 = 0, , , b3 = 0] = context.readMemory(table + descriptor + 2, 6);
    return (b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)) >>> 0;
  };
  context.writeMemory(base(TARGET_DESCRIPTOR), context.readMemory(base(SOURCE_DESCRIPTOR), bytes));
  call.setAh(0);
  call.setCarry(false);
}

/** AH = C0h: ES:BX to the table that tells the model. */
export function readConfigurationTable(call: FirmwareCall): void {
  call.context.loadSegment('es', FIRMWARE_SEGMENT);
  call.setLow('ebx', CONFIGURATION_TABLE);
  call.setAh(0);
  call.setCarry(false);
}

/** AH = C1h: segment of the extended BIOS data area in ES. */
export function readExtendedDataSegment(call: FirmwareCall): void {
  call.context.loadSegment('es', call.field('extendedBiosDataSegment'));
  call.setCarry(false);
}
