import assert from 'node:assert/strict';
import {
  EPT_MISCONFIGURATION,
  EPT_VIOLATION,
  EXECUTE,
  NON_CANONICAL,
  PAGE_FAULT,
  PAGING_32_BIT,
  PAGING_4_LEVEL,
  PAGING_5_LEVEL,
  PAGING_OFF,
  PAGING_PAE,
  READ,
  SUPERVISOR,
  SUPERVISOR_AC,
  USER,
  WALK_OK,
  WRITE,
  type AccessKind,
  type Privilege,
} from '../../debug-adapter/engine/memory/paging.ts';
import { reportEptWalk, reportWalk } from '../../debug-adapter/engine/memory/walk-report.ts';
import { PageWalker } from '../../debug-adapter/engine/memory/walk.ts';
import { testMemory, type TestMemory } from './machine.ts';

const XD = 1n << 63n;
const low = (linear: bigint): number => Number(BigInt.asIntN(32, linear));
const high = (linear: bigint): number => Number(BigInt.asIntN(32, linear >> 32n));

/** Guest tables at 1000h-4000h mapping linear page 0000_7F12_3456_7000h, EPT tables at 10000h-13000h mapping identity. */
const LINEAR = 0x7f12_3456_7abcn;
const INDEX = [3, 2, 1, 0].map((level) => Number((LINEAR >> BigInt(12 + 9 * level)) & 511n));
const PML4E = 0x1000 + INDEX[0]! * 8;
const PDPTE = 0x2000 + INDEX[1]! * 8;
const PDE = 0x3000 + INDEX[2]! * 8;
const PTE = 0x4000 + INDEX[3]! * 8;

function fourLevel(): TestMemory {
  const memory = testMemory();
  Object.assign(memory.registers, { mode: PAGING_4_LEVEL, cr3: 0x1000, writeProtect: true, executeDisable: true });
  memory.entry(PML4E, 0x2007n);
  memory.entry(PDPTE, 0x3007n);
  memory.entry(PDE, 0x4007n);
  memory.entry(PTE, 0x5007n);
  return memory;
}

const EPT_PTES = 0x13000;
/** Identity EPT over the first 2 MiB in 4 KiB pages. */
function withEpt(memory: TestMemory): TestMemory {
  Object.assign(memory.registers, { ept: true, eptRoot: 0x10000 });
  memory.entry(0x10000, 0x11007n);
  memory.entry(0x11000, 0x12007n);
  memory.entry(0x12000, 0x13007n);
  for (let page = 0; page < 512; page++) memory.entry(EPT_PTES + page * 8, BigInt(page * 4096) | 0x37n);
  return memory;
}

interface Row {
  readonly name: string;
  readonly kind: AccessKind;
  readonly privilege: Privilege;
  readonly entries?: readonly (readonly [number, bigint])[];
  readonly registers?: Partial<TestMemory['registers']>;
  /** Guest-physical address or error code. */
  readonly gives: { readonly physical: number } | { readonly error: number; readonly reason: string };
}

