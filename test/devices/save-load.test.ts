/** Every device, driven into some state, must be the same device after save, JSON, load. */
import assert from 'node:assert/strict';
import { AcpiPm } from '../../debug-adapter/engine/devices/acpi-pm.ts';
import { Cmos } from '../../debug-adapter/engine/devices/cmos.ts';
import { ConsolePort } from '../../debug-adapter/engine/devices/console-port.ts';
import type { MappedDevice, PortDevice, TimedDevice } from '../../debug-adapter/engine/devices/device.ts';
import { FwCfg } from '../../debug-adapter/engine/devices/fw-cfg.ts';
import { Hpet } from '../../debug-adapter/engine/devices/hpet.ts';
import { I8042 } from '../../debug-adapter/engine/devices/i8042.ts';
import { BusMasterIde } from '../../debug-adapter/engine/devices/ide/bus-master.ts';
import { IdeChannel } from '../../debug-adapter/engine/devices/ide/channel.ts';
import { CopyOnWriteDisk } from '../../debug-adapter/engine/devices/ide/disk.ts';
import { IoApic } from '../../debug-adapter/engine/devices/io-apic.ts';
import { LatchPort } from '../../debug-adapter/engine/devices/latch-port.ts';
import { LocalApic } from '../../debug-adapter/engine/devices/local-apic.ts';
import { CHIP_SET_FUNCTIONS } from '../../debug-adapter/engine/devices/chip-set.ts';
import { PciBus } from '../../debug-adapter/engine/devices/pci.ts';
import { PicPair } from '../../debug-adapter/engine/devices/pic-pair.ts';
import { Pit8254 } from '../../debug-adapter/engine/devices/pit8254.ts';
import { DebugExit, ShutdownPort } from '../../debug-adapter/engine/devices/power-ports.ts';
import { SystemControlA, SystemControlB } from '../../debug-adapter/engine/devices/system-control.ts';
import { VgaText } from '../../debug-adapter/engine/devices/vga-text.ts';
import { Uart16550 } from '../../debug-adapter/engine/devices/uart16550.ts';

const TICKS_PER_SECOND = 1_000_000;

/** All devices, wired together as a board would; `calls` counts what leaves them. */
function allDevices() {
  const calls: string[] = [];
  const pics = new PicPair({ set: (level) => calls.push(`INTR ${level}`) });
  const pit = new Pit8254(TICKS_PER_SECOND, pics.input(0));
  const cmos = new Cmos(TICKS_PER_SECOND, 64 << 20, pics.input(8));
  const uart = new Uart16550('COM1', (byte) => calls.push(`sent ${byte}`), pics.input(4));
  const lines = { setA20: (on: boolean) => calls.push(`A20 ${on}`), reset: () => calls.push('reset') };
  let now = 0;
  const localApic = new LocalApic(0, {
    now: () => now,
    timeStampOffset: () => 0n,
    taskPriorityChanged: (priorityClass) => calls.push(`CR8 ${priorityClass}`),
    send: ({ vector }) => calls.push(`sent ${vector}`),
    nmi: () => calls.push('NMI'),
    control: (kind) => calls.push(kind),
    endOfInterrupt: (vector) => ioApic.endOfInterrupt(vector),
    external: { requested: () => pics.interruptRequested, acknowledge: () => pics.acknowledge() },
  });
  const ioApic = new IoApic((message) => localApic.receive(message));
  const hpet = new Hpet(TICKS_PER_SECOND, {
    output: () => ({ set: (level) => ioApic.input(20).set(level) }),
  });
  const keyboard = new I8042({
    ...lines,
    keyboardInterrupt: pics.input(1),
    auxInterrupt: pics.input(12),
    a20: () => true,
  });
  const busMaster = new BusMasterIde({
    memory: {
      read: (address, bytes) => new Uint8Array(bytes).fill(address),
      write: (address, bytes) => calls.push(`DMA ${address} ${bytes[0]}`) > 0,
    },
    enabled: () => true,
    started: (index) => (index === 0 ? ide : emptyIde).dmaStarted(),
  });
  const disk = new CopyOnWriteDisk({ sectors: 64, read: (lba) => new Uint8Array(512).fill(lba) });
  const ide = new IdeChannel('primary', disk, { interrupt: pics.input(14), dma: busMaster.engine(0) });
  const emptyIde = new IdeChannel('secondary', undefined, { interrupt: pics.input(15), dma: busMaster.engine(1) });
  const acpi = new AcpiPm(TICKS_PER_SECOND, {
    sci: pics.input(9),
    sleep: (type) => calls.push(`sleep ${type}`),
  });
  const mapped: MappedDevice<unknown>[] = [localApic, ioApic, hpet];
  const devices: (PortDevice<unknown> | MappedDevice<unknown>)[] = [
    ...mapped,
    pics.master,
    pics.slave,
    pics.edgeLevelControl,
    pit,
    cmos,
    uart,
    new ConsolePort((byte) => calls.push(`printed ${byte}`)),
    new DebugExit((status) => calls.push(`exit ${status}`)),
    new ShutdownPort((status) => calls.push(`off ${status}`)),
    new SystemControlA(true, lines),
    new SystemControlB(pit),
    new VgaText(() => calls.push('graphics')),
    keyboard,
    keyboard.commandPort,
    new PciBus(CHIP_SET_FUNCTIONS, lines.reset),
    busMaster,
    acpi,
    ide,
    ide.controlPort,
    emptyIde,
    emptyIde.controlPort,
    new LatchPort('POST code'),
    new FwCfg({ processors: 1, ramBytes: 64 << 20 }),
  ];
  const timed: TimedDevice[] = [
    { nextEvent: () => undefined, advanceTo: (to) => (now = to) },
    pit,
    cmos,
    hpet,
    localApic,
    ide,
    acpi,
  ];
  return { devices, timed, uart, keyboard, ide, calls, localApic, setNow: (tick: number) => (now = tick) };
}

