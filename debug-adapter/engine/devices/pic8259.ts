/**
 * 8259A programmable interrupt controller (Intel 8259A data sheet, "Programming the 8259A"): one chip with its two ports.
 * The PC's pair of chips is in `pic-pair.ts`. Of the processor modes only 8086 mode exists; a guest that asks for MCS-80
 * mode (ICW4 bit 0 clear) still gets vectors, as on PC chipsets.
 */
import {
  decodeRegisters,
  field,
  flag,
  type AccessBytes,
  type InterruptLine,
  type PortDevice,
  type RegisterRow,
} from './device.ts';

const COMMAND_OFFSET = 0;
const DATA_OFFSET = 1;

const ICW1_SELECT = 0x10;
const ICW1_IC4 = 0x01;
const ICW1_SINGLE = 0x02;
const ICW1_LEVEL = 0x08;
const ICW4_AUTO_EOI = 0x02;
const ICW4_SPECIAL_FULLY_NESTED = 0x10;
const OCW3_SELECT = 0x08;
const POLL_PENDING = 0x80;

const irqBits = (title: string) => Array.from({ length: 8 }, (_, irq) => flag(`IR${irq}`, irq, `${title} ${irq}`));

const PIC_REGISTERS = {
  IRR: {
    title: 'Interrupt Request Register',
    offset: COMMAND_OFFSET,
    access: 'read',
    bits: 8,
    fields: irqBits('request'),
  },
  ISR: { title: 'In-Service Register', offset: COMMAND_OFFSET, access: 'read', bits: 8, fields: irqBits('in service') },
  IMR: {
    title: 'Interrupt Mask Register',
    offset: DATA_OFFSET,
    access: 'read-write',
    bits: 8,
    fields: irqBits('masked'),
  },
  ICW1: {
    title: 'Initialization Command Word 1',
    offset: COMMAND_OFFSET,
    access: 'write',
    bits: 8,
    fields: [flag('IC4', 0, 'ICW4 needed'), flag('SNGL', 1, 'single, no cascade'), flag('LTIM', 3, 'level triggered')],
  },
  ICW2: {
    title: 'Vector base',
    offset: DATA_OFFSET,
    access: 'write',
    bits: 8,
    fields: [field('T7-T3', 7, 3, 'vector bits 7:3')],
  },
  ICW3: {
    title: 'Cascade: inputs with a slave, or own slave id',
    offset: DATA_OFFSET,
    access: 'write',
    bits: 8,
    fields: [],
  },
  ICW4: {
    title: 'Initialization Command Word 4',
    offset: DATA_OFFSET,
    access: 'write',
    bits: 8,
    fields: [
      flag('uPM', 0, '8086 mode'),
      flag('AEOI', 1, 'automatic end of interrupt'),
      field('BUF', 3, 2, 'buffered mode'),
      flag('SFNM', 4, 'special fully nested mode'),
    ],
  },
  MODE: {
    title: 'Operating mode',
    access: 'internal',
    bits: 8,
    fields: [
      field('LOWEST', 2, 0, 'input of lowest priority'),
      flag('SMM', 3, 'special mask mode'),
      flag('RAEOI', 4, 'rotate in automatic EOI mode'),
      flag('READISR', 5, 'command port reads ISR'),
      flag('POLL', 6, 'next read is a poll'),
    ],
  },
  ELCR: { title: 'Edge/Level Control', access: 'internal', bits: 8, fields: irqBits('level triggered') },
  INPUTS: { title: 'Levels of the inputs', access: 'internal', bits: 8, fields: irqBits('input') },
} as const satisfies Record<string, RegisterRow>;

/** What the data port expects next. */
type Expecting = 'OCW1' | 'ICW2' | 'ICW3' | 'ICW4';

export interface PicState {
  readonly irr: number;
  readonly isr: number;
  readonly imr: number;
  readonly icw1: number;
  readonly icw2: number;
  readonly icw3: number;
  readonly icw4: number;
  readonly expecting: Expecting;
  readonly lowestPriority: number;
  readonly specialMask: boolean;
  readonly rotateInAutoEoi: boolean;
  readonly readIsr: boolean;
  readonly poll: boolean;
  readonly elcr: number;
  /** Level of each input as it is now. */
  readonly inputs: number;
  /** Level of the INT output. */
  readonly output: boolean;
}

type Mutable<State> = { -readonly [Key in keyof State]: State[Key] };

