/** The board: which devices there are, where they sit, what their lines are connected to. The only place with addresses. */
import { MachineStop } from '../cpu/guest-fault.ts';
import type { InterruptController, PortBus as CpuPorts } from '../cpu/context.ts';
import { PortBus } from '../devices/bus.ts';
import { Cmos } from '../devices/cmos.ts';
import { ConsolePort } from '../devices/console-port.ts';
import type { PortDevice, TimedDevice } from '../devices/device.ts';
import { FirmwarePort } from '../devices/firmware-port.ts';
import { FwCfg } from '../devices/fw-cfg.ts';
import { LatchPort } from '../devices/latch-port.ts';
import { PicPair } from '../devices/pic-pair.ts';
import { Pit8254 } from '../devices/pit8254.ts';
import { DebugExit, ShutdownPort } from '../devices/power-ports.ts';
import { SystemControlA, SystemControlB } from '../devices/system-control.ts';
import { Uart16550 } from '../devices/uart16550.ts';
import { FIRMWARE_CALL_PORT, FIRMWARE_PORT_WRITES } from '../loader/firmware/image.ts';
import type { ConsoleSource } from './types.ts';

/** Virtual time: instructions in a second of guest time. One instruction is one tick of every clock on the board. */
const TICKS_PER_SECOND = 100_000_000;

export interface BoardOptions {
  readonly memoryBytes: number;
  readonly processors: number;
  /** Ticks since reset. */
  readonly now: () => number;
  readonly print: (byte: number, source: ConsoleSource) => void;
  readonly powerOff: (status: number) => void;
  /** Port 92h or a reset request of the guest. */
  readonly resetRequested: () => void;
  /** A ROM stub called the firmware. */
  readonly firmwareCall: () => void;
}

export class Board {
  readonly bus = new PortBus();
  readonly interrupts: InterruptController;
  readonly ports: CpuPorts;
  readonly com1: Uart16550;
  readonly systemControlA: SystemControlA;
  private readonly timed: readonly TimedDevice[];
  private readonly now: () => number;

  constructor(options: BoardOptions) {
    this.now = options.now;
    // The processor samples the controller's output at instruction boundaries: the wire itself carries nothing.
    const pics = new PicPair({ set: () => undefined });
    this.interrupts = { pending: () => pics.interruptRequested, acknowledge: () => pics.acknowledge() };
    const pit = new Pit8254(TICKS_PER_SECOND, pics.input(0));
    const cmos = new Cmos(TICKS_PER_SECOND, options.memoryBytes, pics.input(8));
    this.com1 = new Uart16550('COM1', (byte) => options.print(byte, 'com1'), pics.input(4));
    this.systemControlA = new SystemControlA(true, {
      setA20: (on) => {
        if (!on) throw new MachineStop('masking address line A20 (port 92h bit 1 = 0)');
      },
      reset: options.resetRequested,
    });
    this.timed = [pit, cmos];

    const place = (base: number, device: PortDevice<unknown>) => this.bus.register(base, device);
    place(0x20, pics.master);
    place(0xa0, pics.slave);
    place(0x4d0, pics.edgeLevelControl);
    place(0x40, pit);
    place(0x61, new SystemControlB(pit));
    place(0x70, cmos);
    place(0x80, new LatchPort('POST code'));
    place(0xed, new LatchPort('I/O delay'));
    place(0x92, this.systemControlA);
    place(FIRMWARE_CALL_PORT, new FirmwarePort(options.firmwareCall));
    place(0xe9, new ConsolePort((byte) => options.print(byte, 'e9')));
    place(0xf4, new DebugExit(options.powerOff));
    place(0x3f8, this.com1);
    place(0x510, new FwCfg({ processors: options.processors, ramBytes: options.memoryBytes }));
    place(0x8900, new ShutdownPort(() => options.powerOff(0)));

    this.ports = {
      read: (port, bytes) => {
        this.advance();
        const result = this.bus.read(port, bytes);
        if (result.kind === 'done') return result.value;
        throw new MachineStop(`IN from port ${hexPort(result.port)}, where there is no device`);
      },
      write: (port, bytes, value) => {
        this.advance();
        const result = this.bus.write(port, bytes, value);
        if (result.kind === 'done') return;
        throw new MachineStop(`OUT to port ${hexPort(result.port)}, where there is no device`);
      },
    };
  }

  /** What the firmware's start-up does to the chips. */
  initializeByFirmware(): void {
    for (const { port, value } of FIRMWARE_PORT_WRITES) this.ports.write(port, 1, value);
  }

  /** Lets timed devices catch up with time. */
  advance(): void {
    const now = this.now();
    for (const device of this.timed) device.advanceTo(now);
  }

  /** Tick of the next event of any device; undefined where none will come by itself. */
  nextEvent(): number | undefined {
    let next: number | undefined;
    for (const device of this.timed) {
      const event = device.nextEvent();
      if (event !== undefined && (next === undefined || event < next)) next = event;
    }
    return next;
  }
}

const hexPort = (port: number): string => `${port.toString(16).toUpperCase()}h`;
