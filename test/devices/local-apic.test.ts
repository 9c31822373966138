import assert from 'node:assert/strict';
import type { ApicDestination, ApicMessage } from '../../debug-adapter/engine/devices/apic-message.ts';
import { LocalApic } from '../../debug-adapter/engine/devices/local-apic.ts';

const ID = 0x20;
const TPR = 0x80;
const PPR = 0xa0;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ISR = 0x100;
const IRR = 0x200;
const ESR = 0x280;
const ICR = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_LINT0 = 0x350;
const LVT_ERROR = 0x370;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;

function rig(id = 0) {
  const log: string[] = [];
  let now = 0;
  let intr = false;
  let offset = 0n;
  const apic = new LocalApic(id, {
    now: () => now,
    timeStampOffset: () => offset,
    taskPriorityChanged: (priorityClass) => log.push(`CR8 ${priorityClass}`),
    send: (message: ApicMessage, to: ApicDestination | 'all' | 'others') =>
      log.push(
        `${typeof to === 'string' ? to : `${to.kind} ${to.id.toString(16)}`} mode ${message.mode} vector ${message.vector.toString(16)}`,
      ),
    nmi: () => log.push('NMI'),
    control: (kind, vector) => log.push(`${kind} ${vector}`),
    endOfInterrupt: (vector) => log.push(`EOI ${vector.toString(16)}`),
    external: { requested: () => intr, acknowledge: () => 0x08 },
  });
  return {
    apic,
    log,
    read: (at: number) => apic.read(at, 4),
    write: (at: number, value: number) => apic.write(at, 4, value),
    setIntr: (level: boolean) => (intr = level),
    setOffset: (value: bigint) => (offset = value),
    pass(ticks: number) {
      now += ticks;
      apic.advanceTo(now);
    },
    nextIn: () => (apic.nextEvent() === undefined ? undefined : apic.nextEvent()! - now),
    interrupt: (vector: number, trigger: 'edge' | 'level' = 'edge') => apic.receive({ mode: 0, vector, trigger }),
  };
}
const enabled = () => {
  const one = rig();
  one.write(SVR, 0x1ff);
  return one;
};

