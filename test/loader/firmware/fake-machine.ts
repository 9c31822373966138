/** A machine for the firmware's services: registers, a megabyte and a bit of memory, ports that remember. */
import assert from 'node:assert/strict';
import { BIOS_DATA, initialBiosData } from '../../../debug-adapter/engine/loader/firmware/bios-data.ts';
import { CopyOnWriteDisk } from '../../../debug-adapter/engine/devices/ide/disk.ts';
import {
  FirmwareDisk,
  biosDataOf,
  sectorsOfImage,
} from '../../../debug-adapter/engine/loader/firmware/firmware-disk.ts';
import type { FirmwareContext, FirmwareRegister } from '../../../debug-adapter/engine/loader/firmware/context.ts';
import { callFirmware } from '../../../debug-adapter/engine/loader/firmware/services.ts';

export const MIB = 1 << 20;
const SS = 0x2000;
const SP = 0xfff0;

/** A processor in the middle of a stub: the frame is on the stack, memory is one megabyte and a bit. */
export class FakeMachine implements FirmwareContext {
  readonly registers: Record<FirmwareRegister, number> = {
    eax: 0xa5a5_0000,
    ebx: 0,
    ecx: 0,
    edx: 0,
    esi: 0,
    edi: 0,
    ebp: 0,
    esp: SP,
  };
  readonly segments = { ds: 0, es: 0, ss: SS };
  readonly memory = new Uint8Array(0x11_0000);
  a20 = false;
  printed = '';
  /** What IN reads, by port; and every OUT. */
  readonly inputs = new Map<number, number | (() => number)>();
  readonly outputs: string[] = [];

  register(name: FirmwareRegister) {
    return this.registers[name];
  }
  setRegister(name: FirmwareRegister, value: number) {
    assert.ok(value >= 0 && value <= 0xffff_ffff && Number.isInteger(value));
    this.registers[name] = value;
  }
  segmentBase(name: 'ds' | 'es' | 'ss') {
    return this.segments[name] * 16;
  }
  loadSegment(name: 'ds' | 'es', selector: number) {
    this.segments[name] = selector;
  }
  readMemory(address: number, bytes: number) {
    return this.memory.slice(address, address + bytes);
  }
  writeMemory(address: number, bytes: Uint8Array) {
    this.memory.set(bytes, address);
  }
  readPort(port: number, _bytes: 1 | 2 | 4) {
    const value = this.inputs.get(port) ?? 0xff;
    return typeof value === 'function' ? value() : value;
  }
  writePort(port: number, _bytes: 1 | 2 | 4, value: number) {
    assert.ok(value >= 0 && value <= 0xffff_ffff && Number.isInteger(value));
    this.outputs.push(`${port.toString(16)}=${value.toString(16)}`);
  }
  setA20(on: boolean) {
    this.a20 = on;
  }
  teletype(byte: number) {
    this.printed += String.fromCharCode(byte);
  }

  /** FLAGS image on the stack. */
  get carry(): boolean {
    return (this.memory[SS * 16 + SP + 6]! & 1) !== 0;
  }
  get zero(): boolean {
    return (this.memory[SS * 16 + SP + 6]! & 0x40) !== 0;
  }
  word(address: number): number {
    return this.memory[address]! | (this.memory[address + 1]! << 8);
  }
  get ah(): number {
    return (this.registers.eax >> 8) & 0xff;
  }
}

/** A disk whose every sector is filled with its own number. */
export function disk(sectors: number): Uint8Array {
  const image = new Uint8Array(sectors * 512);
  for (let sector = 0; sector < sectors; sector++) image.fill(sector & 0xff, sector * 512, (sector + 1) * 512);
  return image;
}

export function call(
  vector: number,
  ax: number,
  change: Partial<Record<FirmwareRegister, number>> = {},
  prepare?: (machine: FakeMachine) => void,
  image = disk(100),
  machine = new FakeMachine(),
) {
  const boot = FirmwareDisk.boot(new CopyOnWriteDisk(sectorsOfImage(image)));
  machine.memory.set(initialBiosData(biosDataOf([boot])), BIOS_DATA);
  return again(machine, boot, vector, ax, change, prepare);
}

/** One more call of the same machine. */
export function again(
  machine: FakeMachine,
  boot: FirmwareDisk,
  vector: number,
  ax: number,
  change: Partial<Record<FirmwareRegister, number>> = {},
  prepare?: (machine: FakeMachine) => void,
) {
  Object.assign(machine.registers, change);
  machine.registers.eax = ((machine.registers.eax & 0xffff_0000) | ax) >>> 0;
  const frame = new DataView(machine.memory.buffer, SS * 16 + SP);
  // Vector, IP, CS, FLAGS with CF set and IF set.
  [vector, 0x7c12, 0x0000, 0x0203].forEach((word, index) => frame.setUint16(index * 2, word, true));
  prepare?.(machine);
  const result = callFirmware(machine, { disks: [boot], memoryBytes: 64 * MIB });
  return { machine, result, boot };
}
