/** The board: which devices there are, where they sit, what their lines are connected to. The only place with addresses. */
import { MachineStop } from '../cpu/guest-fault.ts';
import { HPET_ADDRESS, IO_APIC_ADDRESS } from '../base/memory-map.ts';
import type { PortBus as CpuPorts } from '../cpu/context.ts';
import { PM1A_EVENT_PORT, SCI_IRQ, SLEEP_TYPE_S5, TIMER_PIN } from '../base/wiring.ts';
import { AcpiPm } from '../devices/acpi-pm.ts';
import { PortBus } from '../devices/bus.ts';
import { CHIP_SET_FUNCTIONS } from '../devices/chip-set.ts';
import { Cmos } from '../devices/cmos.ts';
import { ConsolePort } from '../devices/console-port.ts';
import type { AccessBytes, Device, InterruptLine, PortDevice, TimedDevice } from '../devices/device.ts';
import { FirmwarePort } from '../devices/firmware-port.ts';
import { FwCfg } from '../devices/fw-cfg.ts';
import { Hpet } from '../devices/hpet.ts';
import { I8042 } from '../devices/i8042.ts';
import type { DmaMemory } from '../devices/ide/bus-master.ts';
import type { CopyOnWriteDisk } from '../devices/ide/disk.ts';
import { IoApic } from '../devices/io-apic.ts';
import { LatchPort } from '../devices/latch-port.ts';
import { MappedBus } from '../devices/mapped-bus.ts';
import { PciBus } from '../devices/pci.ts';
import { PicPair } from '../devices/pic-pair.ts';
import { Pit8254 } from '../devices/pit8254.ts';
import { DebugExit, ShutdownPort } from '../devices/power-ports.ts';
import { SystemControlA, SystemControlB } from '../devices/system-control.ts';
import { Uart16550 } from '../devices/uart16550.ts';
import { VgaText } from '../devices/vga-text.ts';
import { FIRMWARE_PORT_WRITES } from '../loader/firmware/image.ts';
import { FIRMWARE_CALL_PORT } from '../loader/firmware/rom-layout.ts';
import { LocalApics, type ProcessorLines } from './local-apics.ts';
import type { AbsentDeviceAccesses } from './absent-devices.ts';
import { placeIde } from './board-ide.ts';
import type { ConsoleSource } from './types.ts';

/** Virtual time: instructions in a second of guest time. One instruction is one tick of every clock on the board. */
const TICKS_PER_SECOND = 100_000_000;

export interface BoardOptions {
  readonly memoryBytes: number;
  readonly processors: number;
  /** Each of them as the board is wired to it. */
  readonly lines: readonly ProcessorLines[];
  /** The processor that is running: it makes the accesses, and it is its time. */
  readonly current: () => number;
  readonly print: (byte: number, source: ConsoleSource) => void;
  readonly powerOff: (status: number) => void;
  /** The guest asked for a reset: port 92h, the keyboard controller or port CF9h. */
  readonly resetRequested: () => void;
  /** A ROM stub called the firmware. */
  readonly firmwareCall: () => void;
  readonly absent: AbsentDeviceAccesses;
  /** The hard disk. */
  readonly disk: CopyOnWriteDisk | undefined;
  readonly dmaMemory: DmaMemory;
  /** Something other than a port access may have changed when the next event is. */
  readonly disturbed: () => void;
}

export class Board {
  readonly bus = new PortBus();
  readonly mapped = new MappedBus();
  readonly apics: LocalApics;
  readonly ports: CpuPorts;
  readonly com1: Uart16550;
  readonly systemControlA: SystemControlA;
  readonly keyboard: I8042;
  readonly vga: VgaText;
  private readonly timed: readonly TimedDevice[];
  private readonly options: BoardOptions;
  private readonly mappedDevices: readonly Device<unknown>[];
  /** How far shared devices have come: processors take turns in running, and time must not go back for those. */
  private clock = 0;

