/** Last-branch records, traps on branches, and single steps over SYSCALL and SYSRET. */
import assert from 'node:assert/strict';
import { chooseFeatures } from '../../debug-adapter/engine/cpu/features.ts';
import { gate, IDT, SEL, TestMachine } from './harness.ts';
import { budget, runToStop, startCode, stopsFor, type Guest } from '../machine/guest.ts';
import { withDebugHandler } from './debug-handler.ts';

const SET_DEBUGCTL = (value: string): string => `mov ecx, 1D9h\n xor edx, edx\n mov eax, ${value}\n wrmsr`;
const END = 'mov al, 0\n out 0F4h, al';

/** Ends the program with TOS and the sixteen pairs at `records`. */
const STORE_RECORDS = `
        ${SET_DEBUGCTL('0')}
        mov ecx, 1C9h
        rdmsr
        mov [records], eax
        mov ebx, records + 8
        mov ecx, 680h
store:  rdmsr
        mov [rbx], eax
        mov [rbx + 4], edx
        add ebx, 8
        inc ecx
        cmp ecx, 690h
        je second
        cmp ecx, 6D0h
        jne store
        ${END}
second: mov ecx, 6C0h
        jmp store
        align 8
records: times 33 dq 0`;

/** A branch of each kind, with labels where they come from and lead. */
const BRANCHES = `
        xor eax, eax
j1:     jz a1
        nop
a1:     jnz a1
c1:     call f1
r1:     lea rax, [rel b1]
j2:     jmp rax
        nop
b1:     mov ecx, 2
l1:     loop l1
i1:     int 20h
s1:     jmp e1
f1:     ret
h1:     iretq
        align 16
idt:    times 20h dq 0, 0
        dw h1, 8, 8E00h, 0, 0, 0, 0, 0
idtr:   dw 20Fh
        dq idt
e1:     nop`;

const recording = (select: string): Guest =>
  startCode(
    64,
    `lidt [rel idtr]
        mov ecx, 1C8h
        xor edx, edx
        mov eax, ${select}
        wrmsr
        ${SET_DEBUGCTL('1')}${BRANCHES}${STORE_RECORDS}`,
  );

/** The records that the program leaves, oldest first, by the labels of their addresses. */
function recordsOf(guest: Guest): string[] {
  const { machine, label, program } = guest;
  assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 1 });
  const bytes = Buffer.from(machine.inspect.readMemory('linear', label('records'), 33 * 8, 0));
  const quad = (index: number): bigint => bytes.readBigUInt64LE(8 * index);
  const name = (address: bigint): string =>
    program.symbols.find((symbol) => symbol.address === address)?.name ?? address.toString(16);
  const top = Number(quad(0));
  return Array.from({ length: 16 }, (_, i) => (top + 1 + i) % 16)
    .filter((index) => quad(1 + index) !== 0n)
    .map((index) => `${name(quad(1 + index))} ${name(quad(17 + index))}`);
}

const ALL = ['j1 a1', 'c1 f1', 'f1 r1', 'j2 b1', 'l1 l1', 'i1 h1', 'h1 s1', 's1 e1'];

