/**
 * Keyboard controller 8042 with a keyboard and without a mouse (IBM PS/2 technical reference, "Keyboard and Auxiliary Device
 * Controller"). Its two ports, data (60h) and command/status (64h), are two devices because system control port B lies between.
 */
import {
  decodeRegisters,
  flag,
  type AccessBytes,
  type InterruptLine,
  type PortDevice,
  type RegisterRow,
} from './device.ts';
import { RELEASED_PREFIX, set2Codes, translated, translatedKey } from './scan-codes.ts';

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX = 0x20;
const STATUS_TIMEOUT = 0x40;

const CONFIG_KEYBOARD_INTERRUPT = 0x01;
const CONFIG_AUX_INTERRUPT = 0x02;
const CONFIG_SYSTEM = 0x04;
const CONFIG_KEYBOARD_OFF = 0x10;
const CONFIG_AUX_OFF = 0x20;
const CONFIG_TRANSLATE = 0x40;
/** As firmware leaves it. */
const CONFIG_START = CONFIG_KEYBOARD_INTERRUPT | CONFIG_SYSTEM | CONFIG_AUX_OFF | CONFIG_TRANSLATE;

const OUTPUT_NOT_RESET = 0x01;
const OUTPUT_A20 = 0x02;
const OUTPUT_KEYBOARD_FULL = 0x10;
const OUTPUT_AUX_FULL = 0x20;
/** Output port with power-on levels of lines nothing is connected to. */
const OUTPUT_FIXED = 0xc0;

const ACKNOWLEDGE = 0xfa;
const RESEND = 0xfe;
const SELF_TEST_PASSED = 0xaa;