describe('local APIC', () => {
  it('is in its power-up state after reset: disabled by software, entries masked', () => {
    const { read, apic } = rig(3);
    for (const [offset, value] of [
      [ID, 0x0300_0000],
      [0x30, 0x0005_0014],
      [SVR, 0xff],
      [DFR, 0xffff_ffff],
      [LVT_TIMER, 0x1_0000],
      [LVT_ERROR, 0x1_0000],
      [CURRENT, 0],
    ] as const)
      assert.equal(read(offset), value, offset.toString(16));
    assert.equal(apic.pending(), false);
  });

  it('delivers the highest vector above the processor priority, and the next after EOI', () => {
    const { apic, read, write, interrupt } = enabled();
    interrupt(0x35);
    interrupt(0x41);
    interrupt(0x42);
    assert.equal(read(IRR + 0x20), 0x6);
    assert.equal(apic.acknowledge(), 0x42);
    assert.equal(read(PPR), 0x40);
    assert.equal(apic.pending(), false, 'same class waits');
    interrupt(0x50);
    assert.equal(apic.acknowledge(), 0x50);
    assert.equal(read(ISR + 0x20), 0x1_0004);
    write(EOI, 0);
    write(EOI, 0);
    assert.equal(apic.acknowledge(), 0x41);
    write(TPR, 0x30);
    write(EOI, 0);
    assert.equal(apic.pending(), false, 'task priority 3 blocks 35h');
    assert.equal(apic.acknowledge(), 0xff, 'spurious vector');
    write(TPR, 0x2f);
    assert.equal(read(PPR), 0x2f);
    assert.equal(apic.acknowledge(), 0x35);
  });

  it('links the task priority with CR8', () => {
    const { apic, log, read, write } = enabled();
    write(TPR, 0x5a);
    assert.deepEqual(log, ['CR8 5']);
    apic.setTaskPriorityClass(9);
    assert.equal(read(TPR), 0x90);
  });

  it('tells the I/O APIC when a level-triggered interrupt ends, and only then', () => {
    const { apic, log, write, interrupt, read } = enabled();
    interrupt(0x61, 'level');
    interrupt(0x72);
    assert.equal(read(0x180 + 0x30), 2);
    apic.acknowledge();
    write(EOI, 0);
    apic.acknowledge();
    write(EOI, 0);
    write(EOI, 0);
    assert.deepEqual(log, ['EOI 61']);
  });

  it('passes the 8259 pair through LINT0 in virtual wire mode, and directly while it is disabled', () => {
    const { apic, setIntr, write, interrupt } = rig();
    setIntr(true);
    assert.equal(apic.pending(), false, 'LINT0 is masked after reset');
    apic.setVirtualWire();
    assert.equal(apic.pending(), true);
    interrupt(0x80);
    assert.equal(apic.acknowledge(), 0x80);
    assert.equal(apic.acknowledge(), 0x08);
    write(LVT_LINT0, 0x1_0700);
    assert.equal(apic.pending(), false);
    apic.setMode('disabled');
    assert.equal(apic.pending(), true);
    assert.equal(apic.acknowledge(), 0x08);
    apic.setMode('xAPIC');
    assert.equal(apic.pending(), false, 'power-up state again');
  });

  it('masks all entries while it is disabled by software', () => {
    const { read, write, interrupt, apic } = enabled();
    write(LVT_TIMER, 0x40);
    assert.equal(read(LVT_TIMER), 0x40);
    write(SVR, 0xff);
    assert.equal(read(LVT_TIMER), 0x1_0040);
    write(LVT_TIMER, 0x40);
    assert.equal(read(LVT_TIMER), 0x1_0040);
    interrupt(0x70);
    write(SVR, 0x1ff);
    assert.equal(apic.pending(), false);
  });

  describe('errors', () => {
    for (const [title, provoke, bit] of [
      ['send illegal vector', (one: ReturnType<typeof rig>) => one.write(ICR, 0x4000f), 0x20],
      ['receive illegal vector', (one: ReturnType<typeof rig>) => one.interrupt(3), 0x40],
      ['illegal register read', (one: ReturnType<typeof rig>) => one.read(0x40), 0x80],
      ['illegal register write', (one: ReturnType<typeof rig>) => one.write(0x3f0, 0x30), 0x80],
    ] as const) {
      it(`reports ${title} once ESR was written, with the error interrupt`, () => {
        const one = enabled();
        one.write(LVT_ERROR, 0xe0);
        provoke(one);
        assert.equal(one.read(ESR), 0);
        one.write(ESR, 0);
        assert.equal(one.read(ESR), bit);
        assert.equal(one.apic.acknowledge(), 0xe0);
        one.write(ESR, 0);
        assert.equal(one.read(ESR), 0);
      });
    }
  });

  describe('interrupt command register', () => {
    for (const [title, high, low, expected] of [
      ['fixed, physical', 0x0500_0000, 0x4041, 'physical 5 mode 0 vector 41'],
      ['fixed, logical', 0x0f00_0000, 0x4841, 'logical f mode 0 vector 41'],
      ['all', 0, 0x8_4041, 'all mode 0 vector 41'],
      ['all but self', 0, 0xc_4541, 'others mode 5 vector 41'],
      ['start-up', 0x0100_0000, 0x4608, 'physical 1 mode 6 vector 8'],
      ['INIT de-assert', 0, 0x8_8500, undefined],
    ] as const) {
      it(`sends ${title}`, () => {
        const { write, log, read } = enabled();
        write(ICR_HIGH, high);
        write(ICR, low);
        assert.deepEqual(log, expected === undefined ? [] : [expected]);
        assert.equal(read(ICR), low);
      });
    }

    it('sends to itself by shorthand', () => {
      const { write, apic } = enabled();
      write(ICR, 0x4_4055);
      assert.equal(apic.acknowledge(), 0x55);
    });
  });

  it('knows whom a destination addresses', () => {
    const one = rig(2);
    const addressed = (id: number, kind: 'physical' | 'logical', wide = false) =>
      one.apic.isAddressed({ id, kind, wide });
    one.write(LDR, 0x2400_0000);
    assert.deepEqual(
      [addressed(2, 'physical'), addressed(3, 'physical'), addressed(0xff, 'physical')],
      [true, false, true],
    );
    assert.deepEqual(
      [addressed(0x04, 'logical'), addressed(0x20, 'logical'), addressed(0x03, 'logical')],
      [true, true, false],
    );
    one.write(DFR, 0);
    assert.deepEqual(
      [addressed(0x24, 'logical'), addressed(0x34, 'logical'), addressed(0xf4, 'logical')],
      [true, false, true],
    );
    one.apic.setMode('x2APIC');
    assert.deepEqual([addressed(4, 'logical', true), addressed(0x1_0004, 'logical', true)], [true, false]);
    one.apic.setMode('disabled');
    assert.equal(addressed(2, 'physical'), false);
  });

  describe('timer', () => {
    it('counts down once, divided', () => {
      const { write, read, pass, nextIn, apic } = enabled();
      write(LVT_TIMER, 0x30);
      write(DIVIDE, 0x3);
      write(INITIAL, 10);
      assert.equal(nextIn(), 160);
      pass(17);
      assert.equal(read(CURRENT), 9);
      pass(143);
      assert.equal(read(CURRENT), 0);
      assert.equal(apic.acknowledge(), 0x30);
      assert.equal(nextIn(), undefined);
    });

    it('repeats in periodic mode without drifting', () => {
      const { write, read, pass, nextIn, apic } = enabled();
      write(LVT_TIMER, 0x2_0030);
      write(DIVIDE, 0xb);
      write(INITIAL, 100);
      pass(130);
      assert.equal(apic.acknowledge(), 0x30);
      assert.equal(nextIn(), 70);
      assert.equal(read(CURRENT), 70);
      write(INITIAL, 0);
      assert.equal(nextIn(), undefined);
    });

    it('runs while masked and sets no request', () => {
      const { write, pass, apic, read } = enabled();
      write(LVT_TIMER, 0x1_0030);
      write(INITIAL, 10);
      pass(20);
      assert.equal(read(CURRENT), 0);
      assert.equal(apic.pending(), false);
    });

    for (const [configuration, divisor] of [
      [0, 2],
      [1, 4],
      [2, 8],
      [3, 16],
      [8, 32],
      [9, 64],
      [10, 128],
      [11, 1],
    ] as const) {
      it(`divides by ${divisor}`, () => {
        const { write, nextIn } = enabled();
        write(DIVIDE, configuration);
        write(INITIAL, 3);
        assert.equal(nextIn(), 3 * divisor);
      });
    }

    it('waits for the time-stamp counter in TSC-deadline mode, as the counter is adjusted', () => {
      const { write, pass, nextIn, apic, setOffset } = enabled();
      apic.setDeadline(5n);
      assert.equal(apic.deadline, 0n, 'no effect in another mode');
      write(LVT_TIMER, 0x4_0030);
      write(INITIAL, 10);
      assert.equal(nextIn(), undefined, 'initial count is ignored');
      apic.setDeadline(1000n);
      setOffset(400n);
      assert.equal(nextIn(), 600);
      pass(599);
      assert.equal(apic.pending(), false);
      pass(1);
      assert.equal(apic.acknowledge(), 0x30);
      assert.equal(apic.deadline, 0n);
      apic.setDeadline(5000n);
      write(LVT_TIMER, 0x30);
      assert.equal(apic.deadline, 0n, 'leaving the mode disarms');
    });
  });

  describe('x2APIC', () => {
    const extended = (id = 0) => {
      const one = rig(id);
      one.apic.setMode('x2APIC');
      one.apic.writeMsr(0x80f, 0x1ffn);
      return one;
    };

    it('shows 32-bit identification', () => {
      const { apic } = extended(0x13);
      assert.equal(apic.readMsr(0x802), 0x13n);
      assert.equal(apic.readMsr(0x80d), 0x1_0008n);
    });

    it('sends by one 64-bit write, and to itself by its own register', () => {
      const { apic, log } = extended();
      assert.equal(apic.writeMsr(0x830, 0x1234_5678_0000_4041n), 'written');
      assert.deepEqual(log, ['physical 12345678 mode 0 vector 41']);
      assert.equal(apic.readMsr(0x830), 0x1234_5678_0000_4041n);
      assert.equal(apic.writeMsr(0x83f, 0x66n), 'written');
      assert.equal(apic.acknowledge(), 0x66);
      assert.equal(apic.writeMsr(0x80b, 0n), 'written');
    });

    for (const index of [0x809, 0x80b, 0x80c, 0x80e, 0x831, 0x83f, 0x801, 0x840])
      it(`refuses to read MSR ${index.toString(16)}`, () => assert.equal(extended().apic.readMsr(index), undefined));
    for (const [index, value] of [
      [0x802, 0n],
      [0x80a, 0n],
      [0x80b, 1n],
      [0x80d, 0n],
      [0x80e, 0n],
      [0x808, 0x100n],
      [0x828, 1n],
      [0x832, 0x8_0000n],
      [0x83e, 4n],
      [0x83f, 0x100n],
      [0x838, 1n << 32n],
    ] as const)
      it(`refuses ${value.toString(16)} in MSR ${index.toString(16)}`, () =>
        assert.equal(extended().apic.writeMsr(index, value), 'refused'));

    it('has no MSRs in xAPIC mode', () => {
      const { apic } = rig();
      assert.equal(apic.readMsr(0x802), undefined);
      assert.equal(apic.writeMsr(0x808, 0n), 'refused');
    });
  });
});
