import assert from 'node:assert/strict';
import type { VmcsField } from '../../../debug-adapter/protocol/vmcs.ts';
import {
  changedFields,
  snapshotOf,
  vmcsAsText,
  vmcsNodes,
  type PresentVmcs,
} from '../../../extension/views/vmcs/nodes.ts';
import { find, identities, outline } from './outline.ts';

const field = (key: string, title: string, value: string, more: Partial<VmcsField> = {}): VmcsField => ({
  key,
  title,
  encoding: '0x0000681e',
  bytes: 8,
  value,
  writable: true,
  ...more,
});

const vmcs = (rip: string, address = '0x0000000000005000'): PresentVmcs => ({
  present: true,
  address,
  addressReference: `hpa:${address}`,
  launchState: 'launched',
  groups: [
    {
      area: 'guest state',
      title: 'Guest state',
      fields: [
        field('GUEST_TR_SELECTOR', 'Guest TR selector', '0x0028', { encoding: '0x0000080e', bytes: 2 }),
        field('GUEST_RIP', 'Guest RIP', rip),
        field('GUEST_CR0', 'Guest CR0', '0x0000000080000031', {
          fields: [
            { name: 'PE', bit: 0, width: 1, value: 1, meaning: 'protected mode' },
            { name: 'TS', bit: 3, width: 1, value: 0 },
            { name: 'PG', bit: 31, width: 1, value: 1, meaning: 'paging' },
          ],
        }),
      ],
    },
    {
      area: 'exit information',
      title: 'Exit information',
      fields: [
        field('GUEST_PHYSICAL_ADDRESS', 'Guest-physical address', '0x0', { encoding: '0x00002400', writable: false }),
        field('EXIT_REASON', 'Exit reason', '0x0000000a', { encoding: '0x00004402', bytes: 4, writable: false }),
      ],
    },
  ],
});

const before = vmcs('0x0000000000401000');
const after = vmcs('0x0000000000401002');

describe('extension: VMCS view', () => {
  it('shows areas, fields (registers first) and decoded bits', () => {
    assert.deepEqual(outline(vmcsNodes(before, new Map())), [
      'VMCS at 0x5000: launch state: launched',
      'Guest state: 3 fields',
      '  Guest RIP: 0x401000',
      '  Guest CR0: 0x80000031  PE, PG',
      '    PE: 1  protected mode',
      '    TS: 0',
      '    PG: 1  paging',
      '  Guest TR selector: 0x28',
      'Exit information: 2 fields',
      '  Exit reason: 0xa',
      '  Guest-physical address: 0x0',
    ]);
  });

  it('marks what changed since the stop before, and shows it on top', () => {
    const changed = changedFields(after, snapshotOf(before));
    assert.deepEqual([...changed], [['GUEST_RIP', '0x0000000000401000']]);
    assert.deepEqual(outline(vmcsNodes(after, changed)).slice(1, 5), [
      'Changed since the last stop: 1 field',
      '  *Guest RIP: 0x401002  was 0x401000',
      'Guest state: 3 fields, 1 changed',
      '  *Guest RIP: 0x401002  was 0x401000',
    ]);
  });

  it('compares nothing with another VMCS, nor with nothing', () => {
    assert.equal(changedFields(vmcs('0x1', '0x0000000000006000'), snapshotOf(before)).size, 0);
    assert.equal(changedFields(after, undefined).size, 0);
  });

  it('offers to set only fields that can be set', () => {
    const nodes = vmcsNodes(before, new Map());
    assert.equal(find(nodes, 'Guest RIP').vmcsField, 'GUEST_RIP');
    assert.equal(find(nodes, 'Exit reason').vmcsField, undefined);
  });

  it('gives every node an identity of its own, changed fields included', () => {
    const all = identities(vmcsNodes(after, changedFields(after, snapshotOf(before))));
    assert.equal(new Set(all).size, all.length);
  });

  it('copies all fields as text', () => {
    assert.equal(
      vmcsAsText(before),
      [
        'VMCS at 0x0000000000005000, launch state: launched',
        '',
        '*** Guest state ***',
        'GUEST_TR_SELECTOR                    0x0028',
        'GUEST_RIP                            0x0000000000401000',
        'GUEST_CR0                            0x0000000080000031 PE, PG',
        '',
        '*** Exit information ***',
        'GUEST_PHYSICAL_ADDRESS               0x0',
        'EXIT_REASON                          0x0000000a',
        '',
      ].join('\n'),
    );
  });
});
