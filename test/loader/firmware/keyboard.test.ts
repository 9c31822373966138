import assert from 'node:assert/strict';
import type { FakeMachine } from './fake-machine.ts';
import { again, call } from './fake-machine.ts';

/** A machine and what happens to it: bytes from the keyboard, and INT 16h. */
function keyboard() {
  const { machine, boot } = call(0x16, 0x0200);
  const press = (...bytes: number[]) => {
    for (const byte of bytes) again(machine, boot, 0x101, byte);
  };
  const call16 = (ah: number, ecx = 0): FakeMachine => again(machine, boot, 0x16, ah << 8, { ecx }).machine;
  const next = (functions: 'original' | 'enhanced' = 'enhanced'): number | undefined => {
    const base = functions === 'enhanced' ? 0x10 : 0;
    if (call16(base + 1).zero) return undefined;
    return call16(base).registers.eax & 0xffff;
  };
  return { machine, boot, press, call16, next };
}

/** Scan codes as pressed, and the codes that INT 16h reports for them. */
const KEYS: readonly (readonly [title: string, bytes: readonly number[], code: number | undefined])[] = [
  ['a', [0x1e, 0x9e], 0x1e61],
  ['Shift a', [0x2a, 0x1e, 0x9e, 0xaa], 0x1e41],
  ['Caps Lock a', [0x3a, 0xba, 0x1e], 0x1e41],
  ['Caps Lock Shift a', [0x3a, 0xba, 0x36, 0x1e], 0x1e61],
  ['Caps Lock 1', [0x3a, 0xba, 0x02], 0x0231],
  ['Shift 1', [0x2a, 0x02], 0x0221],
  ['Control b', [0x1d, 0x30], 0x3002],
  ['right Control b', [0xe0, 0x1d, 0x30], 0x3002],
  ['Control 2', [0x1d, 0x03], 0x0300],
  ['Control 1', [0x1d, 0x02], undefined],
  ['Alt a', [0x38, 0x1e], 0x1e00],
  ['Alt 1', [0x38, 0x02], 0x7800],
  ['Alt Space', [0x38, 0x39], 0x3920],
  ['Enter', [0x1c], 0x1c0d],
  ['keypad Enter', [0xe0, 0x1c], 0xe00d],
  ['Escape', [0x01], 0x011b],
  ['Backspace', [0x0e], 0x0e08],
  ['Shift Tab', [0x2a, 0x0f], 0x0f00],
  ['F1', [0x3b], 0x3b00],
  ['Shift F10', [0x2a, 0x44], 0x5d00],
  ['Control F1', [0x1d, 0x3b], 0x5e00],
  ['Alt F10', [0x38, 0x44], 0x7100],
  ['F12', [0x58], 0x8600],
  ['Up', [0xe0, 0x48], 0x48e0],
  ['Control Left', [0x1d, 0xe0, 0x4b], 0x73e0],
  ['Alt Delete', [0x38, 0xe0, 0x53], 0xa300],
  ['keypad 8', [0x48], 0x4800],
  ['Num Lock keypad 8', [0x45, 0xc5, 0x48], 0x4838],
  ['Num Lock Shift keypad 8', [0x45, 0xc5, 0x2a, 0x48], 0x4800],
  ['backslash', [0x2b], 0x2b5c],
  ['a Shift that brackets a cursor key', [0xe0, 0x2a, 0x1e], 0x1e61],
  ['Pause', [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5], undefined],
  ['a key after Pause', [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e], 0x1e61],
  ['a released Shift', [0x2a, 0xaa, 0x1e], 0x1e61],
];

describe('INT 09h and INT 16h', () => {
  for (const [title, bytes, code] of KEYS)
    it(`report ${code?.toString(16).padStart(4, '0') ?? 'nothing'} for ${title}`, () => {
      const { press, next } = keyboard();
      press(...bytes);
      assert.equal(next()?.toString(16), code?.toString(16));
      assert.equal(next(), undefined);
    });

  it('keep keys in order, and lose those that do not fit', () => {
    const { press, next } = keyboard();
    for (let key = 0; key < 20; key++) press(0x02 + (key % 10));
    const read: number[] = [];
    for (let code = next(); code !== undefined; code = next()) read.push(code >> 8);
    assert.deepEqual(read, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2, 3, 4, 5, 6]);
    press(0x1e);
    assert.equal(next(), 0x1e61, 'after the buffer has wrapped');
  });

  it('look the same to programs that know 84 keys, and do not show them new ones', () => {
    const { press, next } = keyboard();
    press(0xe0, 0x48, 0xe0, 0x1c, 0xe0, 0x35, 0x57, 0x1e);
    assert.deepEqual(
      Array.from({ length: 5 }, () => next('original')),
      [0x4800, 0x1c0d, 0x352f, 0x1e61, undefined],
    );
  });

  it('tell which shift keys are held', () => {
    const { press, call16 } = keyboard();
    press(0x2a, 0xe0, 0x1d, 0x38, 0x3a);
    assert.equal(call16(0x02).registers.eax & 0xff, 0x02 | 0x04 | 0x08 | 0x40);
    assert.equal(call16(0x12).registers.eax & 0xffff, 0x464e);
    press(0xaa, 0xe0, 0x9d, 0xb8, 0xba);
    assert.equal(call16(0x02).registers.eax & 0xff, 0x40);
  });

  it('store a key for a program', () => {
    const { call16, next } = keyboard();
    assert.equal(call16(0x05, 0x1234).registers.eax & 0xff, 0);
    assert.equal(next(), 0x1234);
  });

  it('reset with Control, Alt and Delete', () => {
    const { machine, boot, press } = keyboard();
    press(0x1d, 0x38);
    assert.deepEqual(again(machine, boot, 0x101, 0x53).result, { kind: 'reset' });
  });
});
