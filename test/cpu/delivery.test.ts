import assert from 'node:assert/strict';
import { combine } from '../../debug-adapter/engine/cpu/events.ts';
import type { DeliveredEvent } from '../../debug-adapter/engine/cpu/context.ts';
import { AC, IF, NT, RF, TF, VM } from '../../debug-adapter/engine/cpu/flags.ts';
import { DB, DE, DOUBLE_FAULT, GP, NP, PF, SS_FAULT, TS, UD } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { CODE, descriptor, gate, GDT, IDT, SEL, STACK, TestMachine, TSS } from './harness.ts';

const external = (vector: number): DeliveredEvent => ({
  vector,
  type: 'external',
  errorCode: undefined,
  instructionBytes: 0,
});

function protectedMachine(cpl: 0 | 3, access = 0x8e): TestMachine {
  const machine = new TestMachine().protectedMode(cpl);
  for (let vector = 0; vector < 64; vector++)
    machine.write(IDT + vector * 8, gate(SEL.code0, 0x12340 + vector, access));
  return machine;
}
function longMachine(cpl: 0 | 3, ist = 0): TestMachine {
  const machine = new TestMachine().longMode(cpl);
  for (let vector = 0; vector < 64; vector++) {
    machine.write(IDT + vector * 16, gate(SEL.code64, 0x12340 + vector, 0x8e, ist));
    machine.write(IDT + vector * 16 + 8, 0xffff_8000n);
  }
  return machine;
}
const position = (machine: TestMachine) => [machine.state.selector('CS'), machine.state.rip, machine.state.cpl];