describe('last-branch records', () => {
  it('keep each taken branch and each interrupt', () => {
    assert.deepEqual(recordsOf(recording('0')), ALL);
  });

  for (const [select, left] of [
    ['1', ALL],
    ['2', []],
    ['4', ['j1 a1', 'l1 l1']],
    ['8', ['c1 f1']],
    ['20h', ['f1 r1']],
    ['40h', ['j2 b1']],
    ['80h', ['s1 e1']],
    ['100h', ['i1 h1', 'h1 s1']],
  ] as const)
    it(`leave out what MSR_LBR_SELECT = ${select} names`, () => {
      assert.deepEqual(
        recordsOf(recording(select)),
        ALL.filter((record) => !(left as readonly string[]).includes(record)),
      );
    });

  it('run in a ring of sixteen', () => {
    const guest = startCode(
      64,
      `${SET_DEBUGCTL('1')}\n mov ecx, 40\nl1: loop l1\nj1: jmp e1\n nop\ne1: nop${STORE_RECORDS}`,
    );
    assert.deepEqual(recordsOf(guest), [...Array<string>(15).fill('l1 l1'), 'j1 e1']);
  });

  it('cost nothing while they are off', () => {
    const crossings = (debugctl: string): number => {
      const { machine } = startCode(64, `${SET_DEBUGCTL(debugctl)}\nagain: inc ebx\n jmp again`);
      machine.run(budget(10_000));
      return machine.crossings;
    };
    assert.ok(crossings('0') < 100, `${crossings('0')} crossings`);
    assert.ok(crossings('1') > 1000);
  });

  it('do not exist without PDCM', () => {
    const chosen = chooseFeatures({ preset: 'baseline' });
    assert.ok('features' in chosen && !chosen.features.has('PDCM'));
  });
});

/** Where the first debug trap comes, by the RIP it pushes. */
function trapAt(source: string): { readonly rip: bigint; readonly guest: Guest } {
  const guest = startCode(64, withDebugHandler(source));
  guest.machine.setStopConditions(stopsFor({ breakpoints: new Set([guest.label('handler')]) }));
  assert.equal(guest.machine.run(budget(200)).kind, 'breakpoint');
  const { inspect } = guest.machine;
  return {
    rip: Buffer.from(inspect.readMemory('linear', inspect.register(0, 'RSP'), 8, 0)).readBigUInt64LE(),
    guest,
  };
}
const STEP = 'pushfq\n or qword [rsp], 100h\n popfq';

describe('single steps', () => {
  it('on branches (IA32_DEBUGCTL.BTF) trap behind the first taken branch, and clear BTF', () => {
    const { rip, guest } = trapAt(
      `${SET_DEBUGCTL('2')}\n ${STEP}\n nop\n test eax, eax\n js there\n nop\n jmp there\n nop\nthere: nop`,
    );
    assert.equal(rip, guest.label('there'));
    assert.equal(guest.machine.inspect.register(0, 'IA32_DEBUGCTL'), 0n);
    assert.equal(guest.machine.inspect.register(0, 'DR6'), 0xffff_4ff0n);
  });

  /** SYSCALL to `entry` with an RFLAGS mask, SCE on. */
  const systemCall = (mask: string): string => `
        mov ecx, 0C0000080h
        rdmsr
        or eax, 1
        wrmsr
        mov ecx, 0C0000081h
        xor eax, eax
        mov edx, 8
        wrmsr
        mov ecx, 0C0000082h
        mov eax, entry
        xor edx, edx
        wrmsr
        mov ecx, 0C0000084h
        mov eax, ${mask}
        wrmsr`;

  it('over SYSCALL trap at its target where IA32_FMASK leaves TF', () => {
    const { rip, guest } = trapAt(`${systemCall('0')}\n ${STEP}\n syscall\n nop\nentry: nop\n nop`);
    assert.equal(rip, guest.label('entry'));
  });

  it('over SYSCALL end where IA32_FMASK clears TF, and trap at once behind SYSRET that sets it', () => {
    const { machine, label } = startCode(
      64,
      withDebugHandler(`${systemCall('100h')}\n ${STEP}\n syscall\n nop\nentry: jmp entry`),
    );
    assert.equal(machine.run(budget(200)).kind, 'budget');
    assert.equal(machine.inspect.register(0, 'RIP'), label('entry'));

    const made = new TestMachine().longMode();
    made.write(IDT + 16, gate(SEL.code64, 0x1_0001, 0x8e));
    made.state.setGpr(1, 0x8800n);
    made.state.setGpr(11, 0x102n);
    made.cpu.pendingBoundary();
    assert.equal(made.execute('48 0f 07').kind, 'done'); // o64 sysret
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
    assert.equal(made.state.rip, 0x1_0001n);
    assert.equal(made.stack(1, 8)[0], 0x8800n, 'before the first instruction at CPL 3');
  });
});