const CONTROLLER_REGISTERS = {
  STATUS: {
    title: 'Status',
    access: 'internal',
    bits: 8,
    fields: [
      flag('OBF', 0, 'output buffer full'),
      flag('IBF', 1, 'input buffer full'),
      flag('SYS', 2, 'system flag'),
      flag('CMD', 3, 'last write was a command'),
      flag('INH', 4, 'keyboard not locked'),
      flag('AUX', 5, 'output is from the auxiliary device'),
      flag('TIMEOUT', 6, 'time-out'),
    ],
  },
  CONFIG: {
    title: 'Controller configuration byte',
    access: 'internal',
    bits: 8,
    fields: [
      flag('INT', 0, 'IRQ 1 enabled'),
      flag('INT2', 1, 'IRQ 12 enabled'),
      flag('SYS', 2, 'system flag'),
      flag('DISABLE', 4, 'keyboard off'),
      flag('DISABLE2', 5, 'auxiliary device off'),
      flag('XLATE', 6, 'translation to scan code set 1'),
    ],
  },
  OUTPUT: { title: 'Byte that the next read of 60h gives', offset: 0, access: 'read', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;

const COMMAND_REGISTERS = {
  COMMAND: { title: 'Last command', offset: 0, access: 'write', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export interface I8042Lines {
  readonly keyboardInterrupt: InterruptLine;
  readonly auxInterrupt: InterruptLine;
  readonly a20: () => boolean;
  setA20(on: boolean): void;
  reset(): void;
}

interface OutputByte {
  readonly value: number;
  readonly from: 'controller' | 'keyboard' | 'aux';
}

export interface I8042State {
  readonly configuration: number;
  /** Oldest first; the first is in the output buffer. */
  readonly output: readonly OutputByte[];
  readonly lastCommand: number;
  readonly lastWasCommand: boolean;
  /** Controller command that waits for its byte at 60h; 0 where none does. */
  readonly awaited: number;
  /** Keyboard command that waits for its parameter; 0 where none does. */
  readonly keyboardAwaited: number;
  readonly scanCodeSet: number;
  /** Codes that the keyboard has not sent yet, oldest first. */
  readonly keys: readonly number[];
  /** The keyboard looks at its keys. */
  readonly scanning: boolean;
  /** The prefix of a released key was translated; its code follows. */
  readonly released: boolean;
  readonly ramByte: readonly number[];
}

/** Controller commands whose parameter comes to port 60h. */
const takesByte = (command: number): boolean =>
  (command >= 0x60 && command <= 0x7f) || (command >= 0xd1 && command <= 0xd4);

export class I8042 implements PortDevice<I8042State> {
  readonly name = 'keyboard controller';
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly commandPort: I8042CommandPort;
  readonly #lines: I8042Lines;
  #configuration = CONFIG_START;
  #output: OutputByte[] = [];
  #lastCommand = 0;
  #lastWasCommand = false;
  #awaited = 0;
  #keyboardAwaited = 0;
  #scanCodeSet = 2;
  #keys: number[] = [];
  #scanning = true;
  #released = false;
  /** Controller memory behind commands 20h to 3Fh; byte 0 is the configuration. */
  #ram = new Array<number>(32).fill(0);

  constructor(lines: I8042Lines) {
    this.#lines = lines;
    this.commandPort = new I8042CommandPort(this);
  }

  get status(): number {
    const head = this.#output[0];
    return (
      STATUS_UNLOCKED |
      (head === undefined ? 0 : STATUS_OUTPUT_FULL) |
      (head?.from === 'aux' ? STATUS_AUX | STATUS_TIMEOUT : 0) |
      (this.#configuration & STATUS_SYSTEM) |
      (this.#lastWasCommand ? STATUS_COMMAND : 0)
    );
  }

  get lastCommand(): number {
    return this.#lastCommand;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    const head = this.#output.shift();
    // The line falls with the read and rises again for the next byte.
    this.#lines.keyboardInterrupt.set(false);
    this.#lines.auxInterrupt.set(false);
    if (this.#output.length === 0) this.#sendKeys();
    else this.#signal();
    return head?.value ?? 0;
  }

  /**
   * Keys are pressed and released, as codes of set 1. They wait until the controller can take them; no keyboard's buffer is
   * that long, but then nobody types that fast.
   */
  type(set1: Uint8Array): void {
    if (!this.#scanning) return;
    this.#keys.push(...(this.#scanCodeSet === 1 ? set1 : set2Codes(set1)));
    this.#sendKeys();
  }

  /** A byte at a time, while the output buffer is empty and the keyboard's clock runs. */
  #sendKeys(): void {
    while (this.#output.length === 0 && (this.#configuration & CONFIG_KEYBOARD_OFF) === 0) {
      const code = this.#keys.shift();
      if (code === undefined) return;
      if ((this.#configuration & CONFIG_TRANSLATE) === 0) this.#push({ value: code, from: 'keyboard' });
      else if (code === RELEASED_PREFIX) this.#released = true;
      else {
        this.#push({ value: translatedKey(code, this.#released), from: 'keyboard' });
        this.#released &&= code === 0xe0 || code === 0xe1;
      }
    }
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    this.#lastWasCommand = false;
    const awaited = this.#awaited;
    this.#awaited = 0;
    if (awaited === 0) this.#toKeyboard(value);
    else this.#parameter(awaited, value);
  }

  command(value: number): void {
    this.#lastWasCommand = true;
    this.#lastCommand = value;
    this.#awaited = takesByte(value) ? value : 0;
    if (value >= 0x20 && value <= 0x3f) {
      this.#answer(value === 0x20 ? this.#configuration : (this.#ram[value & 31] ?? 0));
      return;
    }
    switch (value) {
      case 0xa7:
        this.#configuration |= CONFIG_AUX_OFF;
        return;
      case 0xa8:
        this.#configuration &= ~CONFIG_AUX_OFF;
        return;
      case 0xa9:
      case 0xab:
        this.#answer(0);
        return;
      case 0xaa:
        this.#configuration |= CONFIG_SYSTEM;
        this.#answer(0x55);
        return;
      case 0xad:
        this.#configuration |= CONFIG_KEYBOARD_OFF;
        return;
      case 0xae:
        this.#configuration &= ~CONFIG_KEYBOARD_OFF;
        this.#sendKeys();
        return;
      case 0xd0:
        this.#answer(this.#outputPort);
        return;
      case 0xdd:
        this.#lines.setA20(false);
        return;
      case 0xdf:
        this.#lines.setA20(true);
        return;
    }
    // F0h to FFh pulse the low output lines whose bits are 0; bit 0 is the reset line.
    if (value >= 0xf0 && (value & OUTPUT_NOT_RESET) === 0) this.#lines.reset();
  }

  get #outputPort(): number {
    const from = this.#output[0]?.from;
    const full = from === undefined ? 0 : from === 'aux' ? OUTPUT_AUX_FULL : OUTPUT_KEYBOARD_FULL;
    return OUTPUT_FIXED | OUTPUT_NOT_RESET | (this.#lines.a20() ? OUTPUT_A20 : 0) | full;
  }

  #parameter(command: number, value: number): void {
    if (command < 0x80) {
      if (command === 0x60) {
        this.#configuration = value;
        this.#signal();
        this.#sendKeys();
      } else this.#ram[command & 31] = value;
      return;
    }
    switch (command) {
      case 0xd1:
        this.#lines.setA20((value & OUTPUT_A20) !== 0);
        if ((value & OUTPUT_NOT_RESET) === 0) this.#lines.reset();
        return;
      case 0xd2:
        return this.#push({ value, from: 'keyboard' });
      case 0xd3:
        return this.#push({ value, from: 'aux' });
      case 0xd4:
        // No mouse is plugged in: the byte is not taken, and the controller reports a time-out.
        return this.#push({ value: RESEND, from: 'aux' });
    }
  }

  /** A byte to the keyboard; the controller switches its clock on for that. */
  #toKeyboard(value: number): void {
    this.#configuration &= ~CONFIG_KEYBOARD_OFF;
    const awaited = this.#keyboardAwaited;
    this.#keyboardAwaited = 0;
    if (awaited !== 0) {
      // Set 3 is for terminals; this keyboard does without.
      if (awaited === 0xf0 && value > 2) return this.#fromKeyboard(RESEND);
      this.#fromKeyboard(ACKNOWLEDGE);
      if (awaited === 0xf0 && value === 0) this.#fromKeyboard(this.#scanCodeSet);
      else if (awaited === 0xf0) this.#scanCodeSet = value;
      return;
    }
    switch (value) {
      case 0xee:
        return this.#fromKeyboard(0xee);
      case 0xed:
      case 0xf0:
      case 0xf3:
        this.#keyboardAwaited = value;
        return this.#fromKeyboard(ACKNOWLEDGE);
      case 0xf2:
        return this.#fromKeyboard(ACKNOWLEDGE, 0xab, 0x83);
      case 0xf4:
      case 0xf5:
        this.#scanning = value === 0xf4;
        return this.#fromKeyboard(ACKNOWLEDGE);
      case 0xf6:
        this.#scanCodeSet = 2;
        return this.#fromKeyboard(ACKNOWLEDGE);
      case 0xff:
        this.#scanCodeSet = 2;
        this.#scanning = true;
        this.#keys = [];
        return this.#fromKeyboard(ACKNOWLEDGE, SELF_TEST_PASSED);
      default:
        return this.#fromKeyboard(RESEND);
    }
  }

  #fromKeyboard(...bytes: number[]): void {
    const translates = (this.#configuration & CONFIG_TRANSLATE) !== 0;
    for (const byte of bytes) this.#push({ value: translates ? translated(byte) : byte, from: 'keyboard' });
  }

  /** The controller's own answers replace what was in the buffer. */
  #answer(value: number): void {
    this.#output.length = 0;
    this.#push({ value, from: 'controller' });
  }

  #push(byte: OutputByte): void {
    this.#output.push(byte);
    if (this.#output.length === 1) this.#signal();
  }

  #signal(): void {
    const from = this.#output[0]?.from;
    const enabled = (bit: number) => (this.#configuration & bit) !== 0;
    if (from === 'aux') this.#lines.auxInterrupt.set(enabled(CONFIG_AUX_INTERRUPT));
    else if (from !== undefined) this.#lines.keyboardInterrupt.set(enabled(CONFIG_KEYBOARD_INTERRUPT));
  }

  save(): I8042State {
    return {
      configuration: this.#configuration,
      output: [...this.#output],
      lastCommand: this.#lastCommand,
      lastWasCommand: this.#lastWasCommand,
      awaited: this.#awaited,
      keyboardAwaited: this.#keyboardAwaited,
      scanCodeSet: this.#scanCodeSet,
      keys: [...this.#keys],
      scanning: this.#scanning,
      released: this.#released,
      ramByte: [...this.#ram],
    };
  }

  load(state: I8042State): void {
    this.#configuration = state.configuration;
    this.#output = [...state.output];
    this.#lastCommand = state.lastCommand;
    this.#lastWasCommand = state.lastWasCommand;
    this.#awaited = state.awaited;
    this.#keyboardAwaited = state.keyboardAwaited;
    this.#scanCodeSet = state.scanCodeSet;
    this.#keys = [...state.keys];
    this.#scanning = state.scanning;
    this.#released = state.released;
    this.#ram = [...state.ramByte];
  }

  registers() {
    return decodeRegisters(CONTROLLER_REGISTERS, {
      STATUS: this.status,
      CONFIG: this.#configuration,
      OUTPUT: this.#output[0]?.value ?? 0,
    });
  }
}

/** Port 64h. */
class I8042CommandPort implements PortDevice<null> {
  readonly name = 'keyboard controller commands';
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly #controller: I8042;

  constructor(controller: I8042) {
    this.#controller = controller;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return this.#controller.status;
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    this.#controller.command(value);
  }

  save(): null {
    return null;
  }

  load(_state: null): void {}

  registers() {
    return decodeRegisters(COMMAND_REGISTERS, { COMMAND: this.#controller.lastCommand });
  }
}
