import assert from 'node:assert/strict';
import { meaningOf } from '../../debug-adapter/engine/devices/device.ts';
import { Uart16550 } from '../../debug-adapter/engine/devices/uart16550.ts';
import { RecordingLine, mismatches, type Step } from './support.ts';

function setUp() {
  const sent: number[] = [];
  const line = new RecordingLine();
  const uart = new Uart16550('COM1', (byte) => sent.push(byte), line);
  const type = (text: string): Step => ['do', () => uart.receive(Buffer.from(text))];
  const lineIs = (level: boolean): Step => ['do', () => assert.equal(line.level, level)];
  return { sent, line, uart, type, lineIs };
}

const check = (device: Uart16550, script: readonly Step[]) => assert.deepEqual(mismatches(device, script), []);

describe('16550 UART', () => {
  it('shows the reset values of the data sheet', () => {
    const { uart } = setUp();
    // IIR 01, LSR 60; MSR high nibble is the terminal's lines.
    check(uart, [
      ['r', 1, 0x00],
      ['r', 2, 0x01],
      ['r', 3, 0x00],
      ['r', 4, 0x00],
      ['r', 5, 0x60],
      ['r', 6, 0xb0],
    ]);
  });

  it('keeps the divisor behind DLAB', () => {
    const { uart, sent } = setUp();
    check(uart, [
      ['w', 3, 0x83],
      ['w', 0, 0x34],
      ['w', 1, 0x12],
      ['r', 0, 0x34],
      ['r', 1, 0x12],
      ['w', 3, 0x03],
      ['r', 1, 0x00],
      ['w', 7, 0xa5],
      ['r', 7, 0xa5],
    ]);
    assert.deepEqual(sent, []);
  });

  it('sends at once, cut to the word length', () => {
    const { uart, sent } = setUp();
    check(uart, [
      ['w', 3, 0x03],
      ['w', 0, 0xc1],
      ['r', 5, 0x60],
      ['w', 3, 0x02],
      ['w', 0, 0xc1],
      ['w', 3, 0x00],
      ['w', 0, 0xff],
    ]);
    assert.deepEqual(sent, [0xc1, 0x41, 0x1f]);
  });

  it('receives without losing what is typed, with and without FIFOs', () => {
    const { uart, type } = setUp();
    check(uart, [
      type('abc'),
      ['r', 5, 0x61],
      ['r', 0, 0x61],
      ['r', 0, 0x62],
      ['r', 0, 0x63],
      ['r', 5, 0x60],
      ['r', 0, 0x63],
      ['w', 2, 0x01],
      ['r', 2, 0xc1],
      type('0123456789abcdefXY'),
      ...[...'0123456789abcdefXY'].map((letter): Step => ['r', 0, letter.charCodeAt(0)]),
      ['r', 5, 0x60],
    ]);
  });

  it('clears the receiver FIFO on command and when FIFOs are switched', () => {
    const { uart, type } = setUp();
    check(uart, [
      ['w', 2, 0x01],
      type('ab'),
      ['w', 2, 0x03],
      ['r', 5, 0x60],
      type('c'),
      ['w', 2, 0x00],
      ['r', 5, 0x60],
      ['r', 2, 0x01],
    ]);
  });

  it('interrupts for received data through OUT2 only', () => {
    const { uart, type, lineIs } = setUp();
    check(uart, [
      ['w', 1, 0x01],
      type('a'),
      ['r', 2, 0x04],
      lineIs(false),
      ['w', 4, 0x08],
      lineIs(true),
      ['r', 0, 0x61],
      lineIs(false),
      ['r', 2, 0x01],
    ]);
  });

  it('distinguishes the trigger level from a character timeout', () => {
    const { uart, type } = setUp();
    check(uart, [
      ['w', 2, 0x41],
      ['w', 1, 0x01],
      type('abc'),
      ['r', 2, 0xcc],
      type('d'),
      ['r', 2, 0xc4],
      ['r', 0, 0x61],
      ['r', 2, 0xcc],
    ]);
  });

  it('raises the transmitter interrupt when enabled, clears it by reading IIR, raises it again per byte', () => {
    const { uart, line, lineIs } = setUp();
    check(uart, [
      ['w', 4, 0x08],
      ['w', 1, 0x02],
      lineIs(true),
      ['r', 2, 0x02],
      lineIs(false),
      ['r', 2, 0x01],
      ['w', 0, 0x41],
      lineIs(true),
    ]);
    line.take();
    // Without a read of IIR in between the edge must still come.
    check(uart, [['w', 0, 0x42]]);
    assert.deepEqual(line.take(), [false, true]);
  });

  it('orders interrupts by priority', () => {
    const { uart } = setUp();
    check(uart, [
      ['w', 3, 0x03],
      ['w', 4, 0x10],
      ['w', 1, 0x0f],
      // Loop: two characters without a FIFO overrun; RTS makes a CTS change.
      ['w', 0, 0x31],
      ['w', 0, 0x32],
      ['w', 4, 0x12],
      ['r', 2, 0x06],
      ['r', 5, 0x63],
      ['r', 2, 0x04],
      ['r', 0, 0x32],
      ['r', 2, 0x02],
      ['r', 2, 0x00],
      // Entering loopback dropped CTS, DSR and DCD; RTS raised CTS again.
      ['r', 6, 0x1b],
      ['r', 2, 0x01],
    ]);
  });

  it('turns modem outputs around in loopback', () => {
    const { uart, sent, type } = setUp();
    const script: Step[] = [
      ['w', 4, 0x10],
      ['r', 6, 0x0b],
    ];
    // DTR -> DSR, RTS -> CTS, OUT1 -> RI, OUT2 -> DCD, each with its delta; RI shows only its trailing edge.
    for (const [out, levels] of [
      [0x01, 0x22],
      [0x02, 0x13],
      [0x04, 0x41],
      [0x08, 0x8c],
    ] as const) {
      script.push(['w', 4, 0x10 | out], ['r', 6, levels]);
    }
    check(uart, script);
    check(uart, [
      ['w', 3, 0x03],
      ['w', 0, 0x5a],
      ['r', 0, 0x5a],
      type('held back'),
      ['r', 5, 0x60],
      ['w', 4, 0x00],
      ['r', 0, 0x68],
    ]);
    assert.deepEqual(sent, []);
  });

  it('shows a break in loopback when it reaches the top of the FIFO', () => {
    const { uart } = setUp();
    check(uart, [
      ['w', 2, 0x01],
      ['w', 4, 0x10],
      ['w', 3, 0x03],
      ['w', 0, 0x41],
      ['w', 3, 0x43],
      ['r', 5, 0xe1],
      ['r', 0, 0x41],
      ['r', 5, 0x71],
      ['r', 5, 0x61],
      ['r', 0, 0x00],
      ['r', 5, 0x60],
    ]);
  });

  it('loses the new character when a full FIFO overruns', () => {
    const { uart } = setUp();
    const fill = Array.from({ length: 17 }, (_, index): Step => ['w', 0, 0x40 + index]);
    check(uart, [['w', 2, 0x01], ['w', 3, 0x03], ['w', 4, 0x10], ...fill, ['r', 5, 0x63], ['r', 5, 0x61]]);
    check(
      uart,
      Array.from({ length: 16 }, (_, index): Step => ['r', 0, 0x40 + index]),
    );
    check(uart, [['r', 5, 0x60]]);
  });

  it('shows registers without popping the FIFO', () => {
    const { uart } = setUp();
    uart.receive(Buffer.from('a'));
    const before = uart.save();
    const value = (name: string) => uart.registers().find((register) => register.name === name);
    assert.equal(value('RBR')?.value, 0x61);
    assert.equal(value('LSR')?.decoded.find((bit) => bit.name === 'DR')?.value, 1);
    assert.equal(value('IIR')?.decoded[0]?.text, 'none');
    assert.equal(meaningOf(value('LSR')!), 'DR, THRE, TEMT');
    assert.equal(meaningOf(value('LCR')!), 'WLS: 5 bits, PARITY: none');
    assert.equal(meaningOf(value('RBR')!), '');
    assert.deepEqual(uart.save(), before);
  });
});
