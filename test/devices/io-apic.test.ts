import assert from 'node:assert/strict';
import { sendMessage, type ApicReceiver } from '../../debug-adapter/engine/devices/apic-message.ts';
import { IoApic } from '../../debug-adapter/engine/devices/io-apic.ts';

function rig() {
  const sent: string[] = [];
  const apic = new IoApic(({ mode, vector, trigger }, { id, kind }) =>
    sent.push(`${trigger} ${vector.toString(16)} mode ${mode} to ${kind} ${id}`),
  );
  const select = (index: number) => apic.write(0, 4, index);
  return {
    apic,
    sent,
    read(index: number) {
      select(index);
      return apic.read(0x10, 4);
    },
    write(index: number, value: number) {
      select(index);
      apic.write(0x10, 4, value);
    },
  };
}

describe('I/O APIC', () => {
  it('identifies itself and starts with all entries masked', () => {
    const { read, write } = rig();
    assert.equal(read(1), 0x0017_0020);
    for (let pin = 0; pin < 24; pin++) assert.equal(read(0x10 + 2 * pin), 0x1_0000);
    write(0, 0xffff_ffff);
    assert.equal(read(0), 0x0f00_0000);
    assert.equal(read(0x40), 0, 'no register behind the last entry');
  });

  it('sends an edge once per rise, and loses it while masked', () => {
    const { apic, sent, write } = rig();
    const line = apic.input(4);
    line.set(true);
    line.set(false);
    write(0x19, 0x0100_0000);
    write(0x18, 0x34);
    line.set(true);
    line.set(true);
    line.set(false);
    line.set(true);
    assert.deepEqual(sent, ['edge 34 mode 0 to physical 1', 'edge 34 mode 0 to physical 1']);
  });

  it('sends a level again after EOI for as long as the line is asserted', () => {
    const { apic, sent, write, read } = rig();
    write(0x1a, 0x8950);
    const line = apic.input(5);
    line.set(true);
    assert.equal(read(0x1a) & 0x4000, 0x4000, 'remote IRR');
    line.set(false);
    line.set(true);
    assert.equal(sent.length, 1);
    apic.endOfInterrupt(0x51);
    assert.equal(sent.length, 1);
    apic.endOfInterrupt(0x50);
    assert.equal(sent.length, 2);
    line.set(false);
    apic.write(0x40, 4, 0x50);
    assert.equal(sent.length, 2);
    assert.equal(read(0x1a) & 0x4000, 0);
    assert.equal(sent[1], 'level 50 mode 1 to logical 0');
  });

  it('fires when a level entry is unmasked under an asserted line', () => {
    const { apic, sent, write } = rig();
    apic.input(9).set(true);
    write(0x22, 0x1_8060);
    assert.deepEqual(sent, []);
    write(0x22, 0x8060);
    assert.deepEqual(sent, ['level 60 mode 0 to physical 0']);
  });

  it('does not let read-only bits be written', () => {
    const { write, read } = rig();
    write(0x10, 0xffff_ffff);
    assert.equal(read(0x10), 0x1_afff);
  });
});

describe('APIC messages', () => {
  const receiver = (id: number, priority: number, log: string[]): ApicReceiver => ({
    isAddressed: (destination) => destination.id === 0xff || destination.id === id,
    receive: ({ mode }) => void log.push(`${id} mode ${mode}`),
    processorPriority: priority,
  });

  it('reach all that are addressed, but the lowest priority only one', () => {
    const log: string[] = [];
    const receivers = [receiver(0, 0x40, log), receiver(1, 0x20, log), receiver(2, 0x30, log)];
    sendMessage(receivers, { id: 0xff, kind: 'physical', wide: false }, { mode: 0, vector: 0x30, trigger: 'edge' });
    assert.deepEqual(log.splice(0), ['0 mode 0', '1 mode 0', '2 mode 0']);
    sendMessage(receivers, { id: 0xff, kind: 'physical', wide: false }, { mode: 1, vector: 0x30, trigger: 'edge' });
    assert.deepEqual(log.splice(0), ['1 mode 0']);
    sendMessage(receivers, { id: 7, kind: 'physical', wide: false }, { mode: 1, vector: 0x30, trigger: 'edge' });
    assert.deepEqual(log, []);
  });
});
