import assert from 'node:assert/strict';
import { EPT_RIGHTS, EptTables } from '../../debug-adapter/engine/hypervisor/ept-tables.ts';
import { declareHostPhysicalMemory, GuestMemoryMap } from '../../debug-adapter/engine/hypervisor/guest-memory-map.ts';
import { GUEST_BASE } from '../../debug-adapter/engine/hypervisor/host-layout.ts';
import { HostMemory } from '../../debug-adapter/engine/hypervisor/host-memory.ts';
import { EptWalker } from '../../debug-adapter/engine/memory/ept.ts';
import { EPT_VIOLATION, newPagingRegisters, WALK_OK } from '../../debug-adapter/engine/memory/paging.ts';
import { PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';

const PHYSICAL_BITS = 40;
const MIB = 0x10_0000;
const PAGE = 0x1000;
const LARGE = 0x20_0000;

function setUp() {
  const memory = new WebAssembly.Memory({ initial: 64 });
  const nothing = { read: () => assert.fail('read'), write: () => assert.fail('write') };
  const physical = new PhysicalMemory(memory, 0, 1024, 0x10_0000, nothing);
  declareHostPhysicalMemory(physical, 64 * MIB);
  const ept = new EptTables(physical, new HostMemory(physical));
  const registers = newPagingRegisters({ physicalBits: PHYSICAL_BITS, pse36: true, gigabytePages: true });
  registers.ept = true;
  registers.eptRoot = ept.root;
  return { physical, ept, walker: new EptWalker(physical, registers, 'commit') };
}

describe('hypervisor: EPT tables', () => {
  /** Pages to map, then accesses through the walk that the processor uses. */
  const ROWS: readonly {
    readonly title: string;
    readonly maps: readonly (readonly [gpa: number, hpa: number, bytes: number, rights: number])[];
    readonly walks: readonly (readonly [gpa: number, needs: number, hpa: number | undefined])[];
  }[] = [
    {
      title: 'a 4 KiB page',
      maps: [[0x7000, 0x100_7000, PAGE, EPT_RIGHTS.all]],
      walks: [
        [0x7123, EPT_RIGHTS.write, 0x100_7123],
        [0x6fff, EPT_RIGHTS.read, undefined],
        [0x8000, EPT_RIGHTS.read, undefined],
      ],
    },
    {
      title: 'a 2 MiB page',
      maps: [[0x60_0000, 0x160_0000, LARGE, EPT_RIGHTS.all]],
      walks: [
        [0x60_0000, EPT_RIGHTS.execute, 0x160_0000],
        [0x7f_ffff, EPT_RIGHTS.read, 0x17f_ffff],
        [0x80_0000, EPT_RIGHTS.read, undefined],
      ],
    },
    {
      title: 'rights',
      maps: [[0xf_f000, 0x10f_f000, PAGE, EPT_RIGHTS.read | EPT_RIGHTS.execute]],
      walks: [
        [0xf_fff0, EPT_RIGHTS.execute, 0x10f_fff0],
        [0xf_fff0, EPT_RIGHTS.write, undefined],
      ],
    },
    {
      title: 'addresses in every table of every level',
      maps: [
        [0x1_0000_0000, 0x200_0000, PAGE, EPT_RIGHTS.all],
        [0x80_4020_1000, 0x200_1000, PAGE, EPT_RIGHTS.all],
      ],
      walks: [
        [0x1_0000_0010, EPT_RIGHTS.read, 0x200_0010],
        [0x80_4020_1abc, EPT_RIGHTS.write, 0x200_1abc],
        [0x80_4020_0000, EPT_RIGHTS.read, undefined],
      ],
    },
  ];
  for (const { title, maps, walks } of ROWS)
    it(`map ${title}`, () => {
      const { ept, walker } = setUp();
      for (const map of maps) ept.map(...map);
      for (const [gpa, needs, hpa] of walks) {
        const outcome = walker.translate(gpa, needs);
        assert.equal(outcome, hpa === undefined ? EPT_VIOLATION : WALK_OK, gpa.toString(16));
        if (hpa !== undefined) assert.equal(walker.hostPhysical, hpa);
      }
    });

  it('change rights of what is mapped', () => {
    const { ept, walker } = setUp();
    ept.map(0xf_0000, 0x10f_0000, PAGE, EPT_RIGHTS.read);
    ept.setRights(0xf_0123, EPT_RIGHTS.all);
    assert.equal(walker.translate(0xf_0000, EPT_RIGHTS.write), WALK_OK);
    assert.equal(ept.rightsAt(0xf_0fff), EPT_RIGHTS.all);
    assert.equal(ept.rightsAt(0xf_1000), 0);
    assert.throws(() => ept.setRights(0xf_1000, EPT_RIGHTS.all), /no EPT page maps/);
  });

  it('refuse what is no page', () => {
    const { ept } = setUp();
    assert.throws(() => ept.map(0x1000, 0x1000, LARGE, EPT_RIGHTS.all), /cannot map/);
    assert.throws(() => ept.map(0x1001, 0x1000, PAGE, EPT_RIGHTS.all), /cannot map/);
    ept.map(0x20_0000, 0x120_0000, LARGE, EPT_RIGHTS.all);
    assert.throws(() => ept.map(0x20_1000, 0x120_1000, PAGE, EPT_RIGHTS.all), /where a table should be/);
  });
});

describe('hypervisor: what the guest has', () => {
  /** RAM in bytes, address, page that EPT maps for it. */
  const ROWS: readonly (readonly [
    memory: number,
    gpa: number,
    page: readonly [base: number, bytes: number, kind: string] | undefined,
  ])[] = [
    [64 * MIB, 0, [0, PAGE, 'ram']],
    [64 * MIB, 0x9_fc00, [0x9_f000, PAGE, 'ram']],
    [64 * MIB, 0xb_8000, [0xb_8000, PAGE, 'ram']],
    [64 * MIB, 0xc_0000, [0xc_0000, PAGE, 'rom']],
    [64 * MIB, 0xf_fff0, [0xf_f000, PAGE, 'rom']],
    [64 * MIB, 0x10_0000, [0x10_0000, PAGE, 'ram']],
    [64 * MIB, 0x1f_ffff, [0x1f_f000, PAGE, 'ram']],
    [64 * MIB, 0x20_0000, [0x20_0000, LARGE, 'ram']],
    [64 * MIB, 0x3ff_ffff, [0x3e0_0000, LARGE, 'ram']],
    [64 * MIB, 0x400_0000, undefined],
    [64 * MIB, 0xfee0_0008, [0xfee0_0000, PAGE, 'device']],
    [64 * MIB, 0xfef0_0000, undefined],
    // Memory that ends within 2 MiB ends in small pages.
    [5 * MIB, 0x40_0000, [0x40_0000, PAGE, 'ram']],
    [5 * MIB, 0x50_0000, undefined],
    // Above C0000000h RAM goes on at 4 GiB.
    [0xc010_0000, 0xbfff_ffff, [0xbfe0_0000, LARGE, 'ram']],
    [0xc010_0000, 0xc000_0000, undefined],
    [0xc010_0000, 0x1_0000_0000, [0x1_0000_0000, PAGE, 'ram']],
    [0xc020_0000, 0x1_0000_0000, [0x1_0000_0000, LARGE, 'ram']],
  ];
  for (const [memoryBytes, gpa, page] of ROWS)
    it(`with ${memoryBytes / MIB} MiB at ${gpa.toString(16)}h: ${page === undefined ? 'nothing' : page[2]}`, () => {
      const expected = page && { base: page[0], bytes: page[1], kind: page[2] };
      assert.deepEqual(new GuestMemoryMap(memoryBytes, 'stop').pageAt(gpa), expected);
    });

  it('has pages everywhere where absent devices float, large ones where there is nothing else', () => {
    const map = new GuestMemoryMap(64 * MIB, 'float');
    for (const [gpa, base, bytes, kind] of [
      [0x3ff_ffff, 0x3e0_0000, LARGE, 'ram'],
      [0x400_0000, 0x400_0000, LARGE, 'device'],
      [0xfee0_1008, 0xfee0_1000, PAGE, 'device'],
      [0xfef0_0000, 0xfee0_0000 + 0x10_0000, PAGE, 'device'],
      [0xff00_0000, 0xff00_0000, LARGE, 'device'],
    ] as const)
      assert.deepEqual(map.pageAt(gpa), { base, bytes, kind });
  });

  it('is declared at GUEST_BASE', () => {
    const { physical } = setUp();
    assert.equal(physical.kind(GUEST_BASE), 'ram');
    assert.equal(physical.kind(GUEST_BASE + 0xf_0000), 'rom');
    assert.equal(physical.kind(GUEST_BASE + 64 * MIB - 1), 'ram');
    assert.equal(physical.kind(GUEST_BASE + 64 * MIB), 'none');
    assert.equal(physical.kind(0), 'ram');
  });
});
