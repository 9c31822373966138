import assert from 'node:assert/strict';
import type { DeliveredEvent, InterceptedInstruction } from '../../debug-adapter/engine/cpu/context.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { describeExit } from '../../debug-adapter/engine/vmx/index.ts';
import type { VmExit, VmcsFieldKey } from '../../debug-adapter/engine/vmx/types.ts';
import { long, real } from './entry-check-faults.ts';
import type { Bench } from './entry-check-faults.ts';
import { BYTES, decodeBytes, execute, GUEST_RIP, outcomeOf } from './fake-cpu.ts';

const NOP = [0x90];
const PROC1 = {
  interruptWindow: 1 << 2,
  hlt: 1 << 7,
  invlpg: 1 << 9,
  mwait: 1 << 10,
  rdpmc: 1 << 11,
  rdtsc: 1 << 12,
  cr3Load: 1 << 15,
  cr3Store: 1 << 16,
  cr8Load: 1 << 19,
  cr8Store: 1 << 20,
  movDr: 1 << 23,
  io: 1 << 24,
  ioBitmaps: 1 << 25,
  mtf: 1 << 27,
  msrBitmaps: 1 << 28,
  monitor: 1 << 29,
  pause: 1 << 30,
} as const;

/** A guest that runs with these bits set in the primary and secondary controls. */
function running(set: (b: Bench) => void = () => {}, start: () => Bench = long): Bench {
  const b = start();
  b.clear('PROC1_CONTROLS', PROC1.hlt | PROC1.cr3Load | PROC1.cr3Store);
  set(b);
  assert.equal(execute(b.f.cpu, BYTES.vmlaunch).kind, 'done');
  return b;
}

/** Asks the port about an instruction; gives the exit, if it was taken. */
function ask(b: Bench, what: InterceptedInstruction, bytes: readonly number[] = NOP): VmExit | undefined {
  const { cpu } = b.f;
  const instruction = decodeBytes(cpu, bytes);
  const outcome = outcomeOf(() => cpu.intercepts.instruction(what, instruction));
  if (outcome.kind === 'exit') return b.f.exits.at(-1)!.exit;
  assert.equal(outcome.kind, 'done', JSON.stringify(outcome));
  return undefined;
}
const proc1 = (bits: number) => (b: Bench) => b.or('PROC1_CONTROLS', BigInt(bits >>> 0));
const proc2 = (bits: number) => (b: Bench) => b.or('PROC2_CONTROLS', bits);
const field = (b: Bench, key: VmcsFieldKey) => b.f.vmx.vmread(key);

