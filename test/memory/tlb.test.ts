/** The software TLB by itself; what fills it is tested with the walks. */
import assert from 'node:assert/strict';
import { Tlb, TLB_BYTES } from '../../debug-adapter/engine/memory/tlb.ts';

const SUPERVISOR_TAG = 5 << 2;
const USER_TAG = SUPERVISOR_TAG | 1;
const LINEAR = 0x40_1000;
const READ = 0;

const newTlb = (): Tlb => new Tlb({ buffer: new ArrayBuffer(TLB_BYTES) }, 0);

describe('The software TLB', () => {
  it('keeps what user and supervisor see of one page side by side', () => {
    const tlb = newTlb();
    tlb.fill(LINEAR, 0, SUPERVISOR_TAG, true, true, true, 0x1000, 0);
    tlb.fill(LINEAR, 0, USER_TAG, true, false, true, 0x2000, 0);
    assert.equal(tlb.lookup(LINEAR, 0, SUPERVISOR_TAG, READ), 0x1000);
    assert.equal(tlb.lookup(LINEAR, 0, USER_TAG, READ), 0x2000);
  });

  it('forgets a page for every kind of access at once', () => {
    const tlb = newTlb();
    for (let kind = 0; kind < 4; kind++) tlb.fill(LINEAR, 0, SUPERVISOR_TAG | kind, true, true, true, 0x1000, 0);
    tlb.flushPage(LINEAR, SUPERVISOR_TAG);
    for (let kind = 0; kind < 4; kind++) assert.equal(tlb.lookup(LINEAR, 0, SUPERVISOR_TAG | kind, READ), -1);
  });
});