const ok = { physical: 0x5abc };
const ROWS: readonly Row[] = [
  { name: 'user read', kind: READ, privilege: USER, gives: ok },
  { name: 'user write', kind: WRITE, privilege: USER, gives: ok },
  { name: 'user fetch', kind: EXECUTE, privilege: USER, gives: ok },
  {
    name: 'PTE not present',
    kind: READ,
    privilege: USER,
    entries: [[PTE, 0n]],
    gives: { error: 4, reason: 'not-present' },
  },
  {
    name: 'PDE not present, write',
    kind: WRITE,
    privilege: SUPERVISOR,
    entries: [[PDE, 0xffffen]],
    gives: { error: 2, reason: 'not-present' },
  },
  {
    name: 'PML4E not present, fetch',
    kind: EXECUTE,
    privilege: USER,
    entries: [[PML4E, 0n]],
    gives: { error: 0x14, reason: 'not-present' },
  },
  {
    name: 'fetch without NXE and SMEP reports no I/D',
    kind: EXECUTE,
    privilege: USER,
    registers: { executeDisable: false },
    entries: [[PML4E, 0n]],
    gives: { error: 4, reason: 'not-present' },
  },
  {
    name: 'fetch with SMEP only reports I/D',
    kind: EXECUTE,
    privilege: USER,
    registers: { executeDisable: false, smep: true },
    entries: [[PML4E, 0n]],
    gives: { error: 0x14, reason: 'not-present' },
  },
  {
    name: 'address bit at the width is reserved',
    kind: READ,
    privilege: SUPERVISOR,
    entries: [[PDPTE, 0x3007n | (1n << 40n)]],
    gives: { error: 9, reason: 'reserved-bits' },
  },
  {
    name: 'address bit 39 is not',
    kind: READ,
    privilege: SUPERVISOR,
    entries: [[PTE, 0x5007n | (1n << 39n)]],
    gives: { physical: 2 ** 39 + 0x5abc },
  },
  {
    name: 'bits 62:52 are ignored',
    kind: READ,
    privilege: SUPERVISOR,
    entries: [[PTE, 0x5007n | (0x7ffn << 52n)]],
    gives: ok,
  },
  {
    name: 'PS in the PML4E is reserved',
    kind: READ,
    privilege: SUPERVISOR,
    entries: [[PML4E, 0x2087n]],
    gives: { error: 9, reason: 'reserved-bits' },
  },
  {
    name: 'XD without NXE is reserved',
    kind: WRITE,
    privilege: USER,
    registers: { executeDisable: false },
    entries: [[PTE, 0x5007n | XD]],
    gives: { error: 0xf, reason: 'reserved-bits' },
  },
  {
    name: 'XD at any level',
    kind: EXECUTE,
    privilege: USER,
    entries: [[PDPTE, 0x3007n | XD]],
    gives: { error: 0x15, reason: 'execute-disabled' },
  },
  { name: 'XD lets data through', kind: WRITE, privilege: USER, entries: [[PDPTE, 0x3007n | XD]], gives: ok },
  {
    name: 'user write to a read-only table',
    kind: WRITE,
    privilege: USER,
    entries: [[PDE, 0x4005n]],
    gives: { error: 7, reason: 'not-writable' },
  },
  {
    name: 'supervisor write with WP',
    kind: WRITE,
    privilege: SUPERVISOR,
    entries: [[PTE, 0x5005n]],
    gives: { error: 3, reason: 'not-writable' },
  },
  {
    name: 'supervisor write without WP',
    kind: WRITE,
    privilege: SUPERVISOR,
    registers: { writeProtect: false },
    entries: [[PTE, 0x5005n]],
    gives: ok,
  },
  {
    name: 'user read of a supervisor page',
    kind: READ,
    privilege: USER,
    entries: [[PML4E, 0x2003n]],
    gives: { error: 5, reason: 'supervisor-only' },
  },
  {
    name: 'SMEP',
    kind: EXECUTE,
    privilege: SUPERVISOR,
    registers: { smep: true },
    gives: { error: 0x11, reason: 'user-page-smep' },
  },
  {
    name: 'SMEP spares supervisor pages',
    kind: EXECUTE,
    privilege: SUPERVISOR,
    registers: { smep: true },
    entries: [[PTE, 0x5003n]],
    gives: ok,
  },
  {
    name: 'SMAP read',
    kind: READ,
    privilege: SUPERVISOR,
    registers: { smap: true },
    gives: { error: 1, reason: 'user-page-smap' },
  },
  {
    name: 'SMAP write',
    kind: WRITE,
    privilege: SUPERVISOR,
    registers: { smap: true },
    gives: { error: 3, reason: 'user-page-smap' },
  },
  { name: 'SMAP with AC', kind: WRITE, privilege: SUPERVISOR_AC, registers: { smap: true }, gives: ok },
  ...(
    [
      ['AD denies a read', READ, USER, 1, 0x25],
      ['AD denies a supervisor read', READ, SUPERVISOR, 1, 0x21],
      ['WD denies a write', WRITE, USER, 2, 0x27],
      ['WD denies a supervisor write', WRITE, SUPERVISOR, 2, 0x23],
    ] as const
  ).map(([name, kind, privilege, rights, error]): Row => ({
    name: `protection key: ${name}`,
    kind,
    privilege,
    entries: [[PTE, 0x5007n | (7n << 59n)]],
    registers: { pkru: rights << 14 },
    gives: { error, reason: 'protection-key' },
  })),
  {
    name: 'protection key: fetches are not its business',
    kind: EXECUTE,
    privilege: USER,
    entries: [[PTE, 0x5007n | (7n << 59n)]],
    registers: { pkru: 3 << 14 },
    gives: ok,
  },
  { name: 'SMAP does not concern fetches', kind: EXECUTE, privilege: SUPERVISOR, registers: { smap: true }, gives: ok },
  {
    name: '2 MiB page',
    kind: READ,
    privilege: USER,
    entries: [[PDE, 0x20_00e7n]],
    gives: { physical: 0x20_0000 + Number(LINEAR & 0x1f_ffffn) },
  },
  {
    name: '2 MiB page, reserved bit 13',
    kind: READ,
    privilege: USER,
    entries: [[PDE, 0x20_20e7n]],
    gives: { error: 0xd, reason: 'reserved-bits' },
  },
  {
    name: '2 MiB page, PAT bit 12',
    kind: READ,
    privilege: USER,
    entries: [[PDE, 0x20_10e7n]],
    gives: { physical: 0x20_0000 + Number(LINEAR & 0x1f_ffffn) },
  },
  {
    name: '1 GiB page',
    kind: READ,
    privilege: USER,
    entries: [[PDPTE, 0x4000_00e7n]],
    gives: { physical: 0x4000_0000 + Number(LINEAR & 0x3fff_ffffn) },
  },
  {
    name: '1 GiB page, reserved bit 29',
    kind: READ,
    privilege: USER,
    entries: [[PDPTE, 0x6000_00e7n]],
    gives: { error: 0xd, reason: 'reserved-bits' },
  },
  {
    name: 'PS in the PDPTE is reserved without 1 GiB pages',
    kind: READ,
    privilege: USER,
    entries: [[PDPTE, 0x4000_00e7n]],
    registers: { gigabytePages: false },
    gives: { error: 0xd, reason: 'reserved-bits' },
  },
  {
    name: '2 MiB page without 1 GiB pages',
    kind: READ,
    privilege: USER,
    entries: [[PDE, 0x20_00e7n]],
    registers: { gigabytePages: false },
    gives: { physical: 0x20_0000 + Number(LINEAR & 0x1f_ffffn) },
  },
];

