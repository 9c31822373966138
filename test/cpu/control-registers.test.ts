import assert from 'node:assert/strict';
import { CR0, CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { GP } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { SEL, TestMachine, descriptor } from './harness.ts';

type Mode = 'real' | 'protected' | 'long';
const machineIn = (mode: Mode): TestMachine => {
  const machine = new TestMachine();
  return mode === 'real' ? machine : mode === 'protected' ? machine.protectedMode() : machine.longMode();
};
/** mov cr, rax / mov cr, eax */
const MOV_TO: Readonly<Record<number, string>> = { 0: '0f 22 c0', 3: '0f 22 d8', 4: '0f 22 e0', 8: '44 0f 22 c0' };
const u32 = (value: number): bigint => BigInt(value >>> 0);
const PROTECTED = CR0.PE | CR0.ET;

interface Row {
  readonly name: string;
  readonly mode: Mode;
  readonly cr: number;
  readonly value: bigint;
  readonly before?: (machine: TestMachine) => void;
  /** Absent: #GP(0). */
  readonly becomes?: bigint;
}

const LONG_CR0 = u32(CR0.PG | CR0.PE | CR0.ET | CR0.WP);
const ROWS: readonly Row[] = [
  { name: 'CR0: PE', mode: 'real', cr: 0, value: 1n, becomes: u32(PROTECTED) },
  {
    name: 'CR0: ET cannot be cleared, reserved bits are ignored',
    mode: 'protected',
    cr: 0,
    value: 0x0ff0_0041n,
    becomes: u32(PROTECTED),
  },
  { name: 'CR0: PG without PE', mode: 'real', cr: 0, value: u32(CR0.PG) },
  { name: 'CR0: NW without CD', mode: 'protected', cr: 0, value: u32(PROTECTED | CR0.NW) },
  { name: 'CR0: bits 63:32', mode: 'long', cr: 0, value: LONG_CR0 | (1n << 32n) },
  { name: 'CR0: paging off in 64-bit mode', mode: 'long', cr: 0, value: u32(PROTECTED) },
  {
    name: 'CR0: IA-32e mode without PAE',
    mode: 'protected',
    cr: 0,
    value: u32(PROTECTED | CR0.PG),
    before: (m) => m.state.set64(LAYOUT.efer, u32(EFER.LME)),
  },
  {
    name: 'CR0: IA-32e mode with a 16-bit TSS',
    mode: 'protected',
    cr: 0,
    value: u32(PROTECTED | CR0.PG),
    before: (m) => {
      m.state.set64(LAYOUT.efer, u32(EFER.LME));
      m.state.set64(LAYOUT.cr4, u32(CR4.PAE));
      m.state.setSegment('TR', { ...m.state.segment('TR'), accessRights: 0x83 });
    },
  },
  {
    name: 'CR0: paging off with PCIDs, from compatibility mode',
    mode: 'long',
    cr: 0,
    value: u32(PROTECTED),
    before: (m) => {
      m.state.set64(LAYOUT.cr4, u32(CR4.PAE | CR4.PCIDE));
      m.state.setSegment('CS', { selector: SEL.code0, base: 0n, limit: 0xffff_ffff, accessRights: 0xc09b });
      m.cpu.modeChanged();
    },
  },
  { name: 'CR3: bits beyond the width', mode: 'long', cr: 3, value: 1n << 40n },
  { name: 'CR3: bit 63 without PCIDs', mode: 'long', cr: 3, value: (1n << 63n) | 0x30_0000n },
  {
    name: 'CR3: bit 63 with PCIDs is not kept',
    mode: 'long',
    cr: 3,
    value: (1n << 63n) | 0x30_0005n,
    before: (m) => m.state.set64(LAYOUT.cr4, u32(CR4.PAE | CR4.PCIDE)),
    becomes: 0x30_0005n,
  },
  { name: 'CR4: reserved bit', mode: 'protected', cr: 4, value: 1n << 15n },
  { name: 'CR4: LA57 is not advertised', mode: 'protected', cr: 4, value: u32(CR4.LA57) },
  { name: 'CR4: SMXE is not advertised', mode: 'protected', cr: 4, value: u32(CR4.SMXE) },
  { name: 'CR4: PAE cleared in IA-32e mode', mode: 'long', cr: 4, value: 0n },
  { name: 'CR4: PCIDE outside IA-32e mode', mode: 'protected', cr: 4, value: u32(CR4.PCIDE | CR4.PAE) },
  {
    name: 'CR4: PCIDE with CR3[11:0] set',
    mode: 'long',
    cr: 4,
    value: u32(CR4.PCIDE | CR4.PAE),
    before: (m) => m.state.set64(LAYOUT.cr3, 0x30_0008n),
  },
  { name: 'CR4: PCIDE', mode: 'long', cr: 4, value: u32(CR4.PCIDE | CR4.PAE), becomes: u32(CR4.PCIDE | CR4.PAE) },
  { name: 'CR8: bits 63:4', mode: 'long', cr: 8, value: 0x10n },
  { name: 'CR8', mode: 'long', cr: 8, value: 0xfn, becomes: 0xfn },
  {
    name: 'CR0 in VMX operation: PE fixed',
    mode: 'long',
    cr: 0,
    value: LONG_CR0,
    before: (m) => m.state.set32(LAYOUT.vmxMode, 1),
  },
  {
    name: 'CR4 in VMX operation: VMXE fixed',
    mode: 'long',
    cr: 4,
    value: u32(CR4.PAE),
    before: (m) => m.state.set32(LAYOUT.vmxMode, 1),
  },
];

describe('MOV to control registers', () => {
  for (const { name, mode, cr, value, before, becomes } of ROWS)
    it(name, () => {
      const machine = machineIn(mode);
      before?.(machine);
      machine.state.setGpr(0, value);
      const at = { 0: LAYOUT.cr0, 3: LAYOUT.cr3, 4: LAYOUT.cr4, 8: LAYOUT.cr8 }[cr]!;
      const old = machine.state.get64(at);
      const result = machine.execute(MOV_TO[cr]!);
      if (becomes === undefined) {
        assert.deepEqual(result, { kind: 'fault', vector: GP, error: 0, linear: undefined });
        assert.equal(machine.state.get64(at), old);
      } else {
        assert.deepEqual(result, { kind: 'done' });
        assert.equal(machine.state.get64(at), becomes);
      }
    });

  it('is privileged', () => {
    const machine = new TestMachine().protectedMode(3);
    for (const bytes of [
      '0f 22 c0',
      '0f 20 c0',
      '0f 06',
      'f4',
      '0f 01 f0',
      '0f 32',
      '0f 30',
      '0f 08',
      '0f 09',
      '0f 01 38',
    ])
      assert.deepEqual(machine.execute(bytes), { kind: 'fault', vector: GP, error: 0, linear: undefined }, bytes);
  });

  it('enters IA-32e mode and leaves it through compatibility mode', () => {
    const machine = new TestMachine().longMode();
    const { state } = machine;
    // Back to compatibility mode first: paging cannot go off in 64-bit mode.
    state.setSegment('CS', { selector: SEL.code0, base: 0n, limit: 0xffff_ffff, accessRights: 0xc09b });
    machine.cpu.modeChanged();
    assert.equal(state.codeBits, 32);
    state.setGpr(0, u32(PROTECTED));
    assert.equal(machine.execute('0f 22 c0').kind, 'done');
    assert.equal(state.get32(LAYOUT.efer) & EFER.LMA, 0);
    state.setGpr(0, u32(PROTECTED | CR0.PG));
    assert.equal(machine.execute('0f 22 c0').kind, 'done');
    assert.equal(state.get32(LAYOUT.efer) & EFER.LMA, EFER.LMA);
    // jmp far to 64-bit code
    state.rip = 0x8000n;
    assert.equal(machine.execute('ea 00 80 00 00 28 00').kind, 'done');
    assert.deepEqual([state.codeBits, state.selector('CS')], [64, SEL.code64]);
  });

  it('loads the PAE page-directory-pointer registers and refuses reserved bits in them', () => {
    const machine = new TestMachine().protectedMode();
    const { state } = machine;
    state.set64(LAYOUT.cr4, u32(CR4.PAE));
    state.set64(LAYOUT.cr3, 0x5020n);
    machine.write(0x5020, 0x6001n);
    machine.write(0x5038, 0x7001n);
    state.setGpr(0, u32(PROTECTED | CR0.PG));
    assert.equal(machine.execute('0f 22 c0').kind, 'done');
    assert.deepEqual([state.get64(LAYOUT.pdpte), state.get64(LAYOUT.pdpte + 24)], [0x6001n, 0x7001n]);
    machine.write(0x5120, 0x6003n);
    state.setGpr(0, 0x5120n);
    assert.equal(machine.execute('0f 22 d8').kind, 'fault');
    assert.equal(state.get64(LAYOUT.cr3), 0x5020n);
  });

  it('shadows and VM exits in VMX non-root operation', () => {
    const machine = new TestMachine().longMode();
    machine.state.set32(LAYOUT.vmxMode, 2);
    machine.cpu.modeChanged();
    machine.execute('0f 20 c0'); // mov rax, cr0
    assert.equal(machine.state.gpr(0), 0x5000n);
    machine.execute('0f 01 e0'); // smsw eax
    assert.equal(machine.state.gpr(0), 0x5000n);
    machine.execute('0f 20 d8'); // mov rax, cr3
    assert.equal(machine.state.gpr(0), 0x30_0000n);
    assert.deepEqual(machine.intercepts.asked, ['mov-from-cr']);
    machine.intercepts.exitOn.add('mov-to-cr');
    assert.deepEqual(machine.execute('0f 22 d8'), { kind: 'exit' });
    machine.unrestricted = true;
    machine.intercepts.exitOn.clear();
    machine.state.setSegment('CS', { selector: SEL.code0, base: 0n, limit: 0xffff_ffff, accessRights: 0xc09b });
    machine.cpu.modeChanged();
    machine.state.setGpr(0, u32(CR0.NE | CR0.ET));
    assert.equal(machine.execute('0f 22 c0').kind, 'done', 'PE and PG are not fixed for an unrestricted guest');
  });
});

describe('LMSW, SMSW, CLTS', () => {
  it('LMSW sets PE but never clears it', () => {
    const machine = new TestMachine();
    machine.state.setGpr(0, 0xfn);
    machine.execute('0f 01 f0');
    assert.equal(machine.state.get32(LAYOUT.cr0) & 0xf, 0xf);
    machine.state.setGpr(0, 0n);
    machine.execute('0f 01 f0');
    assert.equal(machine.state.get32(LAYOUT.cr0) & 0xf, 1);
  });
  it('CLTS clears TS, UMIP refuses SMSW to users', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.set64(LAYOUT.cr0, u32(PROTECTED | CR0.TS));
    machine.execute('0f 06');
    assert.equal(machine.state.get32(LAYOUT.cr0) & CR0.TS, 0);
    const user = new TestMachine().protectedMode(3);
    assert.equal(user.execute('0f 01 e0').kind, 'done');
    user.state.set64(LAYOUT.cr4, u32(CR4.UMIP));
    for (const bytes of ['0f 01 e0', '0f 01 00', '0f 01 08', '0f 00 c0', '0f 00 c8'])
      assert.equal(user.execute(bytes).kind, 'fault', bytes);
  });
});

