/**
 * Fixed hardware of ACPI (ACPI specification 6.3, "PM1 Event Grouping" 4.8.3.1, "PM1 Control Grouping" 4.8.3.2 and "Power
 * Management Timer" 4.8.2.1): status and enable, control, and a timer of 24 bits. There is neither button nor sleep but S5.
 */
import { DeviceClock } from './clock.ts';
import {
  decodeRegisters,
  field,
  flag,
  type AccessBytes,
  type InterruptLine,
  type PortDevice,
  type RegisterRow,
  type TimedDevice,
} from './device.ts';

const STATUS = 0;
const ENABLE = 2;
const CONTROL = 4;
const TIMER = 8;

const TIMER_HERTZ = 3_579_545;
const TIMER_BITS = 0x100_0000;
/** The status bit is set whenever the timer's top bit changes. */
const TIMER_HALF = TIMER_BITS / 2;

const TIMER_STATUS = 0x0001;
/** The timer, the global lock, the real-time clock. */
const ENABLE_WRITABLE = 0x0421;
const SCI_ENABLE = 0x0001;
const BUS_MASTER_RELOAD = 0x0002;
const SLEEP_TYPE = 0x1c00;
const SLEEP_TYPE_BIT = 10;
const SLEEP = 0x2000;

const PM_REGISTERS = {
  PM1_STS: {
    title: 'PM1 status',
    offset: STATUS,
    access: 'read-write',
    bits: 16,
    fields: [flag('TMR_STS', 0, 'top bit of the timer has changed'), flag('GBL_STS', 5, 'global lock released')],
  },
  PM1_EN: {
    title: 'PM1 enable',
    offset: ENABLE,
    access: 'read-write',
    bits: 16,
    fields: [flag('TMR_EN', 0, 'timer'), flag('GBL_EN', 5, 'global lock'), flag('RTC_EN', 10, 'real-time clock')],
  },
  PM1_CNT: {
    title: 'PM1 control',
    offset: CONTROL,
    access: 'read-write',
    bits: 16,
    fields: [
      flag('SCI_EN', 0, 'ACPI mode'),
      flag('BM_RLD', 1, 'bus masters wake C3'),
      field('SLP_TYP', 12, 10, 'sleep type'),
    ],
  },
  PM_TMR: { title: 'Power management timer', offset: TIMER, access: 'read', bits: 32, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export interface AcpiPmState {
  readonly status: number;
  readonly enable: number;
  readonly control: number;
  readonly now: number;
}

export interface AcpiPmWiring {
  readonly sci: InterruptLine;
  /** SLP_EN was written with a sleep type. */
  readonly sleep: (type: number) => void;
}

export class AcpiPm implements PortDevice<AcpiPmState>, TimedDevice {
  readonly name = 'ACPI power management';
  readonly portCount = 12;
  readonly widestAccess = 4;
  readonly #clock: DeviceClock;
  readonly #wiring: AcpiPmWiring;
  #status = 0;
  #enable = 0;
  #control = SCI_ENABLE;
  #now = 0;

  constructor(ticksPerSecond: number, wiring: AcpiPmWiring) {
    this.#clock = new DeviceClock(TIMER_HERTZ, ticksPerSecond);
    this.#wiring = wiring;
  }

  /** Times that the top bit of the timer has changed until a tick. */
  #halves(tick: number): number {
    return Math.floor(this.#clock.pulsesAt(tick) / TIMER_HALF);
  }

  nextEvent(): number | undefined {
    if ((this.#enable & TIMER_STATUS) === 0 || (this.#status & TIMER_STATUS) !== 0) return undefined;
    return this.#clock.tickOfPulse((this.#halves(this.#now) + 1) * TIMER_HALF);
  }

  advanceTo(now: number): void {
    if (this.#halves(now) !== this.#halves(this.#now)) this.#status |= TIMER_STATUS;
    this.#now = now;
    this.#drive();
  }

  get #timer(): number {
    return this.#clock.pulsesAt(this.#now) % TIMER_BITS;
  }

  #drive(): void {
    this.#wiring.sci.set((this.#status & this.#enable) !== 0);
  }

  read(offset: number, bytes: AccessBytes): number {
    let value = 0;
    for (let index = bytes - 1; index >= 0; index--) value = value * 256 + this.#readByte(offset + index);
    return value;
  }

  #readByte(offset: number): number {
    const register = offset < ENABLE ? this.#status : offset < CONTROL ? this.#enable : this.#control;
    if (offset >= TIMER) return (this.#timer >>> (8 * (offset - TIMER))) & 0xff;
    return offset >= CONTROL + 2 ? 0 : (register >>> (8 * (offset & 1))) & 0xff;
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    // Registers of 16 bits; a wider write is one to two of them, a narrower one leaves the other byte.
    for (let index = 0; index < bytes; index++) this.#writeByte(offset + index, (value >>> (8 * index)) & 0xff);
    this.#drive();
  }

  #writeByte(offset: number, value: number): void {
    const shift = 8 * (offset & 1);
    const put = (register: number): number => (register & ~(0xff << shift)) | (value << shift);
    if (offset < ENABLE) this.#status &= ~(value << shift);
    else if (offset < CONTROL) this.#enable = put(this.#enable) & ENABLE_WRITABLE;
    else if (offset < CONTROL + 2) this.#writeControl(put(this.#control), (value << shift) & SLEEP);
  }

  #writeControl(value: number, sleep: number): void {
    // The machine is always in ACPI mode: there is nobody who would want the other one.
    this.#control = SCI_ENABLE | (value & (BUS_MASTER_RELOAD | SLEEP_TYPE));
    if (sleep !== 0) this.#wiring.sleep((value & SLEEP_TYPE) >> SLEEP_TYPE_BIT);
  }

  save(): AcpiPmState {
    return { status: this.#status, enable: this.#enable, control: this.#control, now: this.#now };
  }

  load({ status, enable, control, now }: AcpiPmState): void {
    this.#status = status;
    this.#enable = enable;
    this.#control = control;
    this.#now = now;
  }

  registers() {
    return decodeRegisters(PM_REGISTERS, {
      PM1_STS: this.#status,
      PM1_EN: this.#enable,
      PM1_CNT: this.#control,
      PM_TMR: this.#timer,
    });
  }
}