describe('page walk, 4-level paging', () => {
  for (const row of ROWS)
    it(row.name, () => {
      const memory = fourLevel();
      Object.assign(memory.registers, row.registers);
      for (const [address, value] of row.entries ?? []) memory.entry(address, value);
      const walker = new PageWalker(memory.physical, memory.registers, 'commit');
      const outcome = walker.walk(low(LINEAR), high(LINEAR), row.kind, row.privilege);
      if ('physical' in row.gives) assert.deepEqual([outcome, walker.guestPhysical], [WALK_OK, row.gives.physical]);
      else
        assert.deepEqual([outcome, walker.errorCode, walker.reason], [PAGE_FAULT, row.gives.error, row.gives.reason]);
    });

  it('refuses non-canonical addresses without a walk', () => {
    const { physical, registers } = fourLevel();
    const walker = new PageWalker(physical, registers, 'commit');
    for (const linear of [0x8000_0000_0000n, 0xffff_7fff_ffff_f000n])
      assert.equal(walker.walk(low(linear), high(linear), READ, SUPERVISOR), NON_CANONICAL);
    const top = 0xffff_8000_0000_0000n;
    assert.equal(walker.walk(low(top), high(top), READ, SUPERVISOR), PAGE_FAULT);
  });

  it('sets accessed flags on every entry and dirty on the leaf of a write, and none where the access is refused', () => {
    const memory = fourLevel();
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    const flags = () => [PML4E, PDPTE, PDE, PTE].map((address) => memory.read(address) & 0x60n);
    memory.entry(PTE, 0x5005n);
    walker.walk(low(LINEAR), high(LINEAR), WRITE, USER);
    assert.deepEqual(flags(), [0n, 0n, 0n, 0n]);
    walker.walk(low(LINEAR), high(LINEAR), READ, USER);
    assert.deepEqual(flags(), [0x20n, 0x20n, 0x20n, 0x20n]);
    assert.equal(walker.mayWrite, false);
    memory.entry(PTE, 0x5027n);
    walker.walk(low(LINEAR), high(LINEAR), READ, USER);
    assert.equal(walker.mayWrite, false, 'the dirty flag is still to be set');
    walker.walk(low(LINEAR), high(LINEAR), WRITE, USER);
    assert.deepEqual(flags(), [0x20n, 0x20n, 0x20n, 0x60n]);
    assert.equal(walker.mayWrite, true);
  });

  it('reads tables outside memory as ones, without asking a device', () => {
    const memory = fourLevel();
    memory.entry(PDE, 0xf_0000_0007n);
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    assert.equal(walker.walk(low(LINEAR), high(LINEAR), READ, USER), PAGE_FAULT);
    assert.equal(walker.errorCode, 0xd);
  });
});

