import assert from 'node:assert/strict';
import type { FakeMachine } from './fake-machine.ts';
import { again, call } from './fake-machine.ts';
import type { FirmwareRegister } from '../../../debug-adapter/engine/loader/firmware/context.ts';

const SCREEN = 0xb_8000;

/** A machine whose screen is blank, with the calls to it. */
function screen() {
  const { machine, boot } = call(0x10, 0x0003);
  machine.outputs.length = 0;
  const video = (ax: number, registers: Partial<Record<FirmwareRegister, number>> = {}) =>
    again(machine, boot, 0x10, ax, registers).machine;
  const print = (text: string) => {
    for (const letter of text) video(0x0e00 | letter.charCodeAt(0));
  };
  return { machine, video, print };
}

const line = (machine: FakeMachine, row: number, page = 0): string => {
  const start = SCREEN + page * 0x1000 + row * 160;
  return Array.from({ length: 80 }, (_, column) => String.fromCharCode(machine.memory[start + column * 2]!))
    .join('')
    .trimEnd();
};
const attribute = (machine: FakeMachine, row: number, column: number): number =>
  machine.memory[SCREEN + row * 160 + column * 2 + 1]!;
const cursor = (machine: FakeMachine, page = 0): readonly number[] => [
  machine.memory[0x451 + page * 2]!,
  machine.memory[0x450 + page * 2]!,
];

describe('INT 10h', () => {
  it('sets mode 03h: blank, cursor at the top, underline cursor', () => {
    const { machine } = call(0x10, 0x0003, {}, (m) => m.memory.fill(0x41, SCREEN, SCREEN + 4000));
    for (const row of [0, 24]) assert.equal(line(machine, row), '');
    assert.equal(attribute(machine, 24, 79), 7);
    assert.deepEqual(cursor(machine), [0, 0]);
    assert.deepEqual(
      machine.outputs.filter((each) => each.startsWith('3d5')),
      ['3d5=d', '3d5=e', '3d5=0', '3d5=0', '3d5=0', '3d5=0'],
    );
    const kept = call(0x10, 0x0083, {}, (m) => m.memory.fill(0x41, SCREEN, SCREEN + 4000)).machine;
    assert.equal(line(kept, 24), 'A'.repeat(80));
  });

  it('prints as a terminal: wraps, returns, steps back, and scrolls with the last line’s attribute', () => {
    const { machine, print, video } = screen();
    print('one\r\ntwo\bX\x07');
    assert.deepEqual([line(machine, 0), line(machine, 1), cursor(machine)], ['one', 'twX', [1, 3]]);
    assert.equal(machine.printed, 'one\r\ntwo\bX\x07');
    print(`\r\n${'-'.repeat(80)}after`);
    assert.deepEqual([line(machine, 2), line(machine, 3)], ['-'.repeat(80), 'after']);
    video(0x0200, { edx: 0x184f });
    machine.memory[SCREEN + 24 * 160 + 1] = 0x1f;
    print('!');
    assert.deepEqual([line(machine, 0), line(machine, 23).slice(-1), cursor(machine)], ['twX', '!', [24, 0]]);
    assert.equal(attribute(machine, 24, 40), 0x1f);
    // The controller shows the cursor: 24 * 80.
    assert.deepEqual(machine.outputs.slice(-4), ['3d4=e', '3d5=7', '3d4=f', '3d5=80']);
  });

  it('scrolls a window both ways, and blanks it', () => {
    const { machine, print, video } = screen();
    print('aaaa\r\nbbbb\r\ncccc\r\ndddd');
    const window = { ecx: 0x0001, edx: 0x0302, ebx: 0x4e00 };
    video(0x0601, window);
    assert.deepEqual(
      [0, 1, 2, 3].map((row) => line(machine, row)),
      ['abba', 'bccb', 'cddc', 'd  d'],
    );
    assert.deepEqual([attribute(machine, 3, 1), attribute(machine, 3, 0)], [0x4e, 7]);
    video(0x0702, window);
    assert.deepEqual(
      [0, 1, 2, 3].map((row) => line(machine, row)),
      ['a  a', 'b  b', 'cbbc', 'dccd'],
    );
    video(0x0600, window);
    assert.deepEqual(
      [0, 1, 2, 3].map((row) => line(machine, row)),
      ['a  a', 'b  b', 'c  c', 'd  d'],
    );
  });

  it('writes and reads characters where the cursor is, without moving it', () => {
    const { machine, video } = screen();
    video(0x0200, { edx: 0x0205 });
    video(0x0923, { ecx: 3, ebx: 0x1e });
    video(0x0a2a, { ecx: 1, ebx: 0 });
    assert.deepEqual([line(machine, 2), attribute(machine, 2, 5), attribute(machine, 2, 8)], ['     *##', 0x1e, 7]);
    assert.equal(video(0x0800).registers.eax & 0xffff, 0x1e2a);
    const read = video(0x0300).registers;
    assert.deepEqual([read.edx, read.ecx], [0x0205, 0x0607]);
  });

  it('prints a string with or without attributes, and moves the cursor when told to', () => {
    const { machine, video } = screen();
    machine.memory.set(
      [...'Hi!'].map((letter) => letter.charCodeAt(0)),
      0x9000,
    );
    video(0x1301, { ecx: 3, edx: 0x0502, ebx: 0x0c, ebp: 0x9000 });
    assert.deepEqual([line(machine, 5), attribute(machine, 5, 2), cursor(machine)], ['  Hi!', 0x0c, [5, 5]]);
    machine.memory.set([0x41, 0x11, 0x42, 0x22], 0x9000);
    video(0x1302, { ecx: 2, edx: 0x0600, ebp: 0x9000 });
    assert.deepEqual([line(machine, 6), attribute(machine, 6, 0), attribute(machine, 6, 1)], ['AB', 0x11, 0x22]);
    assert.deepEqual(cursor(machine), [5, 5]);
  });

  it('has eight pages, of which one is shown', () => {
    const { machine, video, print } = screen();
    video(0x0501);
    assert.deepEqual(machine.outputs.slice(0, 4), ['3d4=c', '3d5=8', '3d4=d', '3d5=0']);
    print('page one');
    assert.deepEqual([line(machine, 0), line(machine, 0, 1), cursor(machine, 1)], ['', 'page one', [0, 8]]);
    const { eax, ebx } = video(0x0f00).registers;
    assert.deepEqual([eax & 0xffff, ebx >> 8], [0x5003, 1]);
  });

  it('hides the cursor, and sets border and blinking', () => {
    const { machine, video } = screen();
    video(0x0100, { ecx: 0x2000 });
    assert.equal(machine.outputs[1], '3d5=20');
    machine.outputs.length = 0;
    video(0x1001, { ebx: 0x0500 });
    assert.deepEqual(machine.outputs, ['3c0=31', '3c0=5']);
    machine.outputs.length = 0;
    machine.inputs.set(0x3c1, 0x0c);
    video(0x1003, { ebx: 0 });
    assert.deepEqual(machine.outputs, ['3c0=30', '3c0=30', '3c0=4']);
  });

  it('tells that it is a colour VGA without VESA extensions', () => {
    const { video } = screen();
    const combination = video(0x1a00).registers;
    assert.deepEqual([combination.eax & 0xff, combination.ebx], [0x1a, 8]);
    assert.equal(video(0x1210, { ebx: 0x10 }).registers.ebx, 3);
    assert.notEqual(video(0x4f00).registers.eax & 0xff, 0x4f);
  });
});
