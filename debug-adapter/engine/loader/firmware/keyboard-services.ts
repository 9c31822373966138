/** INT 09h, which puts keys into the buffer of the BIOS data area, and INT 16h, which takes them out. */
import { BIOS_DATA } from './bios-data.ts';
import type { FirmwareCall, FirmwareResult } from './context.ts';
import { keyCode, type KeyState } from './key-codes.ts';

const RELEASED = 0x80;
const PREFIX_E0 = 0xe0;
const PREFIX_E1 = 0xe1;

/** `keyboardFlags`, low byte and high byte. */
const FLAG = {
  rightShift: 0x01,
  leftShift: 0x02,
  control: 0x04,
  alt: 0x08,
  scroll: 0x10,
  num: 0x20,
  caps: 0x40,
} as const;
const INSERT = 0x80;
const HELD = 8;
const LEFT_CONTROL = 0x0100;
const LEFT_ALT = 0x0200;
/** `keyboardState`. */
const LAST_WAS_E1 = 0x01;
const LAST_WAS_E0 = 0x02;
const RIGHT_CONTROL = 0x04;
const RIGHT_ALT = 0x08;

const SCAN = { control: 0x1d, leftShift: 0x2a, rightShift: 0x36, alt: 0x38, insert: 0x52, delete: 0x53 } as const;
const LOCKS: Readonly<Record<number, number>> = { 0x3a: FLAG.caps, 0x45: FLAG.num, 0x46: FLAG.scroll };

const DONE: FirmwareResult = { kind: 'done' };

/** A byte of the keyboard, in AL, that the interrupt handler has read from the controller. */
export function keyArrived(call: FirmwareCall): FirmwareResult {
  const byte = call.al;
  const before = call.field('keyboardState');
  if (byte === PREFIX_E0 || byte === PREFIX_E1) {
    call.setField('keyboardState', before | (byte === PREFIX_E0 ? LAST_WAS_E0 : LAST_WAS_E1));
    return DONE;
  }
  const pressed = (byte & RELEASED) === 0;
  const scan = byte & ~RELEASED;
  // Pause sends E1h and two bytes; it would stop the program here until the next key, and nobody sees that it did.
  if ((before & LAST_WAS_E1) !== 0) {
    if (scan !== SCAN.control) call.setField('keyboardState', before & ~LAST_WAS_E1);
    return DONE;
  }
  const extended = (before & LAST_WAS_E0) !== 0;
  call.setField('keyboardState', before & ~LAST_WAS_E0);
  if (shiftKey(call, scan, extended, pressed) || !pressed) return DONE;
  const flags = call.field('keyboardFlags');
  const held = (mask: number): boolean => (flags & mask) !== 0;
  if (scan === SCAN.delete && held(FLAG.control) && held(FLAG.alt)) return { kind: 'reset' };
  if (scan === SCAN.insert && (extended || !held(FLAG.num))) call.setField('keyboardFlags', flags ^ INSERT);
  const code = keyCode(scan, extended, stateOf(flags));
  if (code !== undefined) store(call, code);
  return DONE;
}

function stateOf(flags: number): KeyState {
  const shift =
    (flags & FLAG.alt) !== 0
      ? 'alt'
      : (flags & FLAG.control) !== 0
        ? 'control'
        : (flags & (FLAG.leftShift | FLAG.rightShift)) !== 0
          ? 'shift'
          : 'plain';
  return { shift, capsLock: (flags & FLAG.caps) !== 0, numLock: (flags & FLAG.num) !== 0 };
}

