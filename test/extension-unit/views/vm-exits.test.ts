import assert from 'node:assert/strict';
import type { ExitRow, ExitsBody } from '../../../debug-adapter/protocol/exits.ts';
import { exitNodes, exitsAsText } from '../../../extension/views/vm-exits/nodes.ts';
import { find, identities, outline } from './outline.ts';

const row = (number: number, more: Partial<ExitRow> = {}): ExitRow => ({
  number,
  instruction: 10 * number,
  threadId: 1,
  name: 'cpuid',
  title: 'CPUID',
  basicReason: 10,
  entryFailure: false,
  guestRip: '0x0000000000401012',
  place: { linear: '0x0000000000401012', symbol: 'main+0x12', path: '/w/main.asm', line: 7 },
  qualification: '0x0000000000000000',
  summary: 'leaf 0x0',
  payload: [{ name: 'leaf', value: '0x0000000000000000' }],
  ...more,
});

const EXITS: ExitsBody = {
  total: 1302,
  kept: 1002,
  start: 1000,
  rows: [
    row(1301),
    row(1302, {
      name: 'ioInstruction',
      title: 'I/O instruction',
      place: { linear: '0x0000000000401014' },
      guestRip: '0x0000000000401014',
      summary: 'OUT 3f8h, 1 byte',
    }),
  ],
  counts: [
    { name: 'ioInstruction', title: 'I/O instruction', count: 1300, share: 1300 / 1302 },
    { name: 'cpuid', title: 'CPUID', count: 2, share: 2 / 1302 },
  ],
};

describe('extension: VM Exits view', () => {
  it('shows counts by reason, then the latest exit first', () => {
    assert.deepEqual(outline(exitNodes(EXITS)), [
      'Counts: 1,302 exits, 2 reasons',
      '  I/O instruction: 1,300  (100 %)',
      '  CPUID: 2  (0.2 %)',
      '#1302 I/O instruction: 0x401014  OUT 3f8h, 1 byte',
      '#1301 CPUID: main+0x12  leaf 0x0',
      'Show older exits: 1,000 more',
    ]);
  });

  it('says when the oldest exits are gone for good', () => {
    const nodes = exitNodes({ ...EXITS, kept: 2, start: 0 });
    assert.equal(nodes.at(-1)?.label, '1,300 older exits no longer kept');
  });

  it('is empty before the first exit', () => {
    assert.deepEqual(exitNodes({ total: 0, kept: 0, start: 0, rows: [], counts: [] }), []);
  });

  it('goes to the source line where one is known', () => {
    const nodes = exitNodes(EXITS);
    assert.deepEqual(find(nodes, '#1301 CPUID').click, { kind: 'source', path: '/w/main.asm', line: 7 });
    assert.equal(find(nodes, '#1302 I/O instruction').click, undefined);
  });

  it('marks a failed VM entry', () => {
    const [, node] = exitNodes({ ...EXITS, rows: [row(1, { entryFailure: true })] });
    assert.deepEqual(node?.icon, { name: 'error', colour: 'error' });
  });

  it('gives every node an identity of its own', () => {
    const all = identities(exitNodes(EXITS));
    assert.equal(new Set(all).size, all.length);
  });

  it('copies counts and rows as text', () => {
    const lines = exitsAsText(EXITS).split('\n');
    assert.equal(lines[0], 'VM exit              exits   share');
    assert.equal(lines[3], 'total                 1302');
    assert.match(exitsAsText(EXITS), /^#1301 {2}CPUID {2}rip 0x0000000000401012 .* main\+0x12 {2}leaf 0x0$/m);
  });
});
