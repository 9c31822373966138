import assert from 'node:assert/strict';
import { CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { AC, IF, IOPL, NT, OF, RF, TF, VM, ZF } from '../../debug-adapter/engine/cpu/flags.ts';
import { BR, GP, NP, SS_FAULT, UD } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { CODE, descriptor, gate, SEL, STACK, TestMachine, TSS } from './harness.ts';

const vectorOf = (result: ReturnType<TestMachine['execute']>) =>
  result.kind === 'fault' ? [result.vector, result.error] : result.kind;

describe('far transfers', () => {
  it('real mode: JMP, CALL and RETF', () => {
    const machine = new TestMachine();
    machine.state.setSegment('CS', { selector: 0x700, base: 0x7000n, limit: 0xffff, accessRights: 0x93 });
    machine.state.rip = 0x10n;
    machine.rsp = 0x2000;
    machine.execute('9a 34 12 00 08'); // call 0800h:1234h
    assert.deepEqual([machine.state.segmentBase('CS'), machine.state.rip], [0x8000n, 0x1234n]);
    assert.deepEqual(machine.stack(2, 2), [0x15n, 0x700n]);
    machine.execute('ca 06 00'); // retf 6
    assert.deepEqual([machine.state.selector('CS'), machine.state.rip, machine.rsp], [0x700, 0x15n, 0x2006n]);
    machine.execute('ea 00 01 00 10');
    assert.deepEqual([machine.state.segmentBase('CS'), machine.state.rip], [0x10000n, 0x100n]);
  });

  /** name, descriptor at SEL.free, RPL, CPL, result of jmp SEL.free:1000h */
  const jumps: readonly [string, bigint, number, 0 | 3, 'done' | readonly [number, number]][] = [
    ['nonconforming, same level', descriptor(0, 0xffff, 0x9b, 4), 0, 0, 'done'],
    ['nonconforming, RPL above CPL', descriptor(0, 0xffff, 0x9b, 4), 3, 0, [GP, 0x48]],
    ['nonconforming, DPL 0 from CPL 3', descriptor(0, 0xffff, 0x9b, 4), 3, 3, [GP, 0x48]],
    ['conforming, DPL 0 from CPL 3', descriptor(0, 0xffff, 0x9f, 4), 3, 3, 'done'],
    ['conforming, DPL 3 from CPL 0', descriptor(0, 0xffff, 0xff, 4), 0, 0, [GP, 0x48]],
    ['data', descriptor(0, 0xffff, 0x93, 4), 0, 0, [GP, 0x48]],
    ['not present', descriptor(0, 0xffff, 0x1b, 4), 0, 0, [NP, 0x48]],
    ['beyond its limit', descriptor(0, 0xfff, 0x9b, 4), 0, 0, [GP, 0]],
  ];
  for (const [name, value, rpl, cpl, expected] of jumps)
    it(`protected mode JMP: ${name}`, () => {
      const machine = new TestMachine().protectedMode(cpl);
      machine.gdt(SEL.free, value);
      const result = machine.execute(`ea 00 10 00 00 ${(SEL.free | rpl).toString(16)} 00`);
      assert.deepEqual(vectorOf(result), expected);
      if (expected === 'done')
        assert.deepEqual(
          [machine.state.selector('CS'), machine.state.rip, machine.state.cpl],
          [SEL.free | cpl, 0x1000n, cpl],
        );
      else assert.deepEqual([machine.state.rip, machine.state.cpl], [BigInt(CODE), cpl]);
    });

  it('CALL through a 32-bit call gate to CPL 0 copies parameters, RETF goes back', () => {
    const machine = new TestMachine().protectedMode(3);
    machine.gdt(SEL.free, gate(SEL.code0, 0x1234_5678, 0xec) | (2n << 32n));
    machine.rsp = 0x7000;
    machine.write(0x7000, 0x1111, 4);
    machine.write(0x7004, 0x2222, 4);
    assert.equal(machine.execute('9a 00 00 00 00 48 00').kind, 'done');
    assert.deepEqual(
      [machine.state.cpl, machine.state.rip, machine.state.selector('CS'), machine.state.selector('SS')],
      [0, 0x1234_5678n, SEL.code0, SEL.data0],
    );
    assert.deepEqual(machine.stack(6, 4), [
      BigInt(CODE + 7),
      BigInt(SEL.code3),
      0x1111n,
      0x2222n,
      0x7000n,
      BigInt(SEL.data3),
    ]);
    assert.equal(machine.rsp, 0x9000n - 24n);
    assert.equal(machine.execute('ca 08 00').kind, 'done');
    assert.deepEqual([machine.state.cpl, machine.state.rip, machine.rsp], [3, BigInt(CODE + 7), 0x7008n]);
  });

  it('CALL through a 64-bit call gate uses RSP0 and a null SS', () => {
    const machine = new TestMachine().longMode(3);
    machine.gdt(SEL.free, gate(SEL.code64, 0x1234_5678, 0xec));
    machine.gdt(SEL.free + 8, 0xffff_8000n);
    machine.write(0x4000, 0, 4);
    machine.write(0x4004, SEL.free, 2);
    assert.equal(machine.execute('ff 1c 25 00 40 00 00').kind, 'done');
    assert.deepEqual(
      [machine.state.cpl, machine.state.rip, machine.state.selector('SS')],
      [0, 0xffff_8000_1234_5678n, 0],
    );
    assert.deepEqual(machine.stack(4, 8), [BigInt(CODE + 7), BigInt(SEL.code64User), BigInt(STACK), BigInt(SEL.data3)]);
  });

  it('a JMP through a gate may not change privilege; a TSS exits', () => {
    const machine = new TestMachine().protectedMode(3);
    machine.gdt(SEL.free, gate(SEL.code0, 0x1000, 0xec));
    assert.deepEqual(vectorOf(machine.execute('ea 00 00 00 00 48 00')), [GP, SEL.code0]);
    machine.gdt(SEL.free, descriptor(TSS, 0x67, 0xe9, 0));
    machine.state.set32(LAYOUT.vmxMode, 2);
    machine.intercepts.exitOn.add('task-switch');
    assert.equal(machine.execute('ea 00 00 00 00 48 00').kind, 'exit');
  });
});

describe('fast system calls', () => {
  it('SYSCALL and SYSRET', () => {
    const machine = new TestMachine().longMode(3);
    const { state } = machine;
    state.set64(LAYOUT.star, (0x0010n << 48n) | (0x28n << 32n));
    state.set64(LAYOUT.lstar, 0xffff_8000_0000_1000n);
    state.set64(LAYOUT.fmask, BigInt(IF | TF));
    state.rflags = IF | 2 | ZF;
    assert.equal(machine.execute('0f 05').kind, 'done');
    assert.deepEqual(
      [state.cpl, state.rip, state.gpr(1), state.gpr(11)],
      [0, 0xffff_8000_0000_1000n, BigInt(CODE + 2), BigInt(IF | 2 | ZF)],
    );
    assert.deepEqual([state.selector('CS'), state.selector('SS'), state.rflags], [0x28, 0x30, 2 | ZF]);
    assert.equal(machine.execute('48 0f 07').kind, 'done');
    assert.deepEqual(
      [state.cpl, state.rip, state.selector('CS'), state.selector('SS'), state.rflags],
      [3, BigInt(CODE + 2), 0x23, 0x1b, IF | 2 | ZF],
    );
    state.set64(LAYOUT.efer, state.get64(LAYOUT.efer) & ~BigInt(EFER.SCE));
    assert.deepEqual(vectorOf(machine.execute('0f 05')), [UD, undefined]);
  });

  it('SYSENTER and SYSEXIT', () => {
    const machine = new TestMachine().protectedMode(3);
    const { state } = machine;
    assert.deepEqual(vectorOf(machine.execute('0f 34')), [GP, 0]);
    state.set64(LAYOUT.sysenterCs, 8n);
    state.set64(LAYOUT.sysenterEip, 0x1000n);
    state.set64(LAYOUT.sysenterEsp, 0x2000n);
    assert.equal(machine.execute('0f 34').kind, 'done');
    assert.deepEqual([state.cpl, state.rip, machine.rsp, state.selector('CS')], [0, 0x1000n, 0x2000n, 8]);
    state.setGpr(2, 0x5000n);
    state.setGpr(1, 0x6000n);
    assert.equal(machine.execute('0f 35').kind, 'done');
    assert.deepEqual(
      [state.cpl, state.rip, machine.rsp, state.selector('CS'), state.selector('SS')],
      [3, 0x5000n, 0x6000n, 0x1b, 0x23],
    );
  });
});

describe('flags', () => {
  it('POPF at CPL 3 silently keeps IF and IOPL', () => {
    const machine = new TestMachine().protectedMode(3);
    machine.state.rflags = IF | 2;
    machine.write(STACK, IOPL | NT | AC | 0x42, 4);
    machine.execute('9d');
    assert.equal(machine.state.rflags, IF | NT | AC | 0x42);
    assert.deepEqual(vectorOf(machine.execute('fa')), [GP, 0]);
  });
  it('16-bit POPF leaves the upper half, PUSHF hides RF and VM', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.rflags = AC | RF | 2;
    machine.write(STACK, 0x3002, 2);
    machine.execute('66 9d');
    assert.equal(machine.state.rflags, AC | IOPL | 2);
    machine.state.rflags = AC | RF | 2;
    machine.execute('9c');
    assert.equal(machine.stack(1, 4)[0], BigInt(AC | 2));
  });
  it('virtual-8086 mode with IOPL below 3 refuses INT n, PUSHF, POPF, IRET, CLI', () => {
    const machine = new TestMachine().protectedMode(3);
    machine.state.rflags = VM | 2;
    machine.state.setSegment('CS', { selector: 0, base: 0n, limit: 0xffff, accessRights: 0xf3 });
    machine.cpu.modeChanged();
    for (const bytes of ['cd 21', '9c', '9d', 'cf', 'fa'])
      assert.deepEqual(vectorOf(machine.execute(bytes)), [GP, 0], bytes);
    machine.state.rflags = VM | IOPL | 2;
    assert.equal(machine.execute('fa').kind, 'done');
  });
  it('INTO acts on OF only', () => {
    const machine = new TestMachine().protectedMode();
    machine.execute('ce');
    assert.equal(machine.state.rip, BigInt(CODE + 1));
    machine.write(0x2000 + 4 * 8, gate(SEL.code0, 0x5000, 0x8f));
    machine.state.rflags = OF | 2;
    machine.execute('ce');
    assert.equal(machine.state.rip, 0x5000n);
  });
});

