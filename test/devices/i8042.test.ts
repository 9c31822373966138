import assert from 'node:assert/strict';
import { I8042 } from '../../debug-adapter/engine/devices/i8042.ts';
import { RecordingLine } from './support.ts';

function rig() {
  const events: string[] = [];
  const [keyboard, aux] = [new RecordingLine(), new RecordingLine()];
  let a20 = true;
  const controller = new I8042({
    keyboardInterrupt: keyboard,
    auxInterrupt: aux,
    a20: () => a20,
    setA20: (on) => {
      a20 = on;
      events.push(`A20 ${on}`);
    },
    reset: () => events.push('reset'),
  });
  const status = () => controller.commandPort.read(0, 1);
  return {
    controller,
    keyboard,
    aux,
    events,
    status,
    command: (value: number) => controller.commandPort.write(0, 1, value),
    write: (value: number) => controller.write(0, 1, value),
    /** Everything in the output buffer. */
    drain() {
      const bytes: number[] = [];
      while ((status() & 1) !== 0) bytes.push(controller.read(0, 1));
      return bytes;
    },
  };
}

describe('keyboard controller', () => {
  for (const [title, command, answer] of [
    ['self test', 0xaa, [0x55]],
    ['keyboard line test', 0xab, [0]],
    ['auxiliary line test', 0xa9, [0]],
    ['configuration', 0x20, [0x65]],
    ['output port', 0xd0, [0xc3]],
    ['no answer', 0xae, []],
  ] as const) {
    it(`answers ${title}`, () => {
      const { command: send, drain } = rig();
      send(command);
      assert.deepEqual(drain(), answer);
    });
  }

  for (const [title, bytes, answer] of [
    ['reset', [0xff], [0xfa, 0xaa]],
    ['identify, translated', [0xf2], [0xfa, 0xab, 0x41]],
    ['echo', [0xee], [0xee]],
    ['lights with their parameter', [0xed, 0x07], [0xfa, 0xfa]],
    ['scan code set', [0xf0, 0x00], [0xfa, 0xfa, 0x41]],
    ['scan code set, changed', [0xf0, 1, 0xf0, 0], [0xfa, 0xfa, 0xfa, 0xfa, 0x43]],
    ['enable', [0xf4], [0xfa]],
    ['what it does not know', [0x12], [0xfe]],
  ] as const) {
    it(`passes the keyboard's answer: ${title}`, () => {
      const { write, drain } = rig();
      bytes.forEach(write);
      assert.deepEqual(drain(), answer);
    });
  }

  it('does not translate once that is off', () => {
    const { command, write, drain } = rig();
    command(0x60);
    write(0x25);
    write(0xf2);
    assert.deepEqual(drain(), [0xfa, 0xab, 0x83]);
  });

  it('interrupts once per byte while IRQ 1 is enabled', () => {
    const { write, keyboard, controller, command } = rig();
    write(0xff);
    assert.deepEqual(keyboard.take(), [true]);
    controller.read(0, 1);
    assert.deepEqual(keyboard.take(), [false, true]);
    controller.read(0, 1);
    assert.deepEqual(keyboard.take(), [false]);
    command(0x60);
    write(0x64);
    write(0xee);
    assert.equal(keyboard.level, false);
  });

  it('says where a byte comes from and whether the last write was a command', () => {
    const { command, write, status, aux, drain } = rig();
    assert.equal(status(), 0x14);
    command(0xd4);
    assert.equal(status(), 0x1c);
    write(0xf4);
    assert.equal(status(), 0x75, 'no mouse: time-out');
    assert.equal(aux.level, false);
    assert.deepEqual(drain(), [0xfe]);
    command(0xd2);
    write(0x1e);
    assert.equal(status(), 0x15);
  });

  const X = [0x2d, 0xad];
  const UP = [0xe0, 0x48, 0xe0, 0xc8];
  for (const [title, configuration, keys, expected] of [
    ['translated to set 1', 0x65, X, X],
    ['as set 2 without translation', 0x25, X, [0x22, 0xf0, 0x22]],
    ['with prefixes', 0x65, UP, UP],
    ['with prefixes in set 2', 0x25, UP, [0xe0, 0x75, 0xe0, 0xf0, 0x75]],
    ['F7, whose code lies above 7Fh', 0x25, [0x41, 0xc1], [0x83, 0xf0, 0x83]],
    ['F7 translated', 0x65, [0x41, 0xc1], [0x41, 0xc1]],
  ] as const) {
    it(`types ${title}`, () => {
      const { controller, command, write, drain } = rig();
      command(0x60);
      write(configuration);
      controller.type(Uint8Array.from(keys));
      assert.deepEqual(drain(), expected);
    });
  }

  it('translates every key of set 1 to set 2 and back', () => {
    const { controller, drain } = rig();
    const all = Array.from({ length: 0x58 }, (_, index) => index + 1);
    controller.type(Uint8Array.from(all.flatMap((code) => [code, code | 0x80])));
    assert.deepEqual(
      drain(),
      all.flatMap((code) => [code, code | 0x80]),
    );
  });

  it('types what it is told to in set 1, and stays without set 3', () => {
    const { controller, command, write, drain } = rig();
    [0xf0, 1, 0xf0, 3].forEach(write);
    assert.deepEqual(drain(), [0xfa, 0xfa, 0xfa, 0xfe]);
    command(0x60);
    write(0x25);
    controller.type(Uint8Array.from(X));
    assert.deepEqual(drain(), X);
  });

  it('keeps keys while its clock is off or the buffer is full, and interrupts for each byte', () => {
    const { controller, command, write, status, keyboard } = rig();
    command(0xad);
    controller.type(Uint8Array.from(X));
    assert.deepEqual([status() & 1, keyboard.take()], [0, []]);
    command(0xae);
    assert.deepEqual(keyboard.take(), [true]);
    write(0xee);
    assert.deepEqual(
      [0, 0, 0].map(() => controller.read(0, 1)),
      [0x2d, 0xee, 0xad],
    );
    assert.equal(status() & 1, 0);
  });

  it('does not look at its keys while scanning is off', () => {
    const { controller, write, drain } = rig();
    write(0xf5);
    controller.type(Uint8Array.from(X));
    write(0xf4);
    controller.type(Uint8Array.from(X));
    assert.deepEqual(drain(), [0xfa, 0xfa, ...X]);
  });

  it('moves A20 and resets through the output port', () => {
    const { command, write, events } = rig();
    command(0xd1);
    write(0xdd);
    command(0xdf);
    command(0xd1);
    write(0xfe);
    command(0xfe);
    command(0xff);
    assert.deepEqual(events, ['A20 false', 'A20 true', 'A20 true', 'reset', 'reset']);
  });
});