describe('VM exits of instructions', () => {
  it('are unconditional for CPUID, INVD, GETSEC, XSETBV', () => {
    for (const kind of ['cpuid', 'invd', 'getsec', 'xsetbv'] as const)
      assert.equal(ask(running(), { kind })?.name, kind);
  });

  const conditional: readonly (readonly [InterceptedInstruction, (b: Bench) => void, string])[] = [
    [{ kind: 'hlt' }, proc1(PROC1.hlt), 'hlt'],
    [{ kind: 'rdtsc' }, proc1(PROC1.rdtsc), 'rdtsc'],
    [{ kind: 'rdpmc' }, proc1(PROC1.rdpmc), 'rdpmc'],
    [{ kind: 'pause' }, proc1(PROC1.pause), 'pause'],
    [{ kind: 'monitor' }, proc1(PROC1.monitor), 'monitor'],
    [{ kind: 'mwait' }, proc1(PROC1.mwait), 'mwait'],
    [{ kind: 'wbinvd' }, proc2(1 << 6), 'wbinvd'],
    [{ kind: 'invlpg', linear: 0x1234n }, proc1(PROC1.invlpg), 'invlpg'],
    [{ kind: 'mov-from-cr', cr: 3, register: 5 }, proc1(PROC1.cr3Store), 'crAccess'],
    [{ kind: 'mov-from-cr', cr: 8, register: 5 }, proc1(PROC1.cr8Store), 'crAccess'],
    [{ kind: 'mov-to-cr', cr: 3, register: 5, value: 9n }, proc1(PROC1.cr3Load), 'crAccess'],
    [{ kind: 'mov-to-cr', cr: 8, register: 5, value: 9n }, proc1(PROC1.cr8Load), 'crAccess'],
    [{ kind: 'mov-dr', dr: 7, register: 2, direction: 'from' }, proc1(PROC1.movDr), 'drAccess'],
    [
      { kind: 'io', port: 0x80, bytes: 1, direction: 'out', string: false, rep: false, immediate: true, linear: 0n },
      proc1(PROC1.io),
      'ioInstruction',
    ],
  ];
  for (const [what, enable, name] of conditional)
    it(`${name} (${what.kind}) exits exactly when its control is 1`, () => {
      assert.equal(ask(running(), what), undefined);
      assert.equal(ask(running(enable), what)?.name, name);
    });

  it('record length, qualification and information; fields without meaning are 0', () => {
    const b = running(proc1(PROC1.invlpg));
    b.f.cpu.retired = 5;
    const exit = ask(b, { kind: 'invlpg', linear: 0xffff_8000_0000_1000n }, [0x0f, 0x01, 0x38])!;
    assert.equal(exit.instructionBytes, 3);
    assert.equal(field(b, 'EXIT_INSTR_LEN'), 3n);
    assert.equal(field(b, 'EXIT_REASON'), 14n);
    assert.equal(field(b, 'EXIT_QUALIFICATION'), 0xffff_8000_0000_1000n);
    assert.equal(field(b, 'EXIT_INTR_INFO'), 0n);
    assert.equal(field(b, 'IDT_VECTORING_INFO'), 0n);
    assert.equal(exit.payload['linear'], 0xffff_8000_0000_1000n);
  });

  it('RDTSCP and INVPCID are #UD where they are not enabled', () => {
    for (const [kind, bit, exiting] of [
      ['rdtscp', 1 << 3, PROC1.rdtsc],
      ['invpcid', 1 << 12, PROC1.invlpg],
    ] as const) {
      const off = running();
      const outcome = outcomeOf(() => off.f.cpu.intercepts.instruction({ kind }, decodeBytes(off.f.cpu, NOP)));
      assert.equal(outcome.kind === 'fault' && outcome.vector, 6);
      assert.equal(ask(running(proc2(bit)), { kind }), undefined);
      assert.equal(
        ask(
          running((b) => (proc2(bit)(b), proc1(exiting)(b))),
          { kind },
          [0x66, 0x0f, 0x38, 0x82, 0x08],
        )?.name,
        kind,
      );
    }
  });

  it('RDRAND and RDSEED tell their destination', () => {
    const exit = ask(running(proc2(1 << 11)), { kind: 'rdrand' }, [0x48, 0x0f, 0xc7, 0xf3])!; // rdrand rbx
    assert.equal(exit.name, 'rdrand');
    const b = running(proc2(1 << 16));
    ask(b, { kind: 'rdseed' }, [0x66, 0x0f, 0xc7, 0xf9]); // rdseed cx
    assert.equal(field(b, 'EXIT_INSTR_INFO'), BigInt(1 << 3));
  });

  describe('I/O', () => {
    const io = (port: number, bytes: 1 | 2 | 4 = 1, direction: 'in' | 'out' = 'out'): InterceptedInstruction => ({
      kind: 'io',
      port,
      bytes,
      direction,
      string: false,
      rep: false,
      immediate: false,
      linear: 0n,
    });
    const A = 0xc000;
    const B = 0xd000;
    const bitmaps = (b: Bench) => {
      proc1(PROC1.ioBitmaps | PROC1.io)(b); // with bitmaps the unconditional control is ignored
      b.set('IO_BITMAP_A', A);
      b.set('IO_BITMAP_B', B);
    };
    it('looks up every port touched, in both bitmaps', () => {
      const b = running(bitmaps);
      b.f.cpu.physical.write(A + 0x7f, 1, 1); // port 3F8h
      b.f.cpu.physical.write(A + 0xfff, 1, 0x80); // port 7FFFh
      b.f.cpu.physical.write(B, 1, 2); // port 8001h
      assert.equal(ask(b, io(0x3f7)), undefined);
      assert.equal(ask(b, io(0x3f9, 4)), undefined);
      assert.equal(ask(b, io(0x8000)), undefined);
      for (const [port, bytes] of [
        [0x3f8, 1],
        [0x3f7, 2],
        [0x3f5, 4],
        [0x7fff, 1],
        [0x8000, 2],
        [0xffff, 2], // wraps
        [0xfffd, 4],
      ] as const) {
        const again = running(bitmaps);
        again.f.cpu.physical.write(A + 0x7f, 1, 1);
        again.f.cpu.physical.write(A + 0xfff, 1, 0x80);
        again.f.cpu.physical.write(B, 1, 2);
        assert.equal(ask(again, io(port, bytes))?.name, 'ioInstruction', port.toString(16));
      }
    });
    it('encodes size, direction, port, and puts the value in the payload', () => {
      const b = running(proc1(PROC1.io));
      b.f.cpu.state.setGpr(0, 0x1122_3344_5566_7788n);
      const exit = ask(b, io(0x3f8, 2))!;
      assert.equal(exit.qualification, 0x03f8_0001n);
      assert.deepEqual(exit.payload, {
        reason: 30n,
        qualification: 0x03f8_0001n,
        port: 0x3f8n,
        size: 2n,
        direction: 0n,
        string: 0n,
        rep: 0n,
        value: 0x7788n,
      });
      assert.equal(describeExit(exit), 'I/O instruction: out to port 3F8h, 2 bytes');
    });
    it('tells address size and segment of OUTS, and the linear address', () => {
      const b = running(proc1(PROC1.io));
      const what = { ...io(0x60, 1), string: true, rep: true, linear: 0x7777n } as InterceptedInstruction;
      const exit = ask(b, what, [0xf3, 0x64, 0x6e])!; // rep fs outsb
      assert.equal(exit.qualification, 0x0060_0030n);
      assert.equal(field(b, 'EXIT_INSTR_INFO'), BigInt((2 << 7) | (4 << 15)));
      assert.equal(field(b, 'GUEST_LINEAR_ADDRESS'), 0x7777n);
      assert.equal(describeExit(exit), 'I/O instruction: out to port 60h, 1 byte, string with REP');
    });
  });

  it('MSR accesses follow the bitmap, and exit outside its two ranges', () => {
    const AT = 0xc000;
    const bitmap = (b: Bench) => (proc1(PROC1.msrBitmaps)(b), b.set('MSR_BITMAP', AT));
    const cases = [
      [0x1b, 'rdmsr', AT + 3, 1 << 3],
      [0xc000_0080, 'rdmsr', AT + 0x400 + 0x10, 1],
      [0x1b, 'wrmsr', AT + 0x800 + 3, 1 << 3],
      [0xc000_0080, 'wrmsr', AT + 0xc00 + 0x10, 1],
    ] as const;
    for (const [msr, kind, at, bit] of cases) {
      const clear = running(bitmap);
      clear.f.cpu.physical.write(at, 1, 0xff & ~bit);
      assert.equal(ask(clear, { kind, msr }), undefined);
      const marked = running(bitmap);
      marked.f.cpu.physical.write(at, 1, bit);
      marked.f.cpu.state.setGpr(1, BigInt(msr));
      assert.equal(ask(marked, { kind, msr })?.payload['msr'], BigInt(msr));
    }
    for (const msr of [0x2000, 0xbfff_ffff, 0xc000_2000])
      assert.notEqual(ask(running(bitmap), { kind: 'rdmsr', msr }), undefined);
    assert.notEqual(ask(running(), { kind: 'rdmsr', msr: 0x1b }), undefined, 'without bitmaps every access exits');
  });

  describe('control registers', () => {
    const masked = (b: Bench) => {
      b.set('CR0_GUEST_HOST_MASK', 0x8000_000f);
      b.set('CR0_READ_SHADOW', 0x8000_0009); // PG, TS, PE
      b.set('CR4_GUEST_HOST_MASK', 0x2000);
      b.set('CR4_READ_SHADOW', 0);
    };
    it('reads give the shadow in masked bits', () => {
      const b = running(masked);
      assert.equal(b.f.cpu.intercepts.readControlRegister(0), 0x8000_0039n);
      assert.equal(b.f.cpu.intercepts.readControlRegister(4), 0x20n);
    });
    it('MOV to CR0 and CR4 exits when a masked bit differs from the shadow', () => {
      const b = running(masked);
      assert.equal(ask(b, { kind: 'mov-to-cr', cr: 0, register: 0, value: 0x8005_0009n }), undefined);
      assert.equal(b.f.cpu.intercepts.writableControlRegister(0, 0x8005_0009n), 0x8005_0001n);
      assert.equal(ask(b, { kind: 'mov-to-cr', cr: 4, register: 0, value: 0x20n }), undefined);
      assert.equal(b.f.cpu.intercepts.writableControlRegister(4, 0x20n), 0x2020n);
      const exit = ask(b, { kind: 'mov-to-cr', cr: 4, register: 9, value: 0x2020n })!;
      assert.equal(exit.qualification, 0x904n);
      assert.equal(describeExit(exit), 'Control-register access: MOV to CR4 from R9 (2020h)');
    });
    it('MOV to CR3 passes the first target values', () => {
      const targets = (b: Bench) => {
        proc1(PROC1.cr3Load)(b);
        b.set('CR3_TARGET_COUNT', 2);
        b.set('CR3_TARGET_VALUE1', 0x9000);
        b.set('CR3_TARGET_VALUE2', 0xa000);
      };
      assert.equal(ask(running(targets), { kind: 'mov-to-cr', cr: 3, register: 0, value: 0x9000n }), undefined);
      const exit = ask(running(targets), { kind: 'mov-to-cr', cr: 3, register: 1, value: 0xa000n })!;
      assert.deepEqual([exit.payload['cr'], exit.payload['register'], exit.payload['value']], [3n, 1n, 0xa000n]);
    });
    it('CLTS exits only when the host owns TS and shows it set', () => {
      assert.equal(ask(running(masked), { kind: 'clts' })?.qualification, 0x20n);
      assert.equal(
        ask(
          running((b) => b.set('CR0_GUEST_HOST_MASK', 8)),
          { kind: 'clts' },
        ),
        undefined,
      );
    });
    it('LMSW exits when it would change a shown masked bit; it cannot clear PE', () => {
      const lmsw = (source: number) => ask(running(masked), { kind: 'lmsw', source, memory: false, linear: 0n });
      assert.equal(lmsw(8), undefined);
      assert.equal(lmsw(0xa)?.qualification, 0x000a_0030n);
      assert.equal(lmsw(0)?.qualification, 0x30n);
    });
  });

  it('descriptor-table instructions tell operand, identity and displacement', () => {
    const b = running(proc2(1 << 2));
    // lgdt [rbx + 8*r9 + 0x10]
    const exit = ask(b, { kind: 'descriptor-table', mnemonic: 'lgdt' }, [0x42, 0x0f, 0x01, 0x54, 0xcb, 0x10])!;
    assert.equal(exit.name, 'gdtrIdtr');
    assert.equal(exit.qualification, 0x10n);
    const information = 3 | (2 << 7) | (1 << 11) | (3 << 15) | (9 << 18) | (3 << 23) | (2 << 28);
    assert.equal(field(b, 'EXIT_INSTR_INFO'), BigInt(information));
    const ltr = running(proc2(1 << 2));
    ask(ltr, { kind: 'descriptor-table', mnemonic: 'ltr' }, [0x0f, 0x00, 0xde]); // ltr si
    assert.equal(field(ltr, 'EXIT_INSTR_INFO'), BigInt((3 << 28) | (1 << 10) | (6 << 3)));
    assert.equal(field(ltr, 'EXIT_REASON'), 47n);
  });

  it('VMX instructions tell operands; RIP-relative displacements are addresses', () => {
    const b = running();
    // vmptrld [rip + 0x100]
    const exit = ask(b, { kind: 'vmx', mnemonic: 'vmptrld' }, [0x0f, 0xc7, 0x35, 0, 1, 0, 0])!;
    assert.equal(exit.qualification, GUEST_RIP + 7n + 0x100n);
    assert.equal(field(b, 'EXIT_INSTR_INFO'), BigInt((2 << 7) | (3 << 15) | (1 << 22) | (1 << 27)));
    const read = running();
    ask(read, { kind: 'vmx', mnemonic: 'vmread' }, BYTES.vmread); // vmread rcx, rbx
    assert.equal(field(read, 'EXIT_INSTR_INFO'), BigInt((1 << 10) | (1 << 3)) | (3n << 28n));
    const write = running();
    ask(write, { kind: 'vmx', mnemonic: 'vmwrite' }, [0x0f, 0x79, 0x58, 0xf8]); // vmwrite rbx, [rax - 8]
    assert.equal(field(write, 'EXIT_QUALIFICATION'), 0xffff_ffff_ffff_fff8n);
    assert.equal(field(write, 'EXIT_INSTR_INFO') >> 28n, 3n);
  });

  it('task switches give selector and source', () => {
    const b = running();
    const exit = ask(b, { kind: 'task-switch', selector: 0x28, source: 'jmp' }, [0xff, 0x28])!;
    assert.equal(exit.qualification, 0x8000_0028n);
    assert.equal(exit.instructionBytes, 2);
    const gated = running();
    assert.equal(outcomeOf(() => gated.f.cpu.intercepts.taskGate(0x28)).kind, 'exit');
    assert.equal(gated.f.exits.at(-1)!.exit.qualification, 0xc000_0028n);
    assert.equal(gated.f.exits.at(-1)!.exit.instructionBytes, 0);
  });
});