describe('I/O', () => {
  it('IN and OUT of each size, immediate and DX', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setGpr(0, 0x1122_3344n);
    machine.state.setGpr(2, 0x3f8n);
    for (const bytes of ['e6 80', '66 e7 80', 'e7 80', 'ee', '66 ef', 'ef']) machine.execute(bytes);
    assert.deepEqual(machine.portLog, [
      'out 80 1 44',
      'out 80 2 3344',
      'out 80 4 11223344',
      'out 3f8 1 44',
      'out 3f8 2 3344',
      'out 3f8 4 11223344',
    ]);
    machine.portInput.push(0xffff_fffe, 0xab);
    machine.execute('ed');
    assert.equal(machine.state.gpr(0), 0xffff_fffen);
    machine.execute('ec');
    assert.equal(machine.state.gpr(0), 0xffff_ffabn);
  });

  it('asks the TSS bitmap above IOPL', () => {
    const machine = new TestMachine().protectedMode(3);
    machine.write(TSS + 102, 0x68, 2);
    machine.write(TSS + 0x68 + 0x2067, 0xff, 1);
    machine.write(TSS + 0x68 + (0x80 >> 3), 0b0000_0100, 1); // port 82h denied
    assert.equal(machine.execute('e6 80').kind, 'done');
    assert.deepEqual(vectorOf(machine.execute('e6 82')), [GP, 0]);
    assert.deepEqual(vectorOf(machine.execute('e7 80')), [GP, 0], 'a double word at 80h touches 82h');
    assert.equal(machine.execute('66 e7 80').kind, 'done');
    machine.state.setSegment('TR', { ...machine.state.segment('TR'), limit: 0x78 });
    assert.deepEqual(vectorOf(machine.execute('e6 88')), [GP, 0], 'beyond the TSS limit');
    machine.state.rflags = IOPL | 2;
    assert.equal(machine.execute('e6 82').kind, 'done');
  });

  it('REP OUTS and INS commit each iteration', () => {
    const machine = new TestMachine().protectedMode();
    const { state } = machine;
    machine.write(0x4000, 0x0403_0201, 4);
    state.setGpr(1, 3n);
    state.setGpr(2, 0xe9n);
    state.setGpr(6, 0x4000n);
    state.set32(LAYOUT.attention, 0);
    machine.execute('f3 6e');
    assert.deepEqual(machine.portLog, ['out e9 1 1', 'out e9 1 2', 'out e9 1 3']);
    assert.deepEqual([state.gpr(1), state.gpr(6), state.rip], [0n, 0x4003n, BigInt(CODE + 2)]);
    // INS runs into the end of ES after two bytes.
    state.setSegment('ES', { selector: SEL.data0, base: 0n, limit: 0x5001, accessRights: 0x4093 });
    state.setGpr(1, 5n);
    state.setGpr(7, 0x5000n);
    machine.portInput.push(0x11, 0x22, 0x33);
    assert.deepEqual(vectorOf(machine.execute('f3 6c')), [GP, 0]);
    assert.deepEqual(
      [state.gpr(1), state.gpr(7), machine.read(0x5000, 2), machine.portInput.length],
      [3n, 0x5002n, 0x2211n, 1],
    );
  });

  it('stops between iterations when attention is asked for', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setGpr(1, 3n);
    machine.state.setGpr(6, 0x4000n);
    machine.state.set32(LAYOUT.attention, 1);
    machine.execute('f3 6e');
    assert.deepEqual([machine.state.gpr(1), machine.state.rip], [2n, BigInt(CODE)]);
  });
});

