/**
 * INT 13h on drive 0, which holds the boot image: a 1.44 MB floppy by cylinder, head and sector; the LBA extensions (Phoenix
 * Enhanced Disk Drive specification) reach an image of any size. Sectors after the image's end read as zeros.
 */
import { SECTOR_BYTES } from '../binary.ts';
import type { FirmwareCall } from './context.ts';
import { DISKETTE_PARAMETERS, FIRMWARE_SEGMENT, biosDataAddress } from './image.ts';

const FLOPPY = { cylinders: 80, heads: 2, sectors: 18 } as const;
const FLOPPY_SECTORS = FLOPPY.cylinders * FLOPPY.heads * FLOPPY.sectors;
const DRIVE = 0;
/** Drive type that function 08h gives for 1.44 MB. */
const TYPE_1440K = 4;
/** The floppy's DMA controller cannot carry from one 64 KiB page into the next. */
const DMA_PAGE = 0x1_0000;

const PACKET_BYTES = 16;
const PACKET_FLAT_BYTES = 24;
const PACKET_FLAT_POINTER = 0xffff_ffff;
const EXTENSIONS_VERSION_1 = 0x01;
const EXTENSIONS_ACCESS = 1;

const STATUS = { ok: 0x00, badCommand: 0x01, sectorNotFound: 0x04, dmaBoundary: 0x09 } as const;
type Status = (typeof STATUS)[keyof typeof STATUS];

/** Reports in AH, CF and the BIOS data area. */
function finish(call: FirmwareCall, status: Status): void {
  call.setAh(status);
  call.setCarry(status !== STATUS.ok);
  call.context.writeMemory(biosDataAddress('disketteStatus'), Uint8Array.of(status));
}

const driveExists = (call: FirmwareCall): boolean => (call.low('edx') & 0xff) === DRIVE;

/** Sectors that LBA reaches: the whole image, and never less than the floppy. */
const totalSectors = (call: FirmwareCall): number =>
  Math.max(FLOPPY_SECTORS, Math.ceil(call.machine.disk.length / SECTOR_BYTES));

function readSectors(call: FirmwareCall, first: number, count: number): Uint8Array {
  const data = new Uint8Array(count * SECTOR_BYTES);
  data.set(call.machine.disk.subarray(first * SECTOR_BYTES, (first + count) * SECTOR_BYTES));
  return data;
}

/** AH = 00h: resets the drive. */
export function resetDisk(call: FirmwareCall): void {
  finish(call, driveExists(call) ? STATUS.ok : STATUS.badCommand);
}

/** AH = 02h: reads AL sectors from cylinder CH (and CL bits 7:6), sector CL bits 5:0, head DH to ES:BX. */
export function readByCylinder(call: FirmwareCall): void {
  const count = call.al;
  const [cx, dx] = [call.low('ecx'), call.low('edx')];
  const cylinder = (cx >> 8) | ((cx & 0xc0) << 2);
  const sector = cx & 0x3f;
  const head = dx >> 8;
  const address = call.pointer('es', 'ebx');
  const fail = (status: Status) => {
    call.setLow('eax', 0);
    finish(call, status);
  };
  if (!driveExists(call) || count === 0) return fail(STATUS.badCommand);
  const onDisk = cylinder < FLOPPY.cylinders && head < FLOPPY.heads && sector >= 1 && sector <= FLOPPY.sectors;
  const first = (cylinder * FLOPPY.heads + head) * FLOPPY.sectors + sector - 1;
  if (!onDisk || first + count > FLOPPY_SECTORS) return fail(STATUS.sectorNotFound);
  if ((address % DMA_PAGE) + count * SECTOR_BYTES > DMA_PAGE) return fail(STATUS.dmaBoundary);
  call.context.writeMemory(address, readSectors(call, first, count));
  finish(call, STATUS.ok);
}

/** AH = 08h: the drive's geometry in CX and DH, the number of drives in DL, ES:DI to its parameters. */
export function readGeometry(call: FirmwareCall): void {
  if (!driveExists(call)) {
    call.setLow('edx', call.low('edx') & 0xff00);
    return finish(call, STATUS.badCommand);
  }
  call.setLow('eax', 0);
  call.setLow('ebx', TYPE_1440K);
  call.setLow('ecx', ((FLOPPY.cylinders - 1) << 8) | FLOPPY.sectors);
  call.setLow('edx', ((FLOPPY.heads - 1) << 8) | 1);
  call.setLow('edi', DISKETTE_PARAMETERS);
  call.context.loadSegment('es', FIRMWARE_SEGMENT);
  finish(call, STATUS.ok);
}

/** AH = 41h, BX = 55AAh: whether the LBA extensions are there. */
export function checkExtensions(call: FirmwareCall): void {
  if (!driveExists(call) || call.low('ebx') !== 0x55aa) return finish(call, STATUS.badCommand);
  call.setLow('ebx', 0xaa55);
  call.setLow('ecx', EXTENSIONS_ACCESS);
  finish(call, STATUS.ok);
  // AH carries the version here, not a status.
  call.setAh(EXTENSIONS_VERSION_1);
}

/** AH = 42h: reads by the address packet at DS:SI. */
export function readByLba(call: FirmwareCall): void {
  const packetAddress = call.pointer('ds', 'esi');
  const packet = call.context.readMemory(packetAddress, PACKET_FLAT_BYTES);
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const packetBytes = view.getUint8(0);
  const count = view.getUint16(2, true);
  const first = view.getBigUint64(8, true);
  if (!driveExists(call) || packetBytes < PACKET_BYTES) return finish(call, STATUS.badCommand);
  if (first + BigInt(count) > BigInt(totalSectors(call))) {
    // The packet tells how many sectors were transferred.
    call.writeWord(packetAddress + 2, 0);
    return finish(call, STATUS.sectorNotFound);
  }
  const flat = packetBytes >= PACKET_FLAT_BYTES && view.getUint32(4, true) === PACKET_FLAT_POINTER;
  const address = flat ? Number(view.getBigUint64(16, true)) : view.getUint16(6, true) * 16 + view.getUint16(4, true);
  call.context.writeMemory(address, readSectors(call, Number(first), count));
  finish(call, STATUS.ok);
}
