import assert from 'node:assert/strict';
import type { EptWalk, Walk } from '../../debug-adapter/engine/index.ts';
import { presentWalk } from '../../debug-adapter/present/page-walk.ts';

const ept: EptWalk = {
  guestPhysical: 0x3000,
  eptPointer: 0x101en,
  steps: [
    {
      level: 'EPT PDE',
      entryAddress: 0x2000,
      index: 0,
      entry: 0xb7n,
      leaf: true,
      flags: ['R', 'W', 'X', 'PS'],
      points: 0,
      verdict: 'ok',
    },
  ],
  hostPhysical: 0x3000,
  pageBytes: 0x20_0000,
  failure: undefined,
};
const walk: Walk = {
  linear: 0xffff_8000_0000_0123n,
  mode: '4-level',
  cr3: 0x3000n,
  access: { kind: 'write', user: true },
  steps: [
    {
      level: 'PML4E',
      entryAddress: 0x3800,
      index: 256,
      entry: 0x4007n,
      entryBytes: 8,
      leaf: false,
      flags: ['P'],
      points: 0x4000,
      verdict: 'ok',
      ept,
    },
    {
      level: 'PDPTE',
      entryAddress: 0x4000,
      index: 0,
      entry: (1n << 63n) | 0x4000_0085n,
      entryBytes: 8,
      leaf: true,
      flags: ['P', 'PS', 'XD'],
      points: 0x4000_0000,
      verdict: 'not-writable',
      ept: undefined,
    },
  ],
  guestPhysical: undefined,
  ept: undefined,
  hostPhysical: undefined,
  pageBytes: undefined,
  failure: '#PF: PDPTE not writable',
  references: 6,
};

describe('page walk for the wire', () => {
  const body = presentWalk(walk);

  it('is JSON with fixed-width addresses', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(body)), body);
    assert.equal(body.linear, '0xffff800000000123');
    assert.equal(body.steps[0]?.entryReference, 'gpa:0x0000000000003800');
    assert.equal(body.steps[0]?.ept?.steps[0]?.entryReference, 'hpa:0x0000000000002000');
  });

  it('leaves out what a failed walk does not have, and marks the entry that failed', () => {
    assert.ok(!('guestPhysical' in body) && !('hostPhysical' in body) && !('pageBytes' in body));
    assert.equal(body.failure, '#PF: PDPTE not writable');
    assert.deepEqual(
      body.steps.map(({ failing, verdict }) => [failing, verdict]),
      [
        [false, 'ok'],
        [true, 'not writable'],
      ],
    );
  });

  it('decodes bits by level: a 1 GiB page has its address from bit 30 on', () => {
    const page = body.steps[1]?.fields.find(({ name }) => name === 'page');
    assert.deepEqual([page?.bit, page?.width, page?.value], [30, 22, 1]);
    assert.equal(body.steps[1]?.fields.find(({ name }) => name === 'XD')?.value, 1);
    const table = body.steps[0]?.fields.find(({ name }) => name === 'table');
    assert.equal(table?.bit, 12);
  });

  it('blames the EPT where it refuses a table', () => {
    const refused: Walk = {
      ...walk,
      steps: [
        { ...walk.steps[0]!, ept: { ...ept, hostPhysical: undefined, failure: 'EPT violation: PDE not readable' } },
      ],
    };
    const [step] = presentWalk(refused).steps;
    assert.deepEqual([step?.failing, step?.verdict], [true, 'EPT refuses the table']);
  });
});
