import assert from 'node:assert/strict';
import { CR0, CR4 } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { GP, PF } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { AC } from '../../debug-adapter/engine/cpu/flags.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { READ, SUPERVISOR, USER, WALK_OK, WRITE } from '../../debug-adapter/engine/memory/paging.ts';
import { TLB_SPACES } from '../../debug-adapter/engine/memory/tlb.ts';
import { TestMachine } from './harness.ts';

const PT = 0x30_3000;
const LINEAR = 0x40_0000n; // page 0 of a 4 KiB table that maps to 10000h up

/** longMode with the third 2 MiB as 4 KiB pages, user writable, nothing accessed. */
function machine4K(cpl: 0 | 3 = 0): TestMachine {
  const machine = new TestMachine().longMode(cpl);
  machine.write(0x30_2010, BigInt(PT) | 7n);
  for (let i = 0; i < 16; i++) machine.write(PT + i * 8, BigInt(0x1_0000 + i * 4096) | 7n);
  return machine;
}
const cached = (machine: TestMachine, linear: bigint, kind: 0 | 2 | 4): boolean =>
  machine.tlb.lookup(
    Number(BigInt.asIntN(32, linear)),
    Number(linear >> 32n),
    machine.state.get32(LAYOUT.tlbTag),
    kind,
  ) >= 0;
const rights = (machine: TestMachine, linear = LINEAR): string =>
  `${cached(machine, linear, 0) ? 'r' : '-'}${cached(machine, linear, 2) ? 'w' : '-'}${cached(machine, linear, 4) ? 'x' : '-'}`;