describe('the rest', () => {
  it('CMPXCHG8B and CMPXCHG16B', () => {
    const machine = new TestMachine().longMode();
    const { state } = machine;
    machine.write(0x4000, 0x2222_1111_4444_3333n);
    machine.write(0x4008, 5n);
    state.setGpr(7, 0x4000n);
    machine.execute('0f c7 0f'); // cmpxchg8b [rdi]
    assert.deepEqual([state.gpr(0), state.gpr(2), state.rflags & ZF], [0x4444_3333n, 0x2222_1111n, 0]);
    state.setGpr(3, 0xbn);
    state.setGpr(1, 0xcn);
    machine.execute('0f c7 0f');
    assert.deepEqual([machine.read(0x4000), state.rflags & ZF], [0xc_0000_000bn, ZF]);
    state.setGpr(0, 0xc_0000_000bn);
    state.setGpr(2, 5n);
    machine.execute('48 0f c7 0f');
    assert.deepEqual([machine.read(0x4000), machine.read(0x4008), state.rflags & ZF], [0xbn, 0xcn, ZF]);
    state.setGpr(7, 0x4008n);
    assert.deepEqual(vectorOf(machine.execute('48 0f c7 0f')), [GP, 0]);
  });

  it('ENTER copies the frame pointers of outer levels', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setGpr(5, 0x6000n);
    machine.write(0x5ffc, 0x1111, 4);
    machine.write(0x5ff8, 0x2222, 4);
    machine.execute('c8 10 00 03'); // enter 16, 3
    assert.deepEqual([machine.state.gpr(5), machine.rsp], [BigInt(STACK - 4), BigInt(STACK - 16 - 16)]);
    machine.rsp = STACK - 16;
    assert.deepEqual(machine.stack(4, 4), [BigInt(STACK - 4), 0x2222n, 0x1111n, 0x6000n]);
  });

  it('ENTER without room for its frame changes nothing', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setSegment('SS', { selector: SEL.data0, base: 0n, limit: STACK - 1, accessRights: 0x4093 });
    machine.rsp = 8;
    machine.state.setGpr(5, 0x6000n);
    assert.deepEqual(vectorOf(machine.execute('c8 10 00 00')), [SS_FAULT, 0]);
    assert.deepEqual([machine.rsp, machine.state.gpr(5)], [8n, 0x6000n]);
  });

  it('BOUND, XLAT, POP to memory at the new stack top', () => {
    const machine = new TestMachine().protectedMode();
    machine.write(0x4000, -5 >>> 0, 4);
    machine.write(0x4004, 5, 4);
    machine.state.setGpr(0, 0xffff_fffbn);
    assert.equal(machine.execute('62 05 00 40 00 00').kind, 'done');
    machine.state.setGpr(0, 6n);
    assert.deepEqual(vectorOf(machine.execute('62 05 00 40 00 00')), [BR, undefined]);
    machine.state.setGpr(3, 0x4000n);
    machine.state.setGpr(0, 0x1204n);
    machine.execute('d7');
    assert.equal(machine.state.gpr(0), 0x1205n);
    machine.write(STACK, 0xabcd, 4);
    machine.execute('8f 04 24'); // pop [esp]
    assert.deepEqual([machine.rsp, machine.read(STACK + 4, 4)], [BigInt(STACK + 4), 0xabcdn]);
  });

  it('LSS loads both parts', () => {
    const machine = new TestMachine().protectedMode();
    machine.write(0x4000, 0x7000, 4);
    machine.write(0x4004, SEL.data0, 2);
    machine.execute('0f b2 25 00 40 00 00');
    assert.deepEqual([machine.rsp, machine.state.selector('SS')], [0x7000n, SEL.data0]);
  });

  it('PUSH of a segment register writes the low half of a 32-bit slot only', () => {
    const machine = new TestMachine().protectedMode();
    machine.write(STACK - 4, 0xffff_ffff, 4);
    machine.execute('1e');
    assert.deepEqual([machine.rsp, machine.stack(1, 4)[0]], [BigInt(STACK - 4), 0xffff_0000n | BigInt(SEL.data0)]);
  });

  it('FS and GS base instructions need CR4.FSGSBASE', () => {
    const machine = new TestMachine().longMode(3);
    machine.state.setGpr(0, 0x1234n);
    assert.deepEqual(vectorOf(machine.execute('f3 48 0f ae d0')), [UD, undefined]); // wrfsbase rax
    machine.state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.FSGSBASE));
    machine.execute('f3 48 0f ae d0');
    machine.execute('f3 48 0f ae c3'); // rdfsbase rbx
    assert.equal(machine.state.gpr(3), 0x1234n);
    machine.state.setGpr(0, 0x8000_0000_0000n);
    assert.deepEqual(vectorOf(machine.execute('f3 48 0f ae d0')), [GP, 0]);
  });

  it('undefined opcodes and instructions that CPUID does not advertise', () => {
    const machine = new TestMachine().longMode();
    for (const bytes of ['0f 0b', '0f b9 c0', '0f ff c0', '0f aa', '0f 01 d0', '0f 37'])
      assert.deepEqual(vectorOf(machine.execute(bytes)), [UD, undefined], bytes);
  });

  it('INVPCID checks its type and descriptor', () => {
    const machine = new TestMachine().longMode();
    machine.state.setGpr(7, 0x4000n);
    const run = (type: bigint): unknown => {
      machine.state.setGpr(0, type);
      return vectorOf(machine.execute('66 0f 38 82 07')); // invpcid rax, [rdi]
    };
    assert.equal(run(2n), 'done');
    assert.deepEqual(run(4n), [GP, 0]);
    machine.write(0x4000, 1n);
    assert.deepEqual(run(0n), [GP, 0]);
    machine.state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.PCIDE));
    assert.equal(run(0n), 'done');
    machine.write(0x4000, 1n << 12n);
    assert.deepEqual(run(2n), [GP, 0]);
  });
});