const POWER_ON: PicState = {
  irr: 0,
  isr: 0,
  imr: 0,
  icw1: 0,
  icw2: 0,
  icw3: 0,
  icw4: 0,
  expecting: 'OCW1',
  lowestPriority: 7,
  specialMask: false,
  rotateInAutoEoi: false,
  readIsr: false,
  poll: false,
  elcr: 0,
  inputs: 0,
  output: false,
};

export class Pic8259 implements PortDevice<PicState> {
  readonly name: string;
  readonly portCount = 2;
  readonly widestAccess = 1;
  /** Inputs a slave is wired to: 04h for the PC's master. A matter of the board, whatever ICW3 says. */
  readonly #cascaded: number;
  readonly #int: InterruptLine;
  #s: Mutable<PicState> = { ...POWER_ON };

  constructor(name: string, cascaded: number, int: InterruptLine) {
    this.name = name;
    this.#cascaded = cascaded;
    this.#int = int;
  }

  /** The wire into input `irq` (0 to 7). */
  input(irq: number): InterruptLine {
    return { set: (level) => this.#setInput(irq, level) };
  }

  /** Level of the INT output. */
  get output(): boolean {
    return this.#s.output;
  }

  /** Edge/level control, one bit per input, set = level triggered. */
  get elcr(): number {
    return this.#s.elcr;
  }

  set elcr(value: number) {
    this.#s.elcr = value;
    this.#update();
  }

  /** Vector of input `irq`. */
  vector(irq: number): number {
    return (this.#s.icw2 & 0xf8) | irq;
  }

  /**
   * The processor's interrupt acknowledge. Answers the input that is served now, or undefined for a spurious interrupt (the
   * request went away), whose vector is that of input 7 and which is not in service afterwards.
   */
  acknowledge(): number | undefined {
    const irq = this.#pending();
    if (irq === undefined) return undefined;
    const s = this.#s;
    const bit = 1 << irq;
    s.isr |= bit;
    // An edge is used up; a level stays requested while it stays high.
    if ((this.#levelTriggered & bit) === 0) s.irr &= ~bit;
    if ((s.icw4 & ICW4_AUTO_EOI) !== 0) {
      s.isr &= ~bit;
      if (s.rotateInAutoEoi) s.lowestPriority = irq;
    }
    // INT goes down during the acknowledge, so that a further request of a slave is a new edge for its master.
    this.#setOutput(false);
    this.#update();
    return irq;
  }

  read(offset: number, _bytes: AccessBytes): number {
    const s = this.#s;
    if (s.poll) {
      s.poll = false;
      const irq = this.acknowledge();
      return irq === undefined ? 0 : POLL_PENDING | irq;
    }
    if (offset === DATA_OFFSET) return s.imr;
    return s.readIsr ? s.isr : s.irr;
  }

  write(offset: number, _bytes: AccessBytes, value: number): void {
    if (offset === DATA_OFFSET) this.#writeData(value);
    else if ((value & ICW1_SELECT) !== 0) this.#initialize(value);
    else if ((value & OCW3_SELECT) !== 0) this.#writeOcw3(value);
    else this.#writeOcw2(value);
    this.#update();
  }

  save(): PicState {
    return { ...this.#s };
  }

  load(state: PicState): void {
    this.#s = { ...state };
  }

  registers() {
    const s = this.#s;
    return decodeRegisters(PIC_REGISTERS, {
      IRR: s.irr,
      ISR: s.isr,
      IMR: s.imr,
      ICW1: s.icw1,
      ICW2: s.icw2,
      ICW3: s.icw3,
      ICW4: s.icw4,
      MODE:
        s.lowestPriority |
        (Number(s.specialMask) << 3) |
        (Number(s.rotateInAutoEoi) << 4) |
        (Number(s.readIsr) << 5) |
        (Number(s.poll) << 6),
      ELCR: s.elcr,
      INPUTS: s.inputs,
    });
  }

  get #levelTriggered(): number {
    return (this.#s.icw1 & ICW1_LEVEL) !== 0 ? 0xff : this.#s.elcr;
  }

  #setInput(irq: number, level: boolean): void {
    const s = this.#s;
    const bit = 1 << irq;
    if (level) {
      // Both kinds request on a rise; only a new rise makes a new edge.
      if ((s.inputs & bit) === 0) s.irr |= bit;
      s.inputs |= bit;
    } else {
      // The request must stay until it is acknowledged; one that does not becomes a spurious interrupt.
      s.irr &= ~bit;
      s.inputs &= ~bit;
    }
    this.#update();
  }

  /** Inputs from the highest to the lowest priority. */
  #byPriority(): number[] {
    return Array.from({ length: 8 }, (_, rank) => (this.#s.lowestPriority + 1 + rank) & 7);
  }

  /** The input that would be acknowledged now. */
  #pending(): number | undefined {
    const s = this.#s;
    const requests = s.irr & ~s.imr;
    if (requests === 0) return undefined;
    for (const irq of this.#byPriority()) {
      const bit = 1 << irq;
      const inService = (s.isr & bit) !== 0;
      if (s.specialMask) {
        // Special mask mode: an input in service inhibits only itself.
        if ((requests & bit) !== 0 && !inService) return irq;
        continue;
      }
      // Special fully nested mode: a slave in service may interrupt again with something more urgent of its own.
      const nests = (s.icw4 & ICW4_SPECIAL_FULLY_NESTED) !== 0 && (this.#cascaded & bit) !== 0;
      if ((requests & bit) !== 0 && (!inService || nests)) return irq;
      if (inService) return undefined;
    }
    return undefined;
  }

  #update(): void {
    const s = this.#s;
    s.irr |= s.inputs & this.#levelTriggered;
    this.#setOutput(s.expecting === 'OCW1' && this.#pending() !== undefined);
  }

  #setOutput(level: boolean): void {
    if (level === this.#s.output) return;
    this.#s.output = level;
    this.#int.set(level);
  }

  #initialize(icw1: number): void {
    const s = this.#s;
    this.#s = {
      ...POWER_ON,
      icw1,
      icw2: s.icw2,
      icw3: s.icw3,
      // Without ICW4 all its functions are off.
      icw4: (icw1 & ICW1_IC4) !== 0 ? s.icw4 : 0,
      expecting: 'ICW2',
      // Edges seen so far are forgotten, the lines themselves are as they are.
      inputs: s.inputs,
      elcr: s.elcr,
      output: s.output,
    };
  }

  #writeData(value: number): void {
    const s = this.#s;
    switch (s.expecting) {
      case 'ICW2':
        s.icw2 = value;
        s.expecting = (s.icw1 & ICW1_SINGLE) === 0 ? 'ICW3' : this.#afterIcw3();
        return;
      case 'ICW3':
        s.icw3 = value;
        s.expecting = this.#afterIcw3();
        return;
      case 'ICW4':
        s.icw4 = value;
        s.expecting = 'OCW1';
        return;
      case 'OCW1':
        s.imr = value;
        return;
    }
  }

  #afterIcw3(): Expecting {
    return (this.#s.icw1 & ICW1_IC4) !== 0 ? 'ICW4' : 'OCW1';
  }

  #writeOcw2(value: number): void {
    const s = this.#s;
    const level = value & 7;
    // Bits 7:5 are R, SL and EOI (data sheet, Figure 8).
    switch (value >> 5) {
      case 0:
        s.rotateInAutoEoi = false;
        return;
      case 1:
        this.#endHighest();
        return;
      case 2:
        return;
      case 3:
        s.isr &= ~(1 << level);
        return;
      case 4:
        s.rotateInAutoEoi = true;
        return;
      case 5:
        s.lowestPriority = this.#endHighest() ?? s.lowestPriority;
        return;
      case 6:
        s.lowestPriority = level;
        return;
      case 7:
        s.isr &= ~(1 << level);
        s.lowestPriority = level;
        return;
    }
  }

  /** Non-specific EOI: ends the interrupt of highest priority that is in service and says which. */
  #endHighest(): number | undefined {
    const s = this.#s;
    // In special mask mode a masked in-service bit is not cleared by a non-specific EOI.
    const candidates = s.specialMask ? s.isr & ~s.imr : s.isr;
    const irq = this.#byPriority().find((candidate) => (candidates & (1 << candidate)) !== 0);
    if (irq !== undefined) s.isr &= ~(1 << irq);
    return irq;
  }

  #writeOcw3(value: number): void {
    const s = this.#s;
    if ((value & 0x40) !== 0) s.specialMask = (value & 0x20) !== 0;
    if ((value & 0x02) !== 0) s.readIsr = (value & 0x01) !== 0;
    if ((value & 0x04) !== 0) s.poll = true;
  }
}
