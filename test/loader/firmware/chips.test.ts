import assert from 'node:assert/strict';
import type { FakeMachine } from './fake-machine.ts';
import { again, call } from './fake-machine.ts';

describe('INT 1Ah', () => {
  it('reads the ticks and notes midnight once', () => {
    const { machine, boot } = call(0x1a, 0x0000, {}, (m) => {
      m.memory.set([0x78, 0x56, 0x12, 0x00, 0x01], 0x46c);
    });
    assert.deepEqual([machine.registers.ecx, machine.registers.edx, machine.registers.eax & 0xff], [0x12, 0x5678, 1]);
    assert.equal(again(machine, boot, 0x1a, 0x0000).machine.registers.eax & 0xff, 0);
    again(machine, boot, 0x1a, 0x0100, { ecx: 1, edx: 2 });
    assert.deepEqual([machine.word(0x46c), machine.word(0x46e)], [2, 1]);
  });

  /** CMOS registers behind ports 70h and 71h. */
  function withCmos(machine: FakeMachine, registers: Readonly<Record<number, number>>): void {
    machine.inputs.set(0x71, () => registers[parseInt(machine.outputs.at(-1)!.split('=')[1]!, 16)] ?? 0xff);
  }

  it('reads time and date from the CMOS clock', () => {
    const clock = {
      0x00: 0x59,
      0x02: 0x30,
      0x04: 0x23,
      0x07: 0x28,
      0x08: 0x11,
      0x09: 0x26,
      0x32: 0x20,
      0x0a: 0x26,
      0x0b: 0x02,
    };
    const time = call(0x1a, 0x0200, {}, (m) => withCmos(m, clock)).machine;
    assert.deepEqual([time.registers.ecx, time.registers.edx, time.carry], [0x2330, 0x5900, false]);
    const date = call(0x1a, 0x0400, {}, (m) => withCmos(m, clock)).machine;
    assert.deepEqual([date.registers.ecx, date.registers.edx, date.carry], [0x2026, 0x1128, false]);
    const stuck = call(0x1a, 0x0200, {}, (m) => withCmos(m, { ...clock, 0x0a: 0xa6 })).machine;
    assert.equal(stuck.carry, true);
  });

  it('sets the clock while its updates are held back', () => {
    const { machine } = call(0x1a, 0x0300, { ecx: 0x1122, edx: 0x3300 }, (m) => withCmos(m, { 0x0b: 0x02 }));
    assert.deepEqual(machine.outputs, [
      '70=b',
      '70=b',
      '71=82',
      '70=4',
      '71=11',
      '70=2',
      '71=22',
      '70=0',
      '71=33',
      '70=b',
      '71=2',
    ]);
  });
});

describe('PCI BIOS', () => {
  /** Two functions: 00:00.0 vendor 8086h device 1237h class 060000h, 00:01.1 of class 010180h in a device with several. */
  const REGISTERS: Readonly<Record<string, number>> = {
    '0.0': 0x1237_8086,
    '0.8': 0x0600_0002,
    '8.0': 0x7000_8086,
    '8.8': 0x0601_0000,
    '8.c': 0x0080_0000,
    '9.0': 0x7010_8086,
    '9.8': 0x0101_8000,
  };

  function withPci(machine: FakeMachine): void {
    const selected = (): number => {
      const address = parseInt(
        machine.outputs
          .filter((each) => each.startsWith('cf8'))
          .at(-1)!
          .split('=')[1]!,
        16,
      );
      return REGISTERS[`${((address >>> 8) & 0xffff).toString(16)}.${(address & 0xfc).toString(16)}`] ?? 0xffff_ffff;
    };
    for (let byte = 0; byte < 4; byte++) machine.inputs.set(0xcfc + byte, () => selected() >>> (byte * 8));
    const read = machine.readPort.bind(machine);
    machine.readPort = (port, bytes) => (read(port, bytes) & (bytes === 4 ? -1 : 2 ** (bytes * 8) - 1)) >>> 0;
  }

  const pci = (al: number, registers: Parameters<typeof call>[2] = {}) =>
    call(0x1a, 0xb100 | al, registers, withPci).machine;

  it('is there', () => {
    const { registers, ah, carry } = pci(0x01);
    assert.deepEqual([registers.edx, registers.ebx, ah, carry], [0x2049_4350, 0x0210, 0, false]);
  });

  it('finds functions by number and by class', () => {
    assert.equal(pci(0x02, { ecx: 0x7010, edx: 0x8086 }).registers.ebx, 9);
    assert.equal(pci(0x03, { ecx: 0x01_0180 }).registers.ebx, 9);
    const missing = pci(0x02, { ecx: 0x7010, edx: 0x8086, esi: 1 });
    assert.deepEqual([missing.ah, missing.carry], [0x86, true]);
    assert.equal(pci(0x02, { ecx: 1, edx: 0xffff }).ah, 0x83);
  });

  it('reads and writes configuration registers', () => {
    assert.equal(pci(0x08, { ebx: 9, edi: 0x0b }).registers.ecx, 0x01);
    assert.equal(pci(0x09, { ebx: 9, edi: 0x02 }).registers.ecx, 0x7010);
    assert.equal(pci(0x0a, { ebx: 9, edi: 0x00 }).registers.ecx, 0x7010_8086);
    assert.equal(pci(0x09, { ebx: 9, edi: 0x03 }).ah, 0x87);
    assert.deepEqual(pci(0x0c, { ebx: 9, edi: 0x06, ecx: 0x1234_5678 }).outputs, ['cf8=80000904', 'cfe=5678']);
  });
});

describe('INT 14h and INT 17h', () => {
  it('sets COM1 up, sends and receives', () => {
    const setup = call(0x14, 0x00e3, {}, (m) => m.inputs.set(0x3fd, 0x60)).machine;
    assert.deepEqual(setup.outputs, ['3fb=80', '3f8=c', '3f9=0', '3fb=3']);
    const sent = call(0x14, 0x0141, {}, (m) => m.inputs.set(0x3fd, 0x60)).machine;
    assert.deepEqual([sent.outputs, sent.ah], [['3f8=41'], 0x60]);
    const received = call(0x14, 0x0200, {}, (m) => m.inputs.set(0x3fd, 0x61).set(0x3f8, 0x5a)).machine;
    assert.equal(received.registers.eax & 0xffff, 0x005a);
    assert.equal(call(0x14, 0x0200, {}, (m) => m.inputs.set(0x3fd, 0x60)).machine.ah, 0xe0, 'timed out');
  });

  it('finds no printer', () => assert.equal(call(0x17, 0x0200).machine.ah, 0x80));
});