describe('debug registers', () => {
  it('DR4 and DR5 alias DR6 and DR7 without CR4.DE; fixed bits read as ones', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setGpr(0, 0n);
    machine.execute('0f 23 f0'); // mov dr6, eax
    machine.execute('0f 21 e1'); // mov ecx, dr4
    assert.equal(machine.state.gpr(1), 0xffff_0ff0n);
    machine.state.set64(LAYOUT.cr4, u32(CR4.DE));
    assert.equal(machine.execute('0f 21 e1').kind, 'fault');
  });
});

describe('descriptor-table registers', () => {
  const rows: readonly [string, Mode, string, bigint, number][] = [
    ['LGDT with a 16-bit operand takes 24 bits', 'real', '0f 01 16 00 40', 0x34_5678n, 0x1234],
    ['LGDT with a 32-bit operand', 'protected', '0f 01 15 00 40 00 00', 0x1234_5678n, 0x1234],
    ['LGDT in 64-bit mode', 'long', '0f 01 14 25 00 40 00 00', 0xffff_8000_1234_5678n, 0x1234],
  ];
  for (const [name, mode, bytes, base, limit] of rows)
    it(name, () => {
      const machine = machineIn(mode);
      machine.write(0x4000, 0x1234, 2);
      machine.write(0x4002, 0xffff_8000_1234_5678n);
      assert.equal(machine.execute(bytes).kind, 'done');
      assert.deepEqual([machine.state.get64(LAYOUT.gdtrBase), machine.state.get32(LAYOUT.gdtrLimit)], [base, limit]);
    });
  it('LGDT refuses a base that is not canonical; SIDT stores ten bytes', () => {
    const machine = new TestMachine().longMode();
    machine.write(0x4002, 0x8000_0000_0000n);
    assert.equal(machine.execute('0f 01 14 25 00 40 00 00').kind, 'fault');
    machine.execute('0f 01 0c 25 00 40 00 00'); // sidt [4000h]
    assert.deepEqual([machine.read(0x4000, 2), machine.read(0x4002)], [0x7ffn, 0x2000n]);
  });
});

it('a far jump to a segment with both L and D set is refused', () => {
  const machine = new TestMachine().longMode();
  machine.gdt(SEL.free, descriptor(0, 0xfffff, 0x9b, 0xe));
  machine.write(0x4000, 0x8000, 4);
  machine.write(0x4004, SEL.free, 2);
  assert.deepEqual(machine.execute('ff 2c 25 00 40 00 00'), {
    kind: 'fault',
    vector: GP,
    error: SEL.free,
    linear: undefined,
  });
});