describe('page walk, other modes', () => {
  it('is the identity with paging off', () => {
    const { physical, registers } = testMemory();
    registers.mode = PAGING_OFF;
    const walker = new PageWalker(physical, registers, 'commit');
    assert.equal(walker.walk(-1, 0, WRITE, SUPERVISOR), WALK_OK);
    assert.equal(walker.hostPhysical, 0xffff_ffff);
    assert.deepEqual([walker.mayRead, walker.mayWrite, walker.mayExecute], [true, true, true]);
  });

  const thirtyTwoBit: readonly [string, bigint, bigint, boolean | 'no PSE-36', number | string][] = [
    ['4 KiB page', 0x2007n, 0x5007n, false, 0x5678],
    ['PS ignored without CR4.PSE', 0x2087n, 0x5007n, false, 0x5678],
    ['4 MiB page', 0x0040_0087n, 0n, true, 0x74_5678],
    ['4 MiB page with address bits 39:32 (PSE-36)', 0x0040_0087n | (0x12n << 13n), 0n, true, 0x12_0074_5678],
    ['4 MiB page, reserved bit 21', 0x0060_0087n, 0n, true, 'reserved-bits'],
    ['4 MiB page, reserved bit 20 without PSE-36', 0x0050_0087n, 0n, 'no PSE-36', 'reserved-bits'],
    ['4 MiB page, reserved bit 13 without PSE-36', 0x0040_2087n, 0n, 'no PSE-36', 'reserved-bits'],
    ['4 MiB page below 4 GiB without PSE-36', 0x0040_1087n, 0n, 'no PSE-36', 0x74_5678],
    ['PDE not present', 0n, 0n, false, 'not-present'],
    ['PTE not writable', 0x2007n, 0x5005n, false, 'not-writable'],
    ['PDE not writable', 0x2005n, 0x5007n, false, 'not-writable'],
  ];
  for (const [name, pde, pte, pse, gives] of thirtyTwoBit)
    it(`32-bit paging: ${name}`, () => {
      const memory = testMemory();
      Object.assign(memory.registers, {
        mode: PAGING_32_BIT,
        cr3: 0x1018,
        pageSizeExtension: pse !== false,
        writeProtect: true,
      });
      Object.assign(memory.registers, { pse36: pse !== 'no PSE-36' });
      const linear = 0x8034_5678;
      memory.entry(0x1000 + (linear >>> 22) * 4, pde, 4);
      memory.entry(0x2000 + ((linear >>> 12) & 1023) * 4, pte, 4);
      const walker = new PageWalker(memory.physical, memory.registers, 'commit');
      const outcome = walker.walk(linear | 0, 0, WRITE, USER);
      if (typeof gives === 'number') {
        assert.deepEqual([outcome, walker.guestPhysical], [WALK_OK, gives]);
        const leaf = pse !== false ? memory.read(0x1000 + (linear >>> 22) * 4, 4) : memory.read(0x2000 + 0x345 * 4, 4);
        assert.equal(leaf & 0x60n, 0x60n);
      } else assert.deepEqual([outcome, walker.reason], [PAGE_FAULT, gives]);
    });

  const pae: readonly [string, bigint, bigint, number | string][] = [
    ['4 KiB page', 0x4007n, 0x5007n, 0x5abc],
    ['2 MiB page', 0x60_0087n, 0n, 0x76_7abc],
    ['bits 62:52 are reserved', 0x4007n | (1n << 52n), 0x5007n, 'reserved-bits'],
    ['XD is reserved without NXE', 0x4007n | XD, 0x5007n, 'reserved-bits'],
  ];
  for (const [name, pde, pte, gives] of pae)
    it(`PAE paging: ${name}`, () => {
      const memory = testMemory();
      Object.assign(memory.registers, { mode: PAGING_PAE, cr3: 0x1020 });
      const linear = 0xc0f6_7abc;
      memory.registers.pdptes.set([0x3001, 0], 6);
      memory.entry(0x3000 + ((linear >>> 21) & 511) * 8, pde);
      memory.entry(0x4000 + ((linear >>> 12) & 511) * 8, pte);
      const walker = new PageWalker(memory.physical, memory.registers, 'commit');
      const outcome = walker.walk(linear | 0, 0, WRITE, USER);
      if (typeof gives === 'number') assert.deepEqual([outcome, walker.guestPhysical], [WALK_OK, gives]);
      else assert.deepEqual([outcome, walker.reason], [PAGE_FAULT, gives]);
      assert.equal(walker.walk(0x4000_0000, 0, READ, USER), PAGE_FAULT, 'an absent PDPTE register');
    });
});