  constructor(options: BoardOptions) {
    this.options = options;
    // The processor samples the controller's output at instruction boundaries: the wire itself carries nothing.
    const pics = new PicPair({ set: () => undefined });
    const apics = new LocalApics({
      memoryBytes: options.memoryBytes,
      processors: options.lines,
      external: { requested: () => pics.interruptRequested, acknowledge: () => pics.acknowledge() },
      endOfInterrupt: (vector) => ioApic.endOfInterrupt(vector),
      advance: () => this.advance(),
      disturbed: options.disturbed,
      occupied: (address) => this.mapped.at(address) !== undefined,
    });
    this.apics = apics;
    const ioApic = new IoApic((message, to) => apics.send(message, to));
    const irq = (number: number) => both(pics.input(number), ioApic.input(number === 0 ? TIMER_PIN : number));
    const hpet = new Hpet(TICKS_PER_SECOND, {
      output: (to) => ('pin' in to ? ioApic.input(to.pin) : irq(to.legacyIrq)),
    });
    const unlessHpet = (line: InterruptLine): InterruptLine => ({
      set: (level) => {
        if (!hpet.replacesLegacy) line.set(level);
      },
    });
    const pit = new Pit8254(TICKS_PER_SECOND, unlessHpet(irq(0)));
    const cmos = new Cmos(TICKS_PER_SECOND, options.memoryBytes, unlessHpet(irq(8)));
    this.com1 = new Uart16550('COM1', (byte) => options.print(byte, 'com1'), irq(4));
    this.systemControlA = new SystemControlA(true, {
      setA20: (on) => {
        if (!on) throw new MachineStop('masking address line A20 (port 92h bit 1 = 0)');
      },
      reset: options.resetRequested,
    });
    this.keyboard = new I8042({
      keyboardInterrupt: irq(1),
      auxInterrupt: irq(12),
      a20: () => this.systemControlA.a20,
      setA20: (on) => this.systemControlA.setA20(on),
      reset: options.resetRequested,
    });
    this.mappedDevices = [...apics.all, ioApic, hpet];
    this.mapped.register(IO_APIC_ADDRESS, ioApic);
    this.mapped.register(HPET_ADDRESS, hpet);

    const place = (base: number, device: PortDevice<unknown>) => this.bus.register(base, device);
    place(0x20, pics.master);
    place(0xa0, pics.slave);
    place(0x4d0, pics.edgeLevelControl);
    place(0x40, pit);
    const systemControlB = new SystemControlB(pit);
    place(0x61, systemControlB);
    place(0x60, this.keyboard);
    place(0x64, this.keyboard.commandPort);
    place(0x70, cmos);
    place(0x80, new LatchPort('POST code'));
    place(0xed, new LatchPort('I/O delay'));
    place(0x92, this.systemControlA);
    place(FIRMWARE_CALL_PORT, new FirmwarePort(options.firmwareCall));
    place(0xe9, new ConsolePort((byte) => options.print(byte, 'e9')));
    place(0xf4, new DebugExit(options.powerOff));
    this.vga = new VgaText(() => {
      throw new MachineStop('a graphics mode of the VGA');
    });
    place(0x3b0, this.vga);
    place(0x3f8, this.com1);
    place(0x510, new FwCfg({ processors: options.processors, ramBytes: options.memoryBytes }));
    const pci = new PciBus(CHIP_SET_FUNCTIONS, options.resetRequested);
    place(0xcf8, pci);
    const ide = placeIde({ bus: this.bus, pci, memory: options.dmaMemory, disk: options.disk, irq });
    const acpi = new AcpiPm(TICKS_PER_SECOND, {
      sci: irq(SCI_IRQ),
      sleep(type) {
        if (type !== SLEEP_TYPE_S5) throw new MachineStop(`ACPI sleep type ${type}, which no table offers`);
        options.powerOff(0);
      },
    });
    place(PM1A_EVENT_PORT, acpi);
    this.timed = [pit, cmos, hpet, acpi, ...ide.timed];
    place(0x8900, new ShutdownPort(() => options.powerOff(0)));

    // The other devices neither look at time nor change when something happens next.
    const timedPorts = new Set<unknown>([pit, systemControlB, cmos, acpi, ...ide.timedPorts]);
    const isTimed = (port: number): boolean => timedPorts.has(this.bus.at(port)?.device);
    const accessed = <Result>(port: number, bytes: 1 | 2 | 4, body: () => Result): Result => {
      if (!isTimed(port) && !isTimed(port + bytes - 1)) return body();
      this.advance();
      const result = body();
      options.disturbed();
      return result;
    };
    // Programs wait for the timer by reading its counters or port 61h over and over: that changes no event, and looks at no clock
    // but the timer's.
    const timerPorts = new Set<unknown>([pit, systemControlB]);
    this.ports = {
      read: (port, bytes) => {
        // Most accesses are of one device that looks at no clock, and quick.
        const place = this.bus.whole(port, bytes);
        if (place !== undefined && timerPorts.has(place.device)) pit.advanceTo(this.catchUpClock());
        if (place !== undefined && (timerPorts.has(place.device) || !timedPorts.has(place.device)))
          return place.device.read(port - place.base, bytes) >>> 0;
        const result = accessed(port, bytes, () => this.bus.read(port, bytes));
        if (result.kind === 'done') return result.value;
        options.absent.port('IN from', result.port);
        return accessed(port, bytes, () => this.bus.readFloating(port, bytes));
      },
      write: (port, bytes, value) => {
        const place = this.bus.whole(port, bytes);
        if (place !== undefined && !timedPorts.has(place.device)) {
          place.device.write(port - place.base, bytes, value);
          return;
        }
        const result = accessed(port, bytes, () => this.bus.write(port, bytes, value));
        if (result.kind === 'done') return;
        options.absent.port('OUT to', result.port);
        accessed(port, bytes, () => this.bus.writeFloating(port, bytes, value));
      },
    };
  }