/** Keeps the flags where `scan` is Shift, Control, Alt or a lock; false for any other key. */
function shiftKey(call: FirmwareCall, scan: number, extended: boolean, pressed: boolean): boolean {
  const change = (name: 'keyboardFlags' | 'keyboardState', mask: number): void => {
    const value = call.field(name);
    call.setField(name, pressed ? value | mask : value & ~mask);
  };
  const lock = LOCKS[scan];
  if (lock !== undefined && !extended) {
    if (pressed && (call.field('keyboardFlags') & (lock << HELD)) === 0)
      call.setField('keyboardFlags', call.field('keyboardFlags') ^ lock);
    change('keyboardFlags', lock << HELD);
    return true;
  }
  switch (scan) {
    case SCAN.leftShift:
    case SCAN.rightShift:
      // After E0h it is no key: the keyboard brackets cursor keys with it while a Shift key or Num Lock is on.
      if (!extended) change('keyboardFlags', scan === SCAN.leftShift ? FLAG.leftShift : FLAG.rightShift);
      return true;
    case SCAN.control:
    case SCAN.alt: {
      const [left, right, either] =
        scan === SCAN.control ? [LEFT_CONTROL, RIGHT_CONTROL, FLAG.control] : [LEFT_ALT, RIGHT_ALT, FLAG.alt];
      if (extended) change('keyboardState', right);
      else change('keyboardFlags', left);
      const other = extended ? (call.field('keyboardFlags') & left) !== 0 : (call.field('keyboardState') & right) !== 0;
      if (pressed || !other) change('keyboardFlags', either);
      return true;
    }
    default:
      return false;
  }
}

const nextSlot = (call: FirmwareCall, slot: number): number =>
  slot + 2 >= call.field('keyboardEnd') ? call.field('keyboardStart') : slot + 2;

/** False where the buffer is full: the key is lost. */
function store(call: FirmwareCall, code: number): boolean {
  const tail = call.field('keyboardTail');
  const next = nextSlot(call, tail);
  if (next === call.field('keyboardHead')) return false;
  call.writeWord(BIOS_DATA + tail, code);
  call.setField('keyboardTail', next);
  return true;
}

/** The oldest key that the caller's kind of function reports; older ones that only the other kind knows are dropped. */
function oldest(call: FirmwareCall, functions: 'original' | 'enhanced'): number | undefined {
  for (;;) {
    const head = call.field('keyboardHead');
    if (head === call.field('keyboardTail')) return undefined;
    const code = call.readWord(BIOS_DATA + head);
    const known = functions === 'enhanced' ? code : asOriginal(code);
    if (known !== undefined) return known;
    call.setField('keyboardHead', nextSlot(call, head));
  }
}

/** What functions 00h and 01h make of a key: the 101-key keyboard's own ones look like their twins, or are unknown. */
function asOriginal(code: number): number | undefined {
  const scan = code >> 8;
  const ascii = code & 0xff;
  if (scan === 0xe0) return ascii === 0x2f ? 0x352f : 0x1c00 | ascii;
  if (ascii === 0xe0 && scan !== 0) return code & 0xff00;
  return ascii === 0 && scan > 0x84 ? undefined : code;
}

/** AH = 00h and 10h: takes the oldest key. The ROM's handler has waited until there is one. */
export function readKey(call: FirmwareCall, functions: 'original' | 'enhanced'): void {
  const code = oldest(call, functions);
  call.setLow('eax', code ?? 0);
  if (code !== undefined) call.setField('keyboardHead', nextSlot(call, call.field('keyboardHead')));
}

/** AH = 01h and 11h: ZF = 1 where there is no key; else AX is the oldest, which stays. */
export function peekKey(call: FirmwareCall, functions: 'original' | 'enhanced'): void {
  const code = oldest(call, functions);
  call.setZero(code === undefined);
  if (code !== undefined) call.setLow('eax', code);
}

/** AH = 02h: shift flags in AL. */
export function readShiftFlags(call: FirmwareCall): void {
  call.setAl(call.field('keyboardFlags'));
}

/** AH = 12h: shift flags in AL; in AH which of the keys are held, left and right. */
export function readExtendedShiftFlags(call: FirmwareCall): void {
  const flags = call.field('keyboardFlags');
  const left = (flags >> 8) & 0x73;
  const right = call.field('keyboardState') & (RIGHT_CONTROL | RIGHT_ALT);
  call.setLow('eax', ((left | right) << 8) | (flags & 0xff));
}

/** AH = 05h: puts CX into the buffer; AL = 1 where it is full. */
export function writeKey(call: FirmwareCall): void {
  call.setAl(store(call, call.low('ecx')) ? 0 : 1);
}

/** AH = 09h: which functions there are: 10h to 12h. */
export function keyboardFunctions(call: FirmwareCall): void {
  call.setAl(0x20);
}