describe('EPT walk', () => {
  const at = (page: number): number => EPT_PTES + page * 8;
  const rows: readonly [string, readonly (readonly [number, bigint])[], AccessKind, number, number][] = [
    ['identity', [], READ, WALK_OK, 7],
    ['not present', [[at(0x5), 0n]], READ, EPT_VIOLATION, 0],
    ['write without W', [[at(0x5), 0x5035n]], WRITE, EPT_VIOLATION, 5],
    ['fetch without X', [[at(0x5), 0x5033n]], EXECUTE, EPT_VIOLATION, 3],
    ['fetch from execute-only', [[at(0x5), 0x5034n]], EXECUTE, WALK_OK, 4],
    ['read of execute-only', [[at(0x5), 0x5034n]], READ, EPT_VIOLATION, 4],
    ['rights are those of all levels', [[0x11000, 0x12005n]], WRITE, EPT_VIOLATION, 5],
    ['write-only', [[at(0x5), 0x5032n]], READ, EPT_MISCONFIGURATION, 0],
    ['write and execute only', [[at(0x5), 0x5036n]], READ, EPT_MISCONFIGURATION, 0],
    ['memory type 2', [[at(0x5), 0x5017n]], READ, EPT_MISCONFIGURATION, 0],
    ['memory type 3', [[at(0x5), 0x501fn]], READ, EPT_MISCONFIGURATION, 0],
    ['memory type 7', [[at(0x5), 0x503fn]], READ, EPT_MISCONFIGURATION, 0],
    ['memory type 0', [[at(0x5), 0x5007n]], READ, WALK_OK, 7],
    ['address bit at the width', [[at(0x5), 0x5037n | (1n << 40n)]], READ, EPT_MISCONFIGURATION, 0],
    ['reserved bit 3 in the PML4E', [[0x10000, 0x1100fn]], READ, EPT_MISCONFIGURATION, 0],
    ['reserved bit 7 in the PML4E', [[0x10000, 0x11087n]], READ, EPT_MISCONFIGURATION, 0],
    ['reserved bit 6 in a PDE', [[0x12000, 0x13047n]], READ, EPT_MISCONFIGURATION, 0],
    ['2 MiB page', [[0x12000, 0xb7n]], READ, WALK_OK, 7],
    ['2 MiB page, address bit 12', [[0x12000, 0x10b7n]], READ, EPT_MISCONFIGURATION, 0],
    ['1 GiB page', [[0x11000, 0xb7n]], READ, WALK_OK, 7],
    ['1 GiB page, address bit 29', [[0x11000, 0x2000_00b7n]], READ, EPT_MISCONFIGURATION, 0],
    ['not present wins over its reserved bits', [[0x11000, 0x7f8n]], READ, EPT_VIOLATION, 0],
    [
      'misconfiguration below wins over missing rights above',
      [
        [0x11000, 0x12001n],
        [at(0x5), 0x5032n],
      ],
      WRITE,
      EPT_MISCONFIGURATION,
      0,
    ],
  ];
  for (const [name, entries, kind, outcome, permissions] of rows)
    it(name, () => {
      const memory = withEpt(testMemory());
      for (const [address, value] of entries) memory.entry(address, value);
      const walker = new PageWalker(memory.physical, memory.registers, 'commit');
      assert.equal(walker.walk(0x5123, 0, kind, SUPERVISOR), outcome);
      assert.equal(walker.ept.permissions, permissions);
      if (outcome === WALK_OK) assert.equal(walker.hostPhysical, 0x5123);
      else assert.deepEqual([walker.eptGuestPhysical, walker.duringWalk], [0x5123, false]);
    });

  it('keeps accessed and dirty flags only where the EPT pointer asks for them', () => {
    const memory = withEpt(testMemory());
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    const flags = () => [0x10000, 0x11000, 0x12000, at(5)].map((address) => memory.read(address) & 0x300n);
    walker.walk(0x5000, 0, WRITE, SUPERVISOR);
    assert.deepEqual(flags(), [0n, 0n, 0n, 0n]);
    assert.equal(walker.mayWrite, true);
    memory.registers.eptAccessedDirty = true;
    walker.walk(0x5000, 0, READ, SUPERVISOR);
    assert.deepEqual(flags(), [0x100n, 0x100n, 0x100n, 0x100n]);
    assert.equal(walker.mayWrite, false);
    walker.walk(0x5000, 0, WRITE, SUPERVISOR);
    assert.deepEqual(flags(), [0x100n, 0x100n, 0x100n, 0x300n]);
    assert.equal(walker.mayWrite, true);
  });
});

