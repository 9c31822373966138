/**
 * The two 8259A of a PC, wired as the board wires them: the slave's INT output drives the master's input 2. Master inputs
 * are IRQ 0 to 7, slave inputs IRQ 8 to 15. The edge/level control registers (ELCR, ports 4D0h and 4D1h) are a device of
 * their own because they sit elsewhere.
 */
import { decodeRegisters, type AccessBytes, type InterruptLine, type PortDevice } from './device.ts';
import { Pic8259 } from './pic8259.ts';

const CASCADE_IRQ = 2;
const SPURIOUS_IRQ = 7;
/** IRQ 0, 1, 2 (master) and 8, 13 (slave) are always edge triggered on a PC. */
const ELCR_WRITABLE = [0xf8, 0xde] as const;

export class PicPair {
  readonly master: Pic8259;
  readonly slave: Pic8259;
  readonly edgeLevelControl: EdgeLevelControl;

  /** `intr` is the processor's INTR pin. */
  constructor(intr: InterruptLine) {
    this.master = new Pic8259('PIC master', 1 << CASCADE_IRQ, intr);
    this.slave = new Pic8259('PIC slave', 0, this.master.input(CASCADE_IRQ));
    this.edgeLevelControl = new EdgeLevelControl(this.master, this.slave);
  }

  /** The wire of `irq`, 0 to 15. */
  input(irq: number): InterruptLine {
    return irq < 8 ? this.master.input(irq) : this.slave.input(irq - 8);
  }

  /** Level of INTR, without touching anything. */
  get interruptRequested(): boolean {
    return this.master.output;
  }

  /** Answers the processor's acknowledge cycles with a vector, spurious ones included. */
  acknowledge(): number {
    const irq = this.master.acknowledge();
    if (irq === undefined) return this.master.vector(SPURIOUS_IRQ);
    if (irq !== CASCADE_IRQ) return this.master.vector(irq);
    return this.slave.vector(this.slave.acknowledge() ?? SPURIOUS_IRQ);
  }
}

const elcrRow = (first: number, offset: number) =>
  ({
    title: `Edge/Level Control, IRQ ${first} to ${first + 7}`,
    offset,
    access: 'read-write',
    bits: 8,
    fields: [],
  }) as const;

const ELCR_REGISTERS = { ELCR1: elcrRow(0, 0), ELCR2: elcrRow(8, 1) };

/** Its bits live in the chips, so that it has nothing of its own to save. */
export class EdgeLevelControl implements PortDevice<null> {
  readonly name = 'PIC edge/level control';
  readonly portCount = 2;
  readonly widestAccess = 1;
  readonly #master: Pic8259;
  readonly #slave: Pic8259;

  constructor(master: Pic8259, slave: Pic8259) {
    this.#master = master;
    this.#slave = slave;
  }

  read(offset: number, _bytes: AccessBytes): number {
    return offset === 0 ? this.#master.elcr : this.#slave.elcr;
  }

  write(offset: number, _bytes: AccessBytes, value: number): void {
    if (offset === 0) this.#master.elcr = value & ELCR_WRITABLE[0];
    else this.#slave.elcr = value & ELCR_WRITABLE[1];
  }

  save(): null {
    return null;
  }

  load(_state: null): void {}

  registers() {
    return decodeRegisters(ELCR_REGISTERS, { ELCR1: this.#master.elcr, ELCR2: this.#slave.elcr });
  }
}
