import assert from 'node:assert/strict';
import type { EptWalkBody, PageWalkBody, TableEntry } from '../../../debug-adapter/protocol/page-walk.ts';
import { pageTableNodes } from '../../../extension/views/page-tables/nodes.ts';
import { expressionOfVariable } from '../../../extension/views/page-tables/variable.ts';
import { find, identities, outline } from './outline.ts';

const hex = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;

function entry(level: string, at: number, value: number, more: Partial<TableEntry> = {}): TableEntry {
  return {
    level,
    index: (at & 0xfff) / 8,
    entryAddress: hex(at),
    entryReference: `gpa:${hex(at)}`,
    entry: hex(value),
    entryBytes: 8,
    leaf: false,
    flags: ['P', 'R/W'],
    fields: [{ name: 'P', bit: 0, width: 1, value: value & 1, meaning: 'present' }],
    points: hex(value & ~0xfff),
    pointsReference: `gpa:${hex(value & ~0xfff)}`,
    failing: false,
    verdict: 'ok',
    ...more,
  };
}

const ept = (address: number, more: Partial<EptWalkBody> = {}): EptWalkBody => ({
  guestPhysical: hex(address),
  eptPointer: hex(0x10000),
  steps: [
    entry('EPT PML4E', 0x10000, 0x11007, { flags: ['R', 'W', 'X'] }),
    entry('EPT PDE', 0x11000, 0x800087, { flags: ['R', 'W', 'X', 'PS'], leaf: true }),
  ],
  hostPhysical: hex(address + 0x800000),
  pageBytes: 2 ** 21,
  ...more,
});

const NESTED: PageWalkBody = {
  linear: hex(0x401000),
  mode: '4-level',
  cr3: hex(0x1000),
  access: 'write',
  user: true,
  steps: [
    { ...entry('PML4E', 0x1000, 0x2003), ept: ept(0x1000) },
    { ...entry('PDE', 0x2010, 0x400083, { leaf: true }), ept: ept(0x2010) },
  ],
  guestPhysical: hex(0x401000),
  guestPhysicalReference: `gpa:${hex(0x401000)}`,
  ept: ept(0x401000),
  hostPhysical: hex(0xc01000),
  hostPhysicalReference: `hpa:${hex(0xc01000)}`,
  pageBytes: 2 ** 21,
  references: 8,
  nested: true,
};

const FAILING: PageWalkBody = {
  linear: hex(0xdead000),
  mode: '4-level',
  cr3: hex(0x1000),
  access: 'read',
  user: false,
  steps: [
    entry('PML4E', 0x1000, 0x2003),
    entry('PDPTE', 0x2000, 0, { flags: [], failing: true, verdict: 'not present' }),
  ],
  failure: '#PF: PDPTE not present',
  references: 2,
  nested: false,
};

describe('extension: Page Tables view', () => {
  it('shows each level with the EPT walk of its table read, then both results', () => {
    const lines = outline(pageTableNodes(NESTED, '0x401000'));
    assert.deepEqual(lines.slice(0, 13), [
      '0x401000: 8 memory references, write by user',
      'PML4E [0]: 0x2003  P R/W',
      '  EPT of 0x1000: → 0x801000, 2 reads',
      '    EPT PML4E [0]: 0x11007  R W X',
      '      Entry: 0x11007 at 0x10000',
      '      Next table: 0x11000',
      '      Bits: R W X',
      '        P: 1  present',
      '    EPT PDE [0]: 0x800087  R W X PS',
      '      Entry: 0x800087 at 0x11000',
      '      Page: 0x800000',
      '      Bits: R W X PS',
      '        P: 1  present',
    ]);
    assert.deepEqual(
      lines.filter((line) => !line.startsWith(' ')),
      [
        '0x401000: 8 memory references, write by user',
        'PML4E [0]: 0x2003  P R/W',
        'PDE [2]: 0x400083  P R/W',
        'Guest-physical: 0x401000, 2 MiB page',
        'Host-physical: 0xc01000',
      ],
    );
  });

  it('marks and opens the failing entry, and says why', () => {
    const nodes = pageTableNodes(FAILING, 'rip');
    assert.deepEqual(
      outline(nodes).filter((line) => !line.startsWith(' ')),
      [
        '!rip = 0xdead000: 2 memory references, read by supervisor',
        'PML4E [0]: 0x2003  P R/W',
        '!PDPTE [0]: not present (0x0)',
        '!#PF: PDPTE not present',
      ],
    );
    const failing = find(nodes, 'PDPTE [0]');
    assert.equal(failing.expanded, true);
    assert.match(failing.tooltip ?? '', /\*\*The walk ends here: not present\.\*\*/);
    // What an entry that is not present points at means nothing.
    assert.ok(!(failing.children ?? []).some(({ label }) => label === 'Next table'));
  });

  it('opens a failing EPT walk down to the entry', () => {
    const broken = ept(0x401000, {
      steps: [entry('EPT PML4E', 0x10000, 0, { flags: [], failing: true, verdict: 'not present' })],
      failure: 'EPT violation: EPT PML4E not present',
    });
    const { hostPhysical: _, ...withoutHost } = broken;
    const nodes = pageTableNodes(
      { ...NESTED, ept: withoutHost, failure: 'EPT violation: EPT PML4E not present' },
      'rip',
    );
    const result = find(nodes, 'Guest-physical');
    assert.equal(result.icon?.colour, 'error');
    assert.equal(result.expanded, true);
    assert.equal(result.children?.[0]?.expanded, true);
  });

  it('opens the memory of an entry on a click', () => {
    const level = find(pageTableNodes(FAILING, 'rip'), 'PML4E [0]');
    const click = level.children?.find(({ label }) => label === 'Entry')?.click;
    assert.deepEqual(click, {
      kind: 'memory',
      memory: { reference: `gpa:${hex(0x1000)}`, bytes: 8, title: 'PML4E [0] of 0xdead000' },
    });
  });

  it('says that without paging a linear address is the physical one', () => {
    const nodes = pageTableNodes(
      {
        linear: hex(0x7c00),
        mode: 'off',
        cr3: hex(0),
        access: 'execute',
        user: false,
        steps: [],
        guestPhysical: hex(0x7c00),
        guestPhysicalReference: `gpa:${hex(0x7c00)}`,
        hostPhysical: hex(0x7c00),
        references: 0,
        nested: false,
      },
      'rip',
    );
    assert.deepEqual(outline(nodes), [
      'rip = 0x7c00: 0 memory references, fetch by supervisor',
      'Guest-physical: 0x7c00',
    ]);
  });

  it('gives every node an identity of its own that stays from stop to stop', () => {
    const first = identities(pageTableNodes(NESTED, 'rip'));
    assert.equal(new Set(first).size, first.length);
    assert.deepEqual(identities(pageTableNodes({ ...NESTED, linear: hex(0x401008) }, 'rip')), first);
  });

  it('walks what a variable stands for: its name, its memory, its value; of a watch its expression', () => {
    const ofVariable = (variable: object): string | undefined => expressionOfVariable({ variable });
    assert.equal(ofVariable({ evaluateName: 'rax', memoryReference: '0x1000', value: '5' }), 'rax');
    assert.equal(ofVariable({ memoryReference: '0x1000', value: '5' }), '0x1000');
    assert.equal(ofVariable({ memoryReference: 'gpa:0x1000', value: '0x5' }), '0x5');
    assert.equal(expressionOfVariable({ name: 'rsp + 8' }), 'rsp + 8');
    assert.equal(expressionOfVariable(undefined), undefined);
  });
});