describe('event delivery', () => {
  it('real mode: FLAGS, CS, IP and the vector table; IF TF AC cleared, no error code', () => {
    const machine = new TestMachine();
    machine.state.rip = 0x100n;
    machine.state.setSegment('CS', { selector: 0x700, base: 0x7000n, limit: 0xffff, accessRights: 0x93 });
    machine.rsp = 0x2000;
    machine.write(GP * 4, 0x1234_5678, 4);
    machine.state.rflags = IF | AC | 0x43;
    machine.fault(GP, 0);
    assert.deepEqual(machine.stack(3, 2), [0x100n, 0x700n, 0x243n]);
    assert.deepEqual(
      [machine.state.selector('CS'), machine.state.segmentBase('CS'), machine.state.rip],
      [0x1234, 0x12340n, 0x5678n],
    );
    assert.equal(machine.state.rflags, 0x43);
    assert.equal(machine.rsp, 0x1ffan);
  });

  it('protected mode, same privilege: EFLAGS with RF, CS, EIP, error code', () => {
    const machine = protectedMachine(0);
    machine.state.rflags = IF | TF | NT | 2;
    machine.fault(GP, 0x18);
    assert.deepEqual(machine.stack(4, 4), [0x18n, BigInt(CODE), BigInt(SEL.code0), BigInt(IF | TF | NT | RF | 2)]);
    assert.deepEqual(position(machine), [SEL.code0, 0x12340n + BigInt(GP), 0]);
    assert.equal(machine.state.rflags, 2);
  });

  it('a trap gate leaves IF, an interrupt pushes no RF', () => {
    const machine = protectedMachine(0, 0x8f);
    machine.state.rflags = IF | 2;
    machine.cpu.deliver(external(0x20));
    assert.deepEqual(machine.stack(3, 4), [BigInt(CODE), BigInt(SEL.code0), BigInt(IF | 2)]);
    assert.equal(machine.state.rflags, IF | 2);
  });

  it('protected mode, inward: SS and ESP of the TSS, old ones pushed', () => {
    const machine = protectedMachine(3);
    machine.state.rflags = 2;
    machine.fault(UD);
    assert.equal(machine.rsp, 0x9000n - 20n);
    assert.deepEqual(machine.stack(5, 4), [
      BigInt(CODE),
      BigInt(SEL.code3),
      BigInt(RF | 2),
      BigInt(STACK),
      BigInt(SEL.data3),
    ]);
    assert.deepEqual([...position(machine), machine.state.selector('SS')], [SEL.code0, 0x12346n, 0, SEL.data0]);
  });

  it('16-bit gates push words', () => {
    const machine = protectedMachine(0, 0x86);
    machine.cpu.deliver(external(1));
    assert.deepEqual(machine.stack(3, 2), [BigInt(CODE), BigInt(SEL.code0), 2n]);
    assert.equal(machine.state.rip, 0x2341n);
  });

  it('virtual-8086 mode: data segments pushed and nulled', () => {
    const machine = protectedMachine(3);
    machine.state.rflags = VM | IF | 2;
    (['CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const).forEach((name, index) =>
      machine.state.setSegment(name, {
        selector: 0x100 + index,
        base: BigInt(0x1000 + index * 16),
        limit: 0xffff,
        accessRights: 0xf3,
      }),
    );
    machine.cpu.modeChanged();
    machine.state.rip = 0x10n;
    assert.deepEqual([machine.state.cpl, machine.state.codeBits], [3, 16]);
    machine.fault(GP, 0);
    assert.deepEqual(machine.stack(10, 4), [
      0n,
      0x10n,
      0x100n,
      BigInt(VM | IF | RF | 2),
      BigInt(STACK),
      0x101n,
      0x103n,
      0x102n,
      0x104n,
      0x105n,
    ]);
    assert.deepEqual([machine.state.cpl, machine.state.codeBits, machine.state.selector('DS')], [0, 32, 0]);
    assert.equal(machine.state.rflags & VM, 0);
  });

  it('IA-32e mode, same privilege: RSP aligned, SS:RSP always pushed', () => {
    const machine = longMachine(0);
    machine.rsp = STACK - 4;
    machine.fault(PF, 2, 0x1234_5678n);
    assert.equal(machine.rsp, BigInt((STACK - 4) & ~15) - 48n);
    assert.deepEqual(machine.stack(6, 8), [
      2n,
      BigInt(CODE),
      BigInt(SEL.code64),
      BigInt(RF | 2),
      BigInt(STACK - 4),
      BigInt(SEL.data0),
    ]);
    assert.equal(machine.state.rip, 0xffff_8000_0001_2340n + 14n);
    assert.equal(machine.state.get64(LAYOUT.cr2), 0x1234_5678n);
    assert.equal(machine.state.selector('SS'), SEL.data0);
  });

  it('IA-32e mode, inward: RSP0 and a null SS', () => {
    const machine = longMachine(3);
    machine.cpu.deliver(external(0x20));
    assert.equal(machine.rsp, 0x9000n - 40n);
    assert.deepEqual(machine.stack(5, 8), [BigInt(CODE), BigInt(SEL.code64User), 2n, BigInt(STACK), BigInt(SEL.data3)]);
    assert.deepEqual([machine.state.selector('SS'), machine.state.cpl, machine.state.codeBits], [0, 0, 64]);
  });

  it('IA-32e mode with IST: that stack, aligned, even without a privilege change', () => {
    const machine = longMachine(0, 1);
    machine.cpu.deliver(external(0x20));
    assert.equal(machine.rsp, 0x9800n - 40n);
    assert.equal(machine.state.selector('SS'), SEL.data0);
  });

  it('software interrupts push the address behind them and need gate DPL >= CPL', () => {
    const user = protectedMachine(3);
    user.execute('cd 30');
    assert.deepEqual(
      user.cpu.faultChain.map(({ name, errorCode }) => [name, errorCode]),
      [
        ['INT 30h', undefined],
        ['#GP', 0x30 * 8 + 2],
      ],
    );
    assert.equal(user.read(Number(user.rsp) + 4, 4), BigInt(CODE), 'the fault is at the INT itself');
    const open = protectedMachine(3, 0xee);
    open.execute('cd 30');
    assert.equal(open.stack(1, 4)[0], BigInt(CODE + 2));
    assert.equal(open.state.rip, 0x12370n);
    const breakpoint = protectedMachine(3, 0xee);
    breakpoint.execute('cc');
    assert.deepEqual([breakpoint.state.rip, breakpoint.stack(1, 4)[0]], [0x12343n, BigInt(CODE + 1)]);
  });
});

describe('what is wrong with a gate', () => {
  /** [name, what to spoil, vector, error code] for an external interrupt 20h at CPL 3, so EXT is 1. */
  const rows: readonly [string, (machine: TestMachine) => void, number, number][] = [
    ['beyond the IDT limit', (m) => m.state.set32(LAYOUT.idtrLimit, 0x20 * 8 + 6), GP, 0x103],
    ['not a gate', (m) => m.write(IDT + 0x100, gate(SEL.code0, 0, 0x8c)), GP, 0x103],
    ['not present', (m) => m.write(IDT + 0x100, gate(SEL.code0, 0, 0x0e)), NP, 0x103],
    ['null code selector', (m) => m.write(IDT + 0x100, gate(0, 0, 0x8e)), GP, 1],
    ['data selector', (m) => m.write(IDT + 0x100, gate(SEL.data0, 0, 0x8e)), GP, SEL.data0 | 1],
    ['code selector beyond the GDT', (m) => m.write(IDT + 0x100, gate(0x100, 0, 0x8e)), GP, 0x101],
    ['code not present', (m) => m.gdt(SEL.code0, descriptor(0, 0xfffff, 0x1b, 0xc)), NP, SEL.code0 | 1],
    ['null stack selector in the TSS', (m) => m.write(TSS + 8, 0, 2), TS, 1],
    ['stack selector with wrong RPL', (m) => m.write(TSS + 8, SEL.data0 | 1, 2), TS, SEL.data0 | 1],
    ['stack not present', (m) => m.gdt(SEL.data0, descriptor(0, 0xfffff, 0x13, 0xc)), SS_FAULT, SEL.data0 | 1],
    ['TSS too short', (m) => m.state.setSegment('TR', { ...m.state.segment('TR'), limit: 8 }), TS, SEL.tss | 1],
    ['stack without room', (m) => m.gdt(SEL.data0, descriptor(0, 0xff, 0x93, 4)), SS_FAULT, SEL.data0 | 1],
    ['handler beyond the code limit', (m) => m.gdt(SEL.code0, descriptor(0, 0xff, 0x9b, 4)), GP, 1],
  ];
  for (const [name, spoil, vector, error] of rows)
    it(name, () => {
      const machine = protectedMachine(3);
      spoil(machine);
      machine.cpu.deliver(external(0x20));
      const second = machine.cpu.faultChain[1];
      assert.deepEqual([second?.vector, second?.errorCode], [vector, error]);
    });
});

describe('double and triple faults', () => {
  const event = (vector: number, type: DeliveredEvent['type'] = 'hardware-exception'): DeliveredEvent => ({
    vector,
    type,
    errorCode: 0,
    instructionBytes: 0,
  });
  /** SDM Vol. 3A, table 6-5. */
  const table: readonly [number, number, ReturnType<typeof combine>][] = [
    [UD, UD, 'serial'],
    [UD, GP, 'serial'],
    [UD, PF, 'serial'],
    [GP, UD, 'serial'],
    [GP, GP, 'double fault'],
    [DE, NP, 'double fault'],
    [TS, SS_FAULT, 'double fault'],
    [GP, PF, 'serial'],
    [PF, GP, 'double fault'],
    [PF, PF, 'double fault'],
    [PF, DB, 'serial'],
    [DOUBLE_FAULT, GP, 'triple fault'],
    [DOUBLE_FAULT, PF, 'triple fault'],
    [DOUBLE_FAULT, UD, 'triple fault'],
  ];
  for (const [first, second, expected] of table)
    it(`${first} then ${second}: ${expected}`, () => assert.equal(combine(event(first), event(second)), expected));

  it('external and software interrupts are benign', () => {
    assert.equal(combine(event(GP, 'external'), event(GP)), 'serial');
    assert.equal(combine(event(13, 'software-interrupt'), event(GP)), 'serial');
  });

  it('a #GP whose gate is bad ends in the double-fault handler with error code 0', () => {
    const machine = protectedMachine(0);
    machine.write(IDT + GP * 8, 0n);
    machine.fault(GP, 0x18);
    assert.equal(machine.state.rip, 0x12348n);
    assert.equal(machine.stack(1, 4)[0], 0n);
    assert.deepEqual(
      machine.cpu.faultChain.map(({ name }) => name),
      ['#GP', '#GP', '#DF'],
    );
  });

  it('without any gate the processor shuts down and the chain explains it', () => {
    const machine = protectedMachine(0);
    machine.state.set32(LAYOUT.idtrLimit, 0);
    machine.fault(PF, 0, 0x123n);
    assert.equal(machine.state.get32(LAYOUT.activity), 2);
    assert.deepEqual(
      machine.cpu.faultChain.map(({ name, errorCode }) => [name, errorCode]),
      [
        ['#PF', 0],
        ['#GP', PF * 8 + 3],
        ['#DF', 0],
        ['#GP', DOUBLE_FAULT * 8 + 3],
      ],
    );
    assert.deepEqual([machine.state.rip, machine.rsp], [BigInt(CODE), BigInt(STACK)], 'nothing was committed');
  });

  it('in VMX non-root operation asks for each exception, also the nested one during the first', () => {
    const machine = protectedMachine(0);
    machine.state.set32(LAYOUT.vmxMode, 2);
    machine.write(IDT + GP * 8, 0n);
    machine.fault(GP, 0x18);
    assert.deepEqual(machine.intercepts.asked, ['exception 13', 'exception 13 during 13', 'exception 8']);
    machine.intercepts.asked.length = 0;
    machine.intercepts.exitOn.add('exception 13');
    assert.deepEqual(
      machine.attempt(() => machine.fault(GP, 0)),
      { kind: 'exit' },
    );
    machine.intercepts.asked.length = 0;
    assert.deepEqual(
      machine.attempt(() => machine.cpu.inject({ ...event(GP) })),
      { kind: 'exit' },
    );
    assert.deepEqual(
      machine.intercepts.asked,
      ['exception 13 during 13'],
      'an injected event itself is not asked about',
    );
  });
});

describe('IRET', () => {
  it('returns outward, restores SS:ESP and drops segments of a higher privilege', () => {
    const machine = new TestMachine().protectedMode(0);
    machine.rsp = 0x9000 - 20;
    [0x5000, SEL.code3, IF | 2 | 0x3000, 0x7000, SEL.data3].forEach((value, i) =>
      machine.write(0x9000 - 20 + i * 4, value, 4),
    );
    assert.equal(machine.execute('cf').kind, 'done');
    const { state } = machine;
    assert.deepEqual(
      [state.rip, state.cpl, machine.rsp, state.selector('SS'), state.selector('DS')],
      [0x5000n, 3, 0x7000n, SEL.data3, 0],
    );
    assert.equal(state.rflags, IF | 2 | 0x3000);
  });

  it('64-bit mode always pops SS:RSP', () => {
    const machine = new TestMachine().longMode(0);
    machine.rsp = 0x9000 - 40;
    [0x5000, SEL.code64, 2, 0x7008, SEL.data0].forEach((value, i) => machine.write(0x9000 - 40 + i * 8, value));
    assert.equal(machine.execute('48 cf').kind, 'done');
    assert.deepEqual([machine.state.rip, machine.rsp, machine.state.cpl], [0x5000n, 0x7008n, 0]);
  });

  it('refuses a return inward, and a bad code segment, and changes nothing', () => {
    const machine = new TestMachine().protectedMode(3);
    machine.rsp = 0x9000;
    [0x5000, SEL.code0, 2].forEach((value, i) => machine.write(0x9000 + i * 4, value, 4));
    const result = machine.execute('cf');
    assert.deepEqual(result, { kind: 'fault', vector: GP, error: SEL.code0, linear: undefined });
    assert.deepEqual([machine.rsp, machine.state.rip], [0x9000n, BigInt(CODE)]);
  });

  it('a user IRET changes neither IOPL nor, above IOPL, IF', () => {
    const machine = new TestMachine().protectedMode(3);
    machine.state.rflags = IF | 2;
    machine.rsp = 0x9000;
    [0x5000, SEL.code3, 0x3002].forEach((value, i) => machine.write(0x9000 + i * 4, value, 4));
    machine.execute('cf');
    assert.equal(machine.state.rflags, IF | 2);
  });

  it('enters virtual-8086 mode from CPL 0', () => {
    const machine = new TestMachine().protectedMode(0);
    machine.rsp = 0x9000;
    [0x10, 0x200, VM | IF | 2, 0x300, 0x201, 0x202, 0x203, 0x204, 0x205].forEach((value, i) =>
      machine.write(0x9000 + i * 4, value, 4),
    );
    machine.execute('cf');
    const { state } = machine;
    assert.deepEqual([state.cpl, state.codeBits, state.rip, machine.rsp], [3, 16, 0x10n, 0x300n]);
    assert.deepEqual(
      [state.segmentBase('CS'), state.segmentBase('SS'), state.segmentBase('GS')],
      [0x2000n, 0x2010n, 0x2050n],
    );
  });

  it('refuses to return to another task in IA-32e mode', () => {
    const long = new TestMachine().longMode(0);
    long.state.rflags = NT | 2;
    const result = long.execute('48 cf');
    assert.deepEqual([result.kind, 'vector' in result && result.vector], ['fault', GP]);
  });
});

it('marks the code segment of the handler accessed', () => {
  const machine = protectedMachine(0);
  machine.gdt(SEL.code0, descriptor(0, 0xfffff, 0x9a, 0xc));
  machine.cpu.deliver(external(0x20));
  assert.equal(machine.read(GDT + SEL.code0 + 5, 1), 0x9bn);
});