describe('VM exits of events', () => {
  const exception = (vector: number, extra: Partial<DeliveredEvent> = {}): DeliveredEvent => ({
    vector,
    type: 'hardware-exception',
    errorCode: undefined,
    instructionBytes: 0,
    ...extra,
  });
  const raised = (b: Bench, event: DeliveredEvent): VmExit | undefined => {
    const outcome = outcomeOf(() => b.f.cpu.intercepts.exception(event));
    return outcome.kind === 'exit' ? b.f.exits.at(-1)!.exit : undefined;
  };

  it('the exception bitmap decides, INT n and external interrupts never ask it', () => {
    const bitmap = (b: Bench) => b.set('EXCEPTION_BITMAP', (1 << 13) | (1 << 3));
    assert.equal(raised(running(bitmap), exception(6)), undefined);
    const exit = raised(running(bitmap), exception(13, { errorCode: 0x18 }))!;
    assert.equal(exit.interruptionInformation, 0x8000_0b0d);
    assert.equal(exit.interruptionErrorCode, 0x18);
    assert.deepEqual([exit.payload['vector'], exit.payload['errorCode']], [13n, 0x18n]);
    for (const type of ['software-interrupt', 'external'] as const)
      assert.equal(raised(running(bitmap), exception(13, { type })), undefined);
    const int3 = raised(running(bitmap), exception(3, { type: 'software-exception', instructionBytes: 1 }))!;
    assert.equal(int3.interruptionInformation, 0x8000_0603);
    assert.equal(int3.instructionBytes, 1);
  });

  it('page faults are filtered by mask and match, either way round', () => {
    const fault = exception(14, { errorCode: 5, linear: 0x4_2000n });
    const filter = (bitmap: number, mask: number, match: number) => (b: Bench) => {
      b.set('EXCEPTION_BITMAP', bitmap);
      b.set('PFEC_MASK', mask);
      b.set('PFEC_MATCH', match);
    };
    const bit = 1 << 14;
    assert.notEqual(raised(running(filter(bit, 0, 0)), fault), undefined);
    assert.equal(raised(running(filter(bit, 1, 0)), fault), undefined);
    assert.notEqual(raised(running(filter(0, 1, 0)), fault), undefined);
    assert.equal(raised(running(filter(0, 4, 4)), fault), undefined);
    const b = running(filter(bit, 4, 4));
    const exit = raised(b, fault)!;
    assert.equal(exit.qualification, 0x4_2000n);
    assert.notEqual(field(b, 'GUEST_RFLAGS') & 0x1_0000n, 0n, 'a fault saves RF set');
    assert.equal(describeExit(exit), 'Exception or NMI: #PF at 42000h, error code 5h');
  });

  it('#DB reports its conditions in the qualification', () => {
    const b = running((bench) => bench.set('EXCEPTION_BITMAP', 2));
    b.f.cpu.state.set64(LAYOUT.pendingDebug, 0x4000n);
    assert.equal(raised(b, exception(1))?.qualification, 0x4000n);
    assert.equal(field(b, 'GUEST_PENDING_DEBUG'), 0n);
  });

  it('a fault during delivery leaves the first event in the IDT-vectoring information', () => {
    const b = running((bench) => bench.set('EXCEPTION_BITMAP', 1 << 14));
    b.f.cpu.intercepts.vectoring(exception(0x80, { type: 'software-interrupt', instructionBytes: 2 }));
    const exit = raised(b, exception(14, { errorCode: 2, linear: 0x1000n }))!;
    assert.equal(exit.idtVectoringInformation, 0x8000_0480);
    assert.equal(field(b, 'IDT_VECTORING_INFO'), 0x8000_0480n);
    assert.equal(exit.instructionBytes, 2);
    assert.equal(b.f.vmx.vmresume(), 'entered');
    assert.equal(ask(b, { kind: 'cpuid' })?.idtVectoringInformation, 0, 'the next exit has none');
  });

  it('external interrupts exit with or without the vector', () => {
    const plain = running((b) => b.or('PIN_CONTROLS', 1));
    assert.equal(plain.f.cpu.intercepts.externalInterruptsExit(), true);
    assert.equal(
      outcomeOf(() => plain.f.cpu.intercepts.externalInterrupt(() => assert.fail('acknowledged'))).kind,
      'exit',
    );
    assert.equal(field(plain, 'EXIT_INTR_INFO'), 0n);
    const acknowledged = running((b) => (b.or('PIN_CONTROLS', 1), b.or('EXIT1_CONTROLS', 1 << 15)));
    assert.equal(outcomeOf(() => acknowledged.f.cpu.intercepts.externalInterrupt(() => 0x31)).kind, 'exit');
    assert.equal(field(acknowledged, 'EXIT_INTR_INFO'), 0x8000_0031n);
    assert.equal(acknowledged.f.exits[0]!.exit.payload['vector'], 0x31n);
    assert.equal(running().f.cpu.intercepts.externalInterruptsExit(), false);
  });

  it('the interrupt window opens with IF and without blocking', () => {
    const start = () => running((b) => (proc1(PROC1.interruptWindow)(b), b.set('GUEST_RFLAGS', 0x202)));
    const b = start();
    assert.equal(b.f.cpu.intercepts.wantsBoundary(), true);
    b.f.cpu.state.set32(LAYOUT.interruptibility, 1);
    b.f.cpu.intercepts.boundary();
    b.f.cpu.state.set32(LAYOUT.interruptibility, 0);
    b.f.cpu.state.rflags = 2;
    b.f.cpu.intercepts.boundary();
    b.f.cpu.state.rflags = 0x202;
    b.f.cpu.state.set32(LAYOUT.activity, 1);
    assert.equal(outcomeOf(() => b.f.cpu.intercepts.boundary()).kind, 'exit');
    assert.equal(field(b, 'EXIT_REASON'), 7n);
    assert.equal(field(b, 'GUEST_ACTIVITY'), 1n, 'the activity state before the exit');
    assert.equal(running().f.cpu.intercepts.wantsBoundary(), false);
  });

  it('the monitor trap flag exits after one instruction', () => {
    const b = running(proc1(PROC1.mtf));
    const { cpu } = b.f;
    cpu.intercepts.boundary();
    cpu.state.rip += 1n;
    cpu.retired++;
    assert.equal(outcomeOf(() => cpu.intercepts.boundary()).kind, 'exit');
    assert.equal(field(b, 'EXIT_REASON'), 37n);
    const jump = running(proc1(PROC1.mtf));
    jump.f.cpu.intercepts.boundary();
    jump.f.cpu.retired++; // jmp $
    assert.equal(outcomeOf(() => jump.f.cpu.intercepts.boundary()).kind, 'exit');
  });

  it('the preemption timer counts TSC steps and is saved when asked for', () => {
    const start = () =>
      running((b) => {
        b.or('PIN_CONTROLS', 1 << 6);
        b.or('EXIT1_CONTROLS', 1 << 22);
        b.set('PREEMPTION_TIMER_VALUE', 10);
      });
    const b = start();
    const { cpu } = b.f;
    cpu.retired += 4; // 64 TSC ticks each, 32 per timer step
    cpu.intercepts.boundary();
    cpu.retired += 1;
    assert.equal(outcomeOf(() => cpu.intercepts.boundary()).kind, 'exit');
    assert.equal(field(b, 'EXIT_REASON'), 52n);
    assert.equal(field(b, 'PREEMPTION_TIMER_VALUE'), 0n);
    const early = start();
    early.f.cpu.retired += 2;
    ask(early, { kind: 'cpuid' });
    assert.equal(field(early, 'PREEMPTION_TIMER_VALUE'), 6n);
  });

  it('EPT violations and misconfigurations carry addresses and rights', () => {
    const b = running(() => {}, real);
    const access = { read: false, write: true, execute: false };
    assert.equal(
      outcomeOf(() =>
        b.f.cpu.intercepts.eptFault({
          kind: 'violation',
          guestPhysical: 0x20_0000,
          linear: 0x20_0000n,
          access,
          permissions: 0,
          duringWalk: false,
        }),
      ).kind,
      'exit',
    );
    const { exit } = b.f.exits[0]!;
    assert.equal(exit.qualification, 0x182n);
    assert.equal(field(b, 'GUEST_PHYSICAL_ADDRESS'), 0x20_0000n);
    assert.equal(field(b, 'GUEST_LINEAR_ADDRESS'), 0x20_0000n);
    assert.deepEqual([exit.payload['gpa'], exit.payload['write'], exit.payload['read']], [0x20_0000n, 1n, 0n]);
    assert.equal(describeExit(exit), 'EPT violation: write to GPA 200000h: not present (R=0 W=0 X=0), linear 200000h');
    assert.notEqual(field(b, 'GUEST_RFLAGS') & 0x1_0000n, 0n);

    const walk = running(() => {}, real);
    outcomeOf(() =>
      walk.f.cpu.intercepts.eptFault({
        kind: 'violation',
        guestPhysical: 0x5000,
        linear: 0x1234n,
        access: { read: true, write: true, execute: false },
        permissions: 1,
        duringWalk: true,
      }),
    );
    assert.equal(walk.f.exits[0]!.exit.qualification, 0x8bn);

    const bad = running(() => {}, real);
    outcomeOf(() =>
      bad.f.cpu.intercepts.eptFault({
        kind: 'misconfiguration',
        guestPhysical: 0xf_f000_0000,
        linear: undefined,
        access,
        permissions: 0,
        duringWalk: false,
      }),
    );
    assert.equal(field(bad, 'EXIT_REASON'), 49n);
    assert.equal(field(bad, 'EXIT_QUALIFICATION'), 0n);
    assert.equal(field(bad, 'GUEST_PHYSICAL_ADDRESS'), 0xf_f000_0000n);
  });

  it('a triple fault exits', () => {
    const b = running();
    assert.equal(outcomeOf(() => b.f.cpu.intercepts.tripleFault()).kind, 'exit');
    assert.equal(field(b, 'EXIT_REASON'), 2n);
  });
});
