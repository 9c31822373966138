import assert from 'node:assert/strict';
import { stackFrames } from '../../debug-adapter/debugger/stack.ts';
import { SymbolTable } from '../../debug-adapter/debugger/symbols.ts';
import { standingMachine } from './fixed-machine.ts';

const symbols = new SymbolTable({
  symbols: [
    { name: 'main', address: 0x1000n, bytes: 0, kind: 'code' },
    { name: 'work', address: 0x1100n, bytes: 0, kind: 'code' },
    { name: 'exit_handler', address: 0x1200n, bytes: 0, kind: 'code' },
  ],
  lines: [],
});

const quad = (...values: number[]): number[] =>
  values.flatMap((value) => Array.from({ length: 8 }, (_, index) => Math.floor(value / 2 ** (8 * index)) & 0xff));
/** `call work` at 1010h, so that 1015h is a return address; the rest of the page is NOP. */
const MAIN = [
  ...Array.from({ length: 16 }, () => 0x90),
  0xe8,
  0xeb,
  0,
  0,
  0,
  ...Array.from({ length: 0x2eb }, () => 0x90),
];

const names = (standing: Parameters<typeof standingMachine>[0]): string[] =>
  stackFrames(standingMachine({ ...standing, memory: { 0x1000: MAIN, ...standing.memory } }), 0, symbols).map(
    ({ name }) => name,
  );

describe('stack frames', () => {
  it('name the ring and the symbol of the current instruction', () => {
    assert.deepEqual(names({ registers: { RIP: 0x1004n, RSP: 0x8000n } }), ['[ring 0] main+0x4']);
    assert.deepEqual(names({ registers: { RIP: 0x1004n, RSP: 0x8000n }, mode: { cpl: 3 } }), ['[ring 3] main+0x4']);
    assert.deepEqual(names({ registers: { RIP: 0x9_0000n, RSP: 0x8000n } }), ['[ring 0] 0x90000']);
  });

  it('follow frame pointers', () => {
    const frames = names({
      registers: { RIP: 0x1108n, RSP: 0x7ff0n, RBP: 0x7ff8n },
      memory: { 0x7ff0: quad(0, 0, 0x1015) },
    });
    assert.deepEqual(frames, ['[ring 0] work+0x8', '[ring 0] main+0x15']);
  });

  it('find return addresses that follow a CALL to this routine', () => {
    const frames = names({ registers: { RIP: 0x1108n, RSP: 0x7fe0n }, memory: { 0x7fe0: quad(7, 0x1104, 0x1015, 0) } });
    assert.deepEqual(frames, ['[ring 0] work+0x8', '[ring 0] main+0x15']);
  });

  it('do not believe a return address of a call that leads elsewhere', () => {
    const frames = names({ registers: { RIP: 0x1004n, RSP: 0x7fe0n }, memory: { 0x7fe0: quad(0x1015, 0) } });
    assert.deepEqual(frames, ['[ring 0] main+0x4']);
  });

  it('show what an interrupt interrupted', () => {
    const frames = names({
      registers: { RIP: 0x1108n, RSP: 0x7fc0n },
      memory: { 0x7fc0: quad(0x1004, 0x33, 0x202, 0x6000, 0x2b), 0x5ff8: quad(0) },
    });
    assert.deepEqual(frames, ['[ring 0] work+0x8', '—— interrupt or exception ——', '[ring 3] main+0x4']);
  });

  it('say below a guest where its exits go', () => {
    const frames = names({
      registers: { RIP: 0x1004n, RSP: 0x8000n },
      mode: { vmx: 'non-root' },
      vmcs: { HOST_RIP: 0x1200n },
      launched: true,
    });
    assert.deepEqual(frames, ['[ring 0] main+0x4', '—— VM exits go to exit_handler ——']);
  });

  it('end at a loop of frame pointers', () => {
    const frames = names({
      registers: { RIP: 0x1108n, RSP: 0x7ff0n, RBP: 0x7ff8n },
      memory: { 0x7ff8: quad(0x7ff8, 0x1015) },
    });
    assert.deepEqual(frames, ['[ring 0] work+0x8', '[ring 0] main+0x15']);
  });
});
