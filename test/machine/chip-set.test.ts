/** Keyboard controller and PCI configuration where a PC has them. */
import assert from 'node:assert/strict';
import { runToStop, startCode } from './guest.ts';

const EXIT = 'mov dx, 0xf4\nout dx, eax';

describe('chip set', () => {
  for (const [title, source, value] of [
    ['keyboard controller self test', 'mov al, 0xaa\nout 0x64, al\nxor eax, eax\nin al, 0x60', 0x55],
    [
      'host bridge by its ids',
      'mov dx, 0xcf8\nmov eax, 0x80000000\nout dx, eax\nmov dx, 0xcfc\nin eax, dx',
      0x1237_8086,
    ],
  ] as const) {
    it(`has a ${title}`, () => {
      const stop = runToStop(startCode(32, `${source}\n${EXIT}`).machine);
      assert.deepEqual(stop, { kind: 'power-off', status: value * 2 + 1 });
    });
  }

  for (const [title, source] of [
    ['the keyboard controller', 'mov al, 0xfe\nout 0x64, al'],
    ['port CF9h', 'mov dx, 0xcf9\nmov al, 6\nout dx, al'],
  ] as const) {
    it(`is reset by ${title}`, () => {
      const stop = runToStop(startCode(32, `${source}\nhlt`).machine);
      assert.ok(stop.kind === 'halted' && /asked for a reset/.test(stop.because), stop.kind);
    });
  }
});