/** A fixed pseudo-random walk over all registers of all devices, as time goes by; returns everything seen. */
function exercise(
  board: ReturnType<typeof allDevices>,
  seed: number,
  from: number,
  steps: number,
): (number | string)[] {
  const seen: (number | string)[] = [];
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let step = 1; step <= steps; step++) {
    for (const device of board.timed) device.advanceTo(from + step * 37);
    const device = board.devices[random(board.devices.length)]!;
    if ('byteCount' in device) {
      // Registers of memory-mapped devices are double words, and most addresses are holes.
      const offset = random(Math.min(device.byteCount, 0x400) / 16) * 16 + random(2) * 8;
      if (random(2) === 0) device.write(offset, 4, random(2 ** 32));
      else seen.push(device.read(offset, 4));
    } else {
      const offset = random(device.portCount);
      if (random(2) === 0) device.write(offset, 1, random(256));
      else seen.push(device.read(offset, 1));
    }
    if (random(8) === 0 && board.localApic.pending()) seen.push(board.localApic.acknowledge());
    if (random(16) === 0) board.uart.receive(Uint8Array.of(random(256), random(256)));
    if (random(16) === 0) {
      // Commands that make sense are rare in a random walk.
      const codes = [0x20, 0x30, 0xc4, 0xc8, 0xca, 0xec, 0x24];
      board.ide.write(6, 1, 0xe0);
      board.ide.write(7, 1, codes[random(codes.length)]!);
    }
    if (random(4) === 0) seen.push(board.ide.read(0, 2));
    if (random(16) === 0) board.keyboard.type(Uint8Array.of(1 + random(0x58), 0x81 + random(0x58)));
  }
  return [...seen, ...board.calls.splice(0)];
}

describe('save and load', function () {
  this.timeout(20_000);

  it('has a unique name and complete registers for each device', () => {
    const { devices } = allDevices();
    assert.equal(new Set(devices.map((device) => device.name)).size, devices.length);
    for (const device of devices) {
      const registers = device.registers();
      assert.ok(registers.length > 0, device.name);
      const size = 'byteCount' in device ? device.byteCount : device.portCount;
      for (const { name, value, offset, bits } of registers) {
        assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** bits, `${device.name} ${name} = ${value}`);
        assert.ok(offset === undefined || offset < size, `${device.name} ${name}`);
      }
    }
  });

  it('is the same board after save, JSON, load, and goes on the same way', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const original = allDevices();
      exercise(original, seed, 0, 400);
      const before = original.devices.map((device) => JSON.stringify(device.save()));
      for (const device of original.devices) device.registers();
      assert.deepEqual(
        original.devices.map((device) => JSON.stringify(device.save())),
        before,
        'looking changes nothing',
      );

      const copy = allDevices();
      copy.setNow(400 * 37);
      copy.devices.forEach((device, index) => device.load(JSON.parse(before[index]!)));
      assert.deepEqual(copy.calls, [], 'load moves no line and calls no sink');
      assert.deepEqual(
        copy.devices.map((device) => JSON.stringify(device.save())),
        before,
      );
      assert.deepEqual(
        copy.devices.map((device) => device.registers()),
        original.devices.map((device) => device.registers()),
      );
      assert.deepEqual(exercise(copy, seed + 1000, 400 * 37, 200), exercise(original, seed + 1000, 400 * 37, 200));
    }
  });

  it('does not share state with what it saved', () => {
    const board = allDevices();
    exercise(board, 7, 0, 200);
    const states = board.devices.map((device) => device.save());
    const frozen = JSON.stringify(states);
    exercise(board, 8, 200 * 37, 200);
    assert.equal(JSON.stringify(states), frozen);
  });
});