describe('5-level walk', () => {
  const LINEAR_57 = (0x155n << 48n) | LINEAR;
  const PML5E = 0x6000 + 0x155 * 8;
  function fiveLevel(): TestMemory {
    const memory = fourLevel();
    Object.assign(memory.registers, { mode: PAGING_5_LEVEL, cr3: 0x6000 });
    memory.entry(PML5E, 0x1007n);
    return memory;
  }
  const walk = ({ physical, registers }: TestMemory, linear: bigint) => {
    const walker = new PageWalker(physical, registers, 'commit');
    return { walker, outcome: walker.walk(low(linear), high(linear), READ, USER) };
  };

  it('begins at the PML5 entry and marks it accessed', () => {
    const memory = fiveLevel();
    const { walker, outcome } = walk(memory, BigInt.asUintN(64, BigInt.asIntN(57, LINEAR_57)));
    assert.equal(outcome, WALK_OK);
    assert.equal(walker.guestPhysical, 0x5abc);
    assert.equal(memory.read(PML5E), 0x1027n);
  });

  it('faults for reserved bit 7 of it, with P and RSVD in the error code', () => {
    const memory = fiveLevel();
    memory.entry(PML5E, 0x1087n);
    const { walker, outcome } = walk(memory, BigInt.asUintN(64, BigInt.asIntN(57, LINEAR_57)));
    assert.deepEqual([outcome, walker.errorCode, walker.reason], [PAGE_FAULT, 0xd, 'reserved-bits']);
  });

  it('has 57 bits of canonical addresses', () => {
    const memory = fiveLevel();
    for (const [linear, canonical] of [
      [1n << 55n, true],
      [1n << 56n, false],
      [0xff00_0000_0000_0000n, true],
      [0xfe00_0000_0000_0000n, false],
    ] as const)
      assert.equal(walk(memory, linear).outcome !== NON_CANONICAL, canonical, linear.toString(16));
  });

  it('is named in reports', () => {
    const { physical, registers } = fiveLevel();
    const report = reportWalk(
      physical,
      registers,
      BigInt.asUintN(64, BigInt.asIntN(57, LINEAR_57)),
      { kind: 'read', user: true },
      USER,
    );
    assert.equal(report.mode, '5-level');
    assert.deepEqual(
      report.steps.map(({ level }) => level),
      ['PML5E', 'PML4E', 'PDPTE', 'PDE', 'PTE'],
    );
  });
});

