import assert from 'node:assert/strict';
import { Spaces, type SpaceKey } from '../../debug-adapter/engine/memory/spaces.ts';
import { Tlb, TLB_BYTES } from '../../debug-adapter/engine/memory/tlb.ts';

const EPT_A = 0x20_0000;
const EPT_B = 0x30_0000;
/** Spaces whose survival is looked at after each flush. */
const KEYS: Readonly<Record<string, SpaceKey>> = {
  root: { vpid: 0, pcid: 0, ept: 0, pkru: 0, mode: 3 },
  'root, PCID 5': { vpid: 0, pcid: 5, ept: 0, pkru: 0, mode: 3 },
  'VPID 1, EPT A': { vpid: 1, pcid: 0, ept: EPT_A, pkru: 0, mode: 3 },
  'VPID 1, EPT A under PKRU': { vpid: 1, pcid: 0, ept: EPT_A, pkru: 0xffff_fffc, mode: 3 },
  'VPID 1, EPT A with dirty flags': { vpid: 1, pcid: 0, ept: EPT_A + 1, pkru: 0, mode: 3 },
  'VPID 1, EPT B': { vpid: 1, pcid: 0, ept: EPT_B, pkru: 0, mode: 3 },
  'VPID 2, PCID 5, EPT B': { vpid: 2, pcid: 5, ept: EPT_B, pkru: 0, mode: 3 },
};

const FLUSHES: readonly [string, (spaces: Spaces) => void, readonly string[]][] = [
  [
    'one PCID of a VPID, under every EPT',
    (s) => s.flushContext(1, 0),
    ['root', 'root, PCID 5', 'VPID 2, PCID 5, EPT B'],
  ],
  [
    'a VPID',
    (s) => s.flushVpid(0),
    [
      'VPID 1, EPT A',
      'VPID 1, EPT A under PKRU',
      'VPID 1, EPT A with dirty flags',
      'VPID 1, EPT B',
      'VPID 2, PCID 5, EPT B',
    ],
  ],
  [
    'an EPT pointer, whatever its low bits',
    (s) => s.flushEpt(EPT_A),
    ['root', 'root, PCID 5', 'VPID 1, EPT B', 'VPID 2, PCID 5, EPT B'],
  ],
  ['everything', (s) => s.flushAll(), []],
];

function newSpaces(): { tlb: Tlb; spaces: Spaces } {
  const tlb = new Tlb(new WebAssembly.Memory({ initial: TLB_BYTES / 65536 }), 0);
  return { tlb, spaces: new Spaces(tlb) };
}

describe('address spaces', () => {
  it('have tags of their own, the same each time', () => {
    const { spaces } = newSpaces();
    const tags = Object.values(KEYS).map((key) => spaces.tagOf(key));
    assert.equal(new Set(tags).size, tags.length);
    assert.deepEqual(
      Object.values(KEYS).map((key) => spaces.tagOf(key)),
      tags,
    );
    assert.ok(tags.every((tag) => (tag & 3) === 0 && tag > 0));
  });

  for (const [name, flush, survivors] of FLUSHES)
    it(`flush of ${name}`, () => {
      const { tlb, spaces } = newSpaces();
      const names = Object.keys(KEYS);
      const cached = (key: SpaceKey): boolean => tlb.lookup(0x5000, 0, spaces.tagOf(key), 0) >= 0;
      for (const key of Object.values(KEYS)) tlb.fill(0x5000, 0, spaces.tagOf(key), true, false, false, 0x1000, 5);
      assert.ok(names.every((each) => cached(KEYS[each]!)));
      flush(spaces);
      assert.deepEqual(
        names.filter((each) => cached(KEYS[each]!)),
        survivors,
      );
    });

  it('INVLPG reaches every PCID where global pages were cached under several', () => {
    const { tlb, spaces } = newSpaces();
    const [one, five] = [KEYS.root!, KEYS['root, PCID 5']!];
    for (const key of [one, five]) tlb.fill(0x5000, 0, spaces.tagOf(key), true, false, false, 0x1000, 5);
    spaces.flushPage(0x5000, 0, 0);
    assert.deepEqual(
      [one, five].map((key) => tlb.lookup(0x5000, 0, spaces.tagOf(key), 0) >= 0),
      [false, true],
    );
    spaces.noteGlobalUnderPcid();
    spaces.flushPage(0x5000, 0, 0);
    assert.equal(tlb.lookup(0x5000, 0, spaces.tagOf(five), 0), -1);
  });
});
