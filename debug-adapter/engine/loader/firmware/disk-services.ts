/**
 * INT 13h, by cylinder, head and sector, and by the LBA extensions (Phoenix Enhanced Disk Drive specification),
 * which reach an image of any size.
 */
import { SECTOR_BYTES } from '../binary.ts';
import type { FirmwareCall } from './context.ts';
import { FIRST_HARD_DISK, sectorsOf, type FirmwareDisk } from './firmware-disk.ts';
import { DISKETTE_PARAMETERS, FIRMWARE_SEGMENT } from './rom-layout.ts';

/** The floppy's DMA controller cannot carry from one 64 KiB page into the next. */
const DMA_PAGE = 0x1_0000;

const PACKET_BYTES = 16;
const PACKET_FLAT_BYTES = 24;
const PACKET_FLAT_POINTER = 0xffff_ffff;
const EXTENSIONS_VERSION_1 = 0x01;
const EXTENSIONS_ACCESS = 1;
/** Result of AH = 48h. */
const PARAMETER_BYTES = 26;
const GEOMETRY_IS_VALID = 0x02;

const STATUS = { ok: 0x00, badCommand: 0x01, sectorNotFound: 0x04, dmaBoundary: 0x09 } as const;
type Status = (typeof STATUS)[keyof typeof STATUS];
const DRIVE_KIND = { floppyWithChangeLine: 0x02, hardDisk: 0x03 } as const;

const driveNumber = (call: FirmwareCall): number => call.lowByte('edx');
const isHardDisk = (drive: number): boolean => drive >= FIRST_HARD_DISK;

/** Reports in AH, CF and the BIOS data area. */
function finish(call: FirmwareCall, status: Status): void {
  call.setAh(status);
  call.setCarry(status !== STATUS.ok);
  call.setField(isHardDisk(driveNumber(call)) ? 'hardDiskStatus' : 'disketteStatus', status);
}

/** The disk in drive DL; undefined where there is none. */
const diskOf = (call: FirmwareCall): FirmwareDisk | undefined =>
  call.machine.disks.find(({ drive }) => drive === driveNumber(call));

/** A function on a drive that is absent is a bad command. */
const withDisk =
  (body: (call: FirmwareCall, disk: FirmwareDisk) => void) =>
  (call: FirmwareCall): void => {
    const disk = diskOf(call);
    if (disk === undefined) finish(call, STATUS.badCommand);
    else body(call, disk);
  };

/** AH = 00h, 0Ch, 0Dh, 10h, 11h, 47h: nothing to do for a disk that is always ready. */
export const ready = withDisk((call) => finish(call, STATUS.ok));

/** Functions that a disk of this kind does not have. */
export function badCommand(call: FirmwareCall): void {
  finish(call, STATUS.badCommand);
}

/** AH = 01h: status of the last function. */
export function readStatus(call: FirmwareCall): void {
  const status = call.field(isHardDisk(driveNumber(call)) ? 'hardDiskStatus' : 'disketteStatus');
  call.setAh(status);
  call.setCarry(status !== STATUS.ok);
}

type Transfer = 'read' | 'write' | 'verify';

function move(
  call: FirmwareCall,
  disk: FirmwareDisk,
  transfer: Transfer,
  first: number,
  count: number,
  at: number,
): void {
  const { context } = call;
  if (transfer === 'read') context.writeMemory(at, disk.read(first, count));
  else if (transfer === 'write') disk.write(first, context.readMemory(at, count * SECTOR_BYTES));
}

/** AH = 02h, 03h and 04h: AL sectors from cylinder CH (and CL bits 7:6), sector CL bits 5:0, head DH, with memory at ES:BX. */
export const transferByCylinder =
  (transfer: Transfer) =>
  (call: FirmwareCall): void => {
    const disk = diskOf(call);
    const count = call.al;
    const [cx, dx] = [call.low('ecx'), call.low('edx')];
    const cylinder = (cx >> 8) | ((cx & 0xc0) << 2);
    const sector = cx & 0x3f;
    const head = dx >> 8;
    const address = call.pointer('es', 'ebx');
    const fail = (status: Status) => {
      call.setAl(0);
      finish(call, status);
    };
    if (disk === undefined || count === 0) return fail(STATUS.badCommand);
    const { geometry } = disk;
    const onDisk = cylinder < geometry.cylinders && head < geometry.heads && sector >= 1 && sector <= geometry.sectors;
    const first = (cylinder * geometry.heads + head) * geometry.sectors + sector - 1;
    if (!onDisk || first + count > sectorsOf(geometry)) return fail(STATUS.sectorNotFound);
    const overflows = (address % DMA_PAGE) + count * SECTOR_BYTES > DMA_PAGE;
    if (disk.isFloppy && transfer !== 'verify' && overflows) return fail(STATUS.dmaBoundary);
    move(call, disk, transfer, first, count, address);
    finish(call, STATUS.ok);
  };