  /** All devices, for views. */
  get devices(): readonly Device<unknown>[] {
    return [...this.bus.devices, ...this.mappedDevices];
  }

  /** Value that the running processor reads; undefined where nothing answers. */
  readMapped(address: number, bytes: AccessBytes): number | undefined {
    return this.apics.read(this.options.current(), address, bytes) ?? this.mapped.read(address, bytes);
  }
  /** False where nothing answers. */
  writeMapped(address: number, bytes: AccessBytes, value: number): boolean {
    return this.apics.write(this.options.current(), address, bytes, value) || this.mapped.write(address, bytes, value);
  }

  /** What the firmware's start-up does to the chips. */
  initializeByFirmware(): void {
    for (const { port, value } of FIRMWARE_PORT_WRITES) this.ports.write(port, 1, value);
  }

  /** Lets timed devices catch up with the running processor's time. */
  advance(): void {
    const clock = this.catchUpClock();
    for (const device of this.timed) device.advanceTo(clock);
    this.apics.of(this.options.current()).advanceTo(this.now());
  }

  /** Time of the running processor. */
  private now(): number {
    return this.options.lines[this.options.current()]?.now() ?? 0;
  }

  /** The clock of the board's devices: that of the processor that is furthest. */
  private catchUpClock(): number {
    this.clock = Math.max(this.clock, this.now());
    return this.clock;
  }

  /** Tick of the next event that concerns a processor; undefined where none will come by itself. */
  nextEvent(cpu: number): number | undefined {
    let next = this.apics.of(cpu).nextEvent();
    for (const device of this.timed) {
      const event = device.nextEvent();
      if (event !== undefined && (next === undefined || event < next)) next = event;
    }
    return next;
  }
}

const both = (first: InterruptLine, second: InterruptLine): InterruptLine => ({
  set(level) {
    first.set(level);
    second.set(level);
  },
});