describe('nested walk', () => {
  it('reads guest tables through EPT and names the table access that fails', () => {
    const memory = withEpt(fourLevel());
    memory.entry(EPT_PTES + 3 * 8, 0n);
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    assert.equal(walker.walk(low(LINEAR), high(LINEAR), READ, USER), EPT_VIOLATION);
    assert.deepEqual([walker.duringWalk, walker.eptGuestPhysical, walker.eptNeeds], [true, PDE, 1]);
  });

  it('counts table accesses as writes under EPT accessed and dirty flags', () => {
    const memory = withEpt(fourLevel());
    memory.registers.eptAccessedDirty = true;
    memory.entry(EPT_PTES + 2 * 8, 0x2035n);
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    assert.equal(walker.walk(low(LINEAR), high(LINEAR), READ, USER), EPT_VIOLATION);
    assert.deepEqual([walker.eptGuestPhysical, walker.eptNeeds, walker.ept.permissions], [PDPTE, 3, 5]);
  });

  it('needs EPT write permission only to set a flag that is clear', () => {
    const memory = withEpt(fourLevel());
    memory.entry(EPT_PTES + 4 * 8, 0x4035n);
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    assert.equal(walker.walk(low(LINEAR), high(LINEAR), READ, USER), EPT_VIOLATION);
    assert.deepEqual([walker.eptGuestPhysical, walker.duringWalk], [PTE, true]);
    memory.physical.poke(PTE, Uint8Array.of(0x27));
    assert.equal(walker.walk(low(LINEAR), high(LINEAR), READ, USER), WALK_OK);
    assert.equal(walker.hostPhysical, 0x5abc);
  });

  it('lets a guest page fault win over the final EPT walk', () => {
    const memory = withEpt(fourLevel());
    memory.entry(PTE, 0x5003n);
    memory.entry(EPT_PTES + 5 * 8, 0n);
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    assert.equal(walker.walk(low(LINEAR), high(LINEAR), READ, USER), PAGE_FAULT);
  });
});