/** AH = 08h: the drive's geometry in CX and DH, the number of drives in DL; for a floppy ES:DI to its parameters. */
export function readGeometry(call: FirmwareCall): void {
  const disk = diskOf(call);
  if (disk === undefined) {
    call.setLowByte('edx', 0);
    return finish(call, STATUS.badCommand);
  }
  const { cylinders, heads, sectors } = disk.geometry;
  const last = cylinders - 1;
  call.setLow('eax', 0);
  call.setLow('ecx', ((last & 0xff) << 8) | ((last >> 8) << 6) | sectors);
  finish(call, STATUS.ok);
  const alike = call.machine.disks.filter(({ isFloppy }) => isFloppy === disk.isFloppy).length;
  call.setLow('edx', ((heads - 1) << 8) | alike);
  if (!disk.isFloppy) return;
  call.setLow('ebx', disk.type);
  call.setLow('edi', DISKETTE_PARAMETERS);
  call.context.loadSegment('es', FIRMWARE_SEGMENT);
}

/** AH = 15h: what the drive is; of a hard disk the sectors in CX:DX. */
export function readDriveKind(call: FirmwareCall): void {
  const disk = diskOf(call);
  call.setCarry(false);
  if (disk === undefined) return call.setAh(0);
  if (disk.isFloppy) return call.setAh(DRIVE_KIND.floppyWithChangeLine);
  call.setAh(DRIVE_KIND.hardDisk);
  call.setLow('ecx', disk.sectors >>> 16);
  call.setLow('edx', disk.sectors);
}

/** AH = 41h, BX = 55AAh: whether the LBA extensions are there. */
export const checkExtensions = withDisk((call) => {
  if (call.low('ebx') !== 0x55aa) return finish(call, STATUS.badCommand);
  call.setLow('ebx', 0xaa55);
  call.setLow('ecx', EXTENSIONS_ACCESS);
  finish(call, STATUS.ok);
  // AH carries the version here, not a status.
  call.setAh(EXTENSIONS_VERSION_1);
});

/** AH = 42h, 43h and 44h: by the address packet at DS:SI. */
export const transferByLba = (transfer: Transfer) =>
  withDisk((call, disk) => {
    const packetAddress = call.pointer('ds', 'esi');
    const packet = call.context.readMemory(packetAddress, PACKET_FLAT_BYTES);
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    const packetBytes = view.getUint8(0);
    const count = view.getUint16(2, true);
    const first = view.getBigUint64(8, true);
    if (packetBytes < PACKET_BYTES) return finish(call, STATUS.badCommand);
    if (first + BigInt(count) > BigInt(disk.sectors)) {
      // The packet tells how many sectors were transferred.
      call.writeWord(packetAddress + 2, 0);
      return finish(call, STATUS.sectorNotFound);
    }
    const flat = packetBytes >= PACKET_FLAT_BYTES && view.getUint32(4, true) === PACKET_FLAT_POINTER;
    const address = flat ? Number(view.getBigUint64(16, true)) : view.getUint16(6, true) * 16 + view.getUint16(4, true);
    move(call, disk, transfer, Number(first), count, address);
    finish(call, STATUS.ok);
  });

/** AH = 48h: geometry and size to the buffer at DS:SI. */
export const readExtendedParameters = withDisk((call, disk) => {
  const address = call.pointer('ds', 'esi');
  if (call.readWord(address) < PARAMETER_BYTES) return finish(call, STATUS.badCommand);
  const { cylinders, heads, sectors } = disk.geometry;
  const view = new DataView(new ArrayBuffer(PARAMETER_BYTES));
  view.setUint16(0, PARAMETER_BYTES, true);
  view.setUint16(2, GEOMETRY_IS_VALID, true);
  [cylinders, heads, sectors].forEach((value, index) => view.setUint32(4 + index * 4, value, true));
  view.setBigUint64(16, BigInt(disk.sectors), true);
  view.setUint16(24, SECTOR_BYTES, true);
  call.context.writeMemory(address, new Uint8Array(view.buffer));
  finish(call, STATUS.ok);
});