describe('translation and the TLB', () => {
  it('caches writing only once the dirty flag is set', () => {
    const machine = machine4K();
    machine.cpu.readLinear(LINEAR, 8);
    assert.equal(rights(machine), 'r-x');
    machine.cpu.writeLinear(LINEAR, 8, 0x1122_3344_5566_7788n);
    assert.equal(rights(machine), 'rwx');
    assert.equal(machine.read(0x1_0000), 0x1122_3344_5566_7788n);
    assert.equal(machine.read(PT) & 0x60n, 0x60n);
  });

  it('caches by privilege: a supervisor page serves no user', () => {
    const machine = machine4K();
    machine.write(PT, 0x1_0003n);
    machine.cpu.readLinear(LINEAR, 1);
    machine.state.setSegment('SS', { ...machine.state.segment('SS'), accessRights: 0xc0f3 });
    machine.cpu.modeChanged();
    assert.equal(machine.state.cpl, 3);
    assert.equal(rights(machine), '---');
    assert.deepEqual(
      machine.attempt(() => machine.cpu.readLinear(LINEAR, 1)),
      { kind: 'fault', vector: PF, error: 5, linear: LINEAR },
    );
    assert.equal(machine.attempt(() => machine.cpu.readSystem(LINEAR, 1)).kind, 'done');
  });

  it('keeps pages with decoded code, ROM and watched pages on the slow path', () => {
    const machine = machine4K();
    const written: number[] = [];
    machine.physical.onCodeWrite = (frame) => {
      written.push(frame);
      machine.physical.codeFrames[frame] = 0;
    };
    const frame = machine.physical.frameOf(0x1_0000);
    machine.cpu.writeLinear(LINEAR, 1, 1n);
    machine.physical.codeFrames[frame] = 1;
    machine.tlb.protectFrame(machine.physical.frameOffset(frame));
    assert.equal(rights(machine), 'r-x');
    machine.cpu.writeLinear(LINEAR, 1, 2n);
    assert.deepEqual(written, [frame]);
    assert.equal(rights(machine), 'rwx', 'the code is gone, writing is cached again');

    machine.cpu.translation.watchPages('debugger', [LINEAR + 0x123n]);
    machine.cpu.writeLinear(LINEAR, 1, 3n);
    assert.equal(rights(machine), '--x');
    assert.equal(machine.read(0x1_0000, 1), 3n);
    machine.cpu.translation.watchPages('debugger', []);
    machine.cpu.writeLinear(LINEAR, 1, 4n);
    assert.equal(rights(machine), 'rwx');

    machine.physical.setPages(0x11, 1, 'rom');
    machine.cpu.writeLinear(LINEAR + 4096n, 1, 9n);
    assert.equal(machine.read(0x1_1000, 1), 0n);
    machine.cpu.readLinear(LINEAR + 4096n, 1);
    assert.equal(rights(machine, LINEAR + 4096n), 'r-x');
  });

  it('hands accesses outside memory to the bus, uncached', () => {
    const machine = machine4K();
    machine.write(PT, 0xfee0_0007n);
    assert.equal(machine.cpu.readLinear(LINEAR, 4), 0x55n);
    machine.cpu.writeLinear(LINEAR + 4n, 2, 0x1234n);
    assert.deepEqual(machine.portLog, ['mmio read fee00000', 'mmio write fee00004 2 1234']);
    assert.equal(rights(machine), '---');
    assert.equal(machine.cpu.translation.translate(Number(LINEAR), 0, READ, SUPERVISOR), WALK_OK);
    assert.deepEqual([machine.cpu.translation.hostOffset, machine.cpu.translation.hostPhysical], [-1, 0xfee0_0000]);
  });

  it('an access across pages judges both before it changes either', () => {
    const machine = machine4K();
    machine.write(PT + 8, 0x1_1005n);
    const result = machine.attempt(() => machine.cpu.writeLinear(LINEAR + 0xffdn, 8, -1n));
    assert.deepEqual(result, { kind: 'fault', vector: PF, error: 3, linear: LINEAR + 0x1000n });
    assert.equal(machine.read(0x1_0ff8), 0n);
    machine.write(PT + 8, 0x1_5007n);
    machine.cpu.flushTlb('all');
    machine.cpu.writeLinear(LINEAR + 0xffdn, 8, 0x0807_0605_0403_0201n);
    assert.equal(machine.cpu.readLinear(LINEAR + 0xffdn, 8), 0x0807_0605_0403_0201n);
    assert.deepEqual([machine.read(0x1_0ffd, 1), machine.read(0x1_5000, 1)], [1n, 4n]);
  });

  it('refuses addresses that are not canonical', () => {
    const machine = machine4K();
    assert.deepEqual(
      machine.attempt(() => machine.cpu.readLinear(0x8000_0000_0000n, 1)),
      { kind: 'fault', vector: GP, error: 0, linear: undefined },
    );
  });

  it('INVLPG drops a page, and all of a space that has large pages', () => {
    const machine = machine4K();
    machine.cpu.readLinear(LINEAR, 1);
    machine.cpu.readLinear(LINEAR + 4096n, 1);
    machine.state.setGpr(0, LINEAR);
    machine.execute('0f 01 38'); // invlpg [rax]
    assert.deepEqual([rights(machine), rights(machine, LINEAR + 4096n)], ['---', 'r-x']);
    machine.cpu.readLinear(0x20_0000n, 1); // a 2 MiB page
    machine.state.setGpr(0, 0x3f_0000n);
    machine.execute('0f 01 38');
    assert.equal(rights(machine, 0x20_0000n), '---');
  });

  it('MOV CR3 drops the current PCID only, and nothing with bit 63 set', () => {
    const machine = machine4K();
    machine.state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.PCIDE));
    const cr3 = (value: bigint): void => {
      machine.state.setGpr(0, value);
      assert.equal(machine.execute('0f 22 d8').kind, 'done');
    };
    const keep = 1n << 63n;
    cr3(0x30_0001n);
    machine.cpu.readLinear(LINEAR, 1);
    cr3(0x30_0002n);
    assert.equal(rights(machine), '---');
    cr3(keep | 0x30_0001n);
    assert.equal(rights(machine), 'r-x');
    cr3(0x30_0001n);
    assert.equal(rights(machine), '---');
  });

  it('recycles tags when all are used, without ever serving an old translation', () => {
    const machine = machine4K();
    machine.cpu.readLinear(LINEAR, 1);
    for (let i = 0; i < 2 * TLB_SPACES; i++) {
      machine.cpu.flushTlb('current');
      assert.equal(rights(machine), '---');
      machine.cpu.readLinear(LINEAR, 1);
    }
    assert.equal(rights(machine), 'r-x');
  });

  it('cached rights depend on WP, SMEP and SMAP in force', () => {
    const machine = machine4K();
    machine.write(PT, 0x1_0067n - 2n); // read-only user page, dirty
    machine.state.set64(LAYOUT.cr0, BigInt((CR0.PG | CR0.PE | CR0.ET) >>> 0));
    machine.cpu.modeChanged();
    machine.cpu.readLinear(LINEAR, 1);
    assert.equal(rights(machine), 'rwx');
    machine.state.set64(LAYOUT.cr0, BigInt((CR0.PG | CR0.PE | CR0.ET | CR0.WP) >>> 0));
    machine.cpu.modeChanged();
    assert.equal(rights(machine), '---');
    machine.state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.SMAP));
    machine.cpu.modeChanged();
    assert.equal(machine.attempt(() => machine.cpu.readLinear(LINEAR, 1)).kind, 'fault');
    machine.state.systemFlags |= AC;
    machine.cpu.modeChanged();
    assert.equal(machine.attempt(() => machine.cpu.readLinear(LINEAR, 1)).kind, 'done');
    assert.equal(machine.attempt(() => machine.cpu.readSystem(LINEAR, 1)).kind, 'fault', 'implicit accesses ignore AC');
  });

  it('an EPT violation asks the intercepts with what the qualification needs', () => {
    const machine = machine4K();
    machine.state.set32(LAYOUT.vmxMode, 2);
    machine.state.set64(LAYOUT.eptPointer, 0x20_001en);
    machine.write(0x20_0000, 0x20_1007n);
    machine.write(0x20_1000, 0x20_2007n);
    machine.write(0x20_2000, 0xb7n); // first 2 MiB
    machine.write(0x20_2008, 0x20_00b5n); // second: tables, not writable
    machine.cpu.modeChanged();
    assert.deepEqual(
      machine.attempt(() => machine.cpu.readLinear(LINEAR, 1)),
      { kind: 'exit' },
    );
    const [fault] = machine.intercepts.eptFaults;
    assert.deepEqual(fault, {
      kind: 'violation',
      guestPhysical: 0x30_2010,
      linear: LINEAR,
      access: { read: true, write: true, execute: false },
      permissions: 5,
      duringWalk: true,
    });
    assert.equal(machine.cpu.translation.translate(Number(LINEAR), 0, WRITE, USER) === WALK_OK, false);
  });
});
