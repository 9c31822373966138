/**
 * What a device is to the rest of the machine: offsets, a sink and an interrupt line. A device knows no address, no
 * processor and no memory; `machine/board.ts` decides where it sits and what its lines are connected to.
 */

/** Width of one access as the processor issues it. */
export type AccessBytes = 1 | 2 | 4;

/** What an access does where no device answers: stop the machine by name, or read ones and lose what is written. */
export type AbsentDevices = 'stop' | 'float';

/** A wire into an interrupt controller or the processor. Setting the level it already has changes nothing. */
export interface InterruptLine {
  set(level: boolean): void;
}

/**
 * What every device has. `State` is plain JSON-able data and all there is to know: a device that loads it behaves as the one
 * that saved it. `load` moves no line and calls no sink, since whoever is at the other end loads its own state.
 */
export interface Device<State> {
  /** Unique on a board; views and messages show it. */
  readonly name: string;
  save(): State;
  load(state: State): void;
  /** All registers for views, decoded; changes nothing. */
  registers(): readonly DeviceRegister[];
}

/** A device in I/O space. */
export interface PortDevice<State> extends Device<State> {
  /** Consecutive ports it decodes. */
  readonly portCount: number;
  /** Widest access it decodes in one piece; the bus splits wider ones, as ISA does for 8-bit cards. */
  readonly widestAccess: AccessBytes;
  /** Value read, unsigned, within `bytes`. May have side effects: views use `registers()` instead. */
  read(offset: number, bytes: AccessBytes): number;
  write(offset: number, bytes: AccessBytes, value: number): void;
}

/** A device in the physical address space. Accesses of 8 bytes come as two of 4, low half first. */
export interface MappedDevice<State> extends Device<State> {
  /** Consecutive bytes of physical addresses it decodes. */
  readonly byteCount: number;
  /** Value read, unsigned, within `bytes`. May have side effects: views use `registers()` instead. */
  read(offset: number, bytes: AccessBytes): number;
  write(offset: number, bytes: AccessBytes, value: number): void;
}

/**
 * A device that does things as time passes. Time is counted in ticks: one tick is one instruction retired; constructors
 * take `ticksPerSecond`. The board calls `advanceTo(now)` before each port access to the device and when `nextEvent()`
 * is due, with `now` never decreasing.
 */
export interface TimedDevice {
  /** Tick at which the device will next move a line by itself; undefined where it will not. */
  nextEvent(): number | undefined;
  advanceTo(now: number): void;
}

/** A bit field of a device register. */
export interface RegisterField {
  readonly name: string;
  readonly lowBit: number;
  readonly bits: number;
  /** What it is, in a few words, for hover text. */
  readonly title: string;
  /** Words for particular values. */
  readonly values?: Readonly<Record<number, string>>;
}

/** One row of a device's static register table. */
export interface RegisterRow {
  readonly title: string;
  /** Port offset; undefined for state that no single port shows. */
  readonly offset?: number;
  readonly access: 'read' | 'write' | 'read-write' | 'internal';
  readonly bits: 8 | 16 | 32;
  readonly fields: readonly RegisterField[];
}

export interface DeviceRegister extends RegisterRow {
  readonly name: string;
  readonly value: number;
  /** The fields' values in table order, with words where the table has them. */
  readonly decoded: readonly {
    readonly name: string;
    readonly title: string;
    readonly value: number;
    readonly text?: string;
  }[];
}

/** Joins a register table with values; a missing value does not compile. */
export function decodeRegisters<Name extends string>(
  table: Readonly<Record<Name, RegisterRow>>,
  values: Readonly<Record<Name, number>>,
): readonly DeviceRegister[] {
  return (Object.keys(table) as Name[]).map((name) => {
    const row: RegisterRow = table[name];
    const value = values[name];
    const decoded = row.fields.map((field) => {
      const fieldValue = Math.floor(value / 2 ** field.lowBit) % 2 ** field.bits;
      const text = field.values?.[fieldValue];
      return { name: field.name, title: field.title, value: fieldValue, ...(text === undefined ? {} : { text }) };
    });
    return { ...row, name, value, decoded };
  });
}

/** The register's fields in one line for views: set flags by name, wider fields as `NAME=value` or in words. */
export function meaningOf(register: DeviceRegister): string {
  const words = register.decoded.map(({ name, value, text }, index) => {
    if (text !== undefined) return `${name}: ${text}`;
    if (register.fields[index]?.bits === 1) return value === 1 ? name : '';
    return `${name}=${value}`;
  });
  return words.filter((word) => word !== '').join(', ');
}

/** A one-bit field. */
export const flag = (name: string, lowBit: number, title: string): RegisterField => ({ name, lowBit, bits: 1, title });

/** A field of several bits, with words for its values where that helps. */
export const field = (
  name: string,
  highBit: number,
  lowBit: number,
  title: string,
  values?: Readonly<Record<number, string>>,
): RegisterField => ({ name, lowBit, bits: highBit - lowBit + 1, title, ...(values === undefined ? {} : { values }) });