describe('walk report', () => {
  it('counts 4 references without and 24 with EPT', () => {
    const bare = fourLevel();
    const read = { kind: 'read', user: true } as const;
    assert.equal(reportWalk(bare.physical, bare.registers, LINEAR, read, USER).references, 4);
    const nested = withEpt(fourLevel());
    const walk = reportWalk(nested.physical, nested.registers, LINEAR, read, USER);
    assert.equal(walk.references, 24);
    assert.deepEqual(
      walk.steps.map(({ ept }) => ept?.steps.length),
      [4, 4, 4, 4],
    );
    assert.equal(walk.ept?.steps.length, 4);
    assert.deepEqual([walk.hostPhysical, walk.pageBytes, walk.failure], [0x5abc, 4096, undefined]);
  });

  it('names levels, flags and the entry at fault', () => {
    const memory = fourLevel();
    memory.entry(PDE, 0x4065n);
    memory.entry(PTE, 0x5067n | XD);
    const walk = reportWalk(memory.physical, memory.registers, LINEAR, { kind: 'write', user: true }, USER);
    assert.deepEqual(
      walk.steps.map(({ level, flags, verdict, points }) => [level, flags.join(' '), verdict, points]),
      [
        ['PML4E', 'P R/W U/S', 'ok', 0x2000],
        ['PDPTE', 'P R/W U/S', 'ok', 0x3000],
        ['PDE', 'P U/S A', 'not-writable', 0x4000],
        ['PTE', 'P R/W U/S A D XD', 'ok', 0x5000],
      ],
    );
    assert.equal(walk.failure, '#PF: PDE not writable');
    assert.equal(walk.guestPhysical, undefined);
  });

  it('names the EPT entry at fault of the final address and of a table read', () => {
    const memory = withEpt(fourLevel());
    memory.entry(EPT_PTES + 5 * 8, 0x5035n);
    const write = { kind: 'write', user: true } as const;
    const final = reportWalk(memory.physical, memory.registers, LINEAR, write, USER);
    assert.equal(final.failure, 'EPT violation: EPT PTE not writable');
    assert.deepEqual([final.guestPhysical, final.hostPhysical], [0x5abc, undefined]);
    memory.entry(EPT_PTES + 2 * 8, 0x2032n);
    const table = reportWalk(memory.physical, memory.registers, LINEAR, write, USER);
    assert.match(
      table.failure ?? '',
      /^EPT misconfiguration: EPT PTE misconfigured, reading the table entry at guest-physical/,
    );
    assert.equal(table.references, 4 + 1 + 4);
  });

  it('reports an EPT walk by itself', () => {
    const memory = withEpt(testMemory());
    memory.entry(0x12000, 0x13006n);
    const walk = reportEptWalk(memory.physical, memory.registers, 0x5123, { kind: 'read', user: false });
    assert.deepEqual(
      walk?.steps.map(({ verdict }) => verdict),
      ['ok', 'ok', 'misconfigured'],
    );
    assert.equal(
      reportEptWalk(testMemory().physical, testMemory().registers, 0, { kind: 'read', user: false }),
      undefined,
    );
  });

  it('touches nothing: flags, frames and devices are as before', () => {
    const memory = withEpt(fourLevel());
    memory.registers.eptAccessedDirty = true;
    memory.entry(PTE, 0x3f_f007n);
    const before = memory.physical.bytes.slice();
    for (let times = 0; times < 2; times++)
      for (const kind of ['read', 'write', 'execute'] as const)
        reportWalk(memory.physical, memory.registers, LINEAR, { kind, user: true }, USER);
    assert.deepEqual(Buffer.compare(before, memory.physical.bytes), 0);
    assert.equal(memory.physical.lookupOffset(0x3f_f000), -2, 'the page was never handed a frame');
    const walker = new PageWalker(memory.physical, memory.registers, 'commit');
    walker.walk(low(LINEAR), high(LINEAR), READ, USER);
    assert.notEqual(Buffer.compare(before, memory.physical.bytes), 0, 'the committing walk does set flags');
  });
});
