import assert from 'node:assert/strict';
import { ConsolePort } from '../../debug-adapter/engine/devices/console-port.ts';
import { FwCfg } from '../../debug-adapter/engine/devices/fw-cfg.ts';
import { LatchPort } from '../../debug-adapter/engine/devices/latch-port.ts';
import { DebugExit, ShutdownPort } from '../../debug-adapter/engine/devices/power-ports.ts';
import { SystemControlA, SystemControlB } from '../../debug-adapter/engine/devices/system-control.ts';

describe('port E9h', () => {
  it('prints what is written and answers E9h', () => {
    let printed = '';
    const port = new ConsolePort((byte) => (printed += String.fromCharCode(byte)));
    for (const letter of 'hi') port.write(0, 1, letter.charCodeAt(0));
    assert.equal(printed, 'hi');
    assert.equal(port.read(0, 1), 0xe9);
  });
});

describe('isa-debug-exit', () => {
  for (const [value, status] of [
    [0, 1],
    [0x10, 0x21],
    [0xffff_ffff, 0x1_ffff_ffff],
  ] as const) {
    it(`value ${value} ends with status ${status}`, () => {
      const statuses: number[] = [];
      new DebugExit((code) => statuses.push(code)).write(0, 4, value);
      assert.deepEqual(statuses, [status]);
    });
  }
});

describe('shutdown port', () => {
  for (const [text, count] of [
    ['Shutdown', 1],
    ['Shutdow', 0],
    ['shutdown', 0],
    ['ShutShutdown', 1],
    ['SShutdown', 1],
    ['ShutdownShutdown', 2],
    ['Shut down', 0],
  ] as const) {
    it(`${text}: ${count} power-offs`, () => {
      const statuses: number[] = [];
      const port = new ShutdownPort((status) => statuses.push(status));
      for (const letter of text) port.write(0, 1, letter.charCodeAt(0));
      assert.deepEqual(statuses, new Array(count).fill(0));
    });
  }
});

describe('system control port A', () => {
  it('gates A20 and resets on a rise of bit 0', () => {
    const events: string[] = [];
    const port = new SystemControlA(false, {
      setA20: (on) => events.push(`a20 ${on}`),
      reset: () => events.push('reset'),
    });
    port.write(0, 1, 0x02);
    port.write(0, 1, 0x02);
    port.write(0, 1, 0x03);
    port.write(0, 1, 0xfd);
    assert.equal(port.read(0, 1), 0x01);
    port.setA20(true);
    assert.equal(port.read(0, 1), 0x03);
    assert.deepEqual(events, ['a20 true', 'reset', 'a20 false', 'a20 true']);
  });
});

describe('system control port B', () => {
  it('drives the speaker gate and shows the timer', () => {
    const timer = {
      speakerOut: false,
      refreshToggle: false,
      gates: [] as boolean[],
      setSpeakerGate(level: boolean) {
        this.gates.push(level);
      },
    };
    const port = new SystemControlB(timer);
    port.write(0, 1, 0xff);
    assert.equal(port.read(0, 1), 0x0f);
    timer.speakerOut = true;
    assert.equal(port.read(0, 1), 0x2f);
    timer.refreshToggle = true;
    port.write(0, 1, 0x02);
    assert.equal(port.read(0, 1), 0x32);
    assert.deepEqual(timer.gates, [true, false]);
  });
});

describe('latch port', () => {
  it('keeps the last byte', () => {
    const port = new LatchPort('POST code');
    port.write(0, 1, 0x55);
    port.write(0, 1, 0xaa);
    assert.equal(port.read(0, 1), 0xaa);
  });
});

describe('fw_cfg', () => {
  const readItem = (device: FwCfg, key: number, bytes: number) => {
    device.write(0, 2, key);
    return Array.from({ length: bytes }, () => device.read(1, 1));
  };
  const device = new FwCfg({ processors: 3, ramBytes: 0x1_8000_0000 });
  for (const [key, bytes, title] of [
    [0, [0x51, 0x45, 0x4d, 0x55, 0], 'signature, then zeros'],
    [1, [1, 0, 0, 0], 'interface id'],
    [3, [0, 0, 0, 0x80, 1, 0, 0, 0], 'RAM size'],
    [5, [3, 0], 'processors'],
    [0x19, [0, 0, 0], 'unknown item'],
  ] as const) {
    it(`delivers ${title}`, () => assert.deepEqual(readItem(device, key, bytes.length), bytes));
  }

  it('selects by 16-bit writes only, and starts over with each', () => {
    device.write(0, 2, 5);
    device.read(1, 1);
    device.write(0, 1, 0);
    device.write(1, 1, 0);
    assert.equal(device.read(1, 1), 0, 'second byte of the processor count');
    device.write(0, 2, 5);
    assert.equal(device.read(1, 1), 3);
  });
});
