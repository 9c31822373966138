import assert from 'node:assert/strict';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { ACCESS_RIGHTS } from '../../debug-adapter/engine/cpu/state.ts';
import { NO_VMCS } from '../../debug-adapter/engine/vmx/context.ts';
import { vmcsFields } from '../../debug-adapter/engine/vmx/vmcs-fields.ts';
import { flat32, long, paeWithEpt, real } from './entry-check-faults.ts';
import type { Bench } from './entry-check-faults.ts';
import { BYTES, decodeBytes, execute, GUEST_RIP, HOST_RIP, outcomeOf, TABLES_AT } from './fake-cpu.ts';

const launch = (b: Bench): void => {
  assert.equal(execute(b.f.cpu, BYTES.vmlaunch).kind, 'done');
  assert.equal(b.f.vmx.mode, 2);
};
/** Leaves the guest by CPUID. */
const leave = (b: Bench): void => {
  const { cpu } = b.f;
  const instruction = decodeBytes(cpu, [0x0f, 0xa2]);
  assert.equal(outcomeOf(() => cpu.intercepts.instruction({ kind: 'cpuid' }, instruction)).kind, 'exit');
  assert.equal(b.f.vmx.mode, 1);
};
const MSR_AREA = 0xc000;
const msrEntry = (b: Bench, number: number, index: number, value: bigint, reserved = 0) => {
  const at = MSR_AREA + 16 * number;
  b.f.cpu.physical.write(at, 4, index);
  b.f.cpu.physical.write(at + 4, 4, reserved);
  b.f.cpu.physical.write64(at + 8, value);
};

describe('VM entry', () => {
  it('loads the guest-state area', () => {
    const b = long();
    b.set('GUEST_RFLAGS', 0x246);
    b.set('GUEST_GDTR_BASE', 0x1111_0000);
    b.set('GUEST_IDTR_LIMIT', 0xfff);
    b.set('GUEST_FS_BASE', 0xffff_8000_0000_1000n);
    b.set('GUEST_SYSENTER_CS', 0x18);
    b.set('GUEST_SYSENTER_EIP', 0xffff_8000_0000_2000n);
    launch(b);
    const { state } = b.f.cpu;
    assert.equal(state.rip, GUEST_RIP);
    assert.equal(b.f.cpu.nextRip, GUEST_RIP);
    assert.equal(state.gpr(4), 0xe000n);
    assert.equal(state.rflags, 0x246);
    assert.equal(state.get64(LAYOUT.gdtrBase), 0x1111_0000n);
    assert.equal(state.get32(LAYOUT.idtrLimit), 0xfff);
    assert.equal(state.segmentBase('FS'), 0xffff_8000_0000_1000n);
    assert.equal(state.low(LAYOUT.sysenterCs), 0x18);
    assert.equal(state.get64(LAYOUT.sysenterEip), 0xffff_8000_0000_2000n);
    assert.equal(b.f.vmx.current!.launched, true);
  });

  it('takes CR0 bits that VMX does not load from the processor', () => {
    const b = long();
    b.f.cpu.state.set64(LAYOUT.cr0, 0xc000_0031n); // CD set
    launch(b);
    assert.equal(b.f.cpu.state.get64(LAYOUT.cr0), 0xc000_0031n);
  });

  it('derives EFER from "IA-32e mode guest", or loads it', () => {
    const plain = flat32();
    launch(plain);
    assert.equal(plain.f.cpu.state.get64(LAYOUT.efer), 0n);
    const loaded = long();
    loaded.or('ENTRY_CONTROLS', 1 << 15);
    loaded.set('GUEST_IA32_EFER', 0xd01);
    launch(loaded);
    assert.equal(loaded.f.cpu.state.get64(LAYOUT.efer), 0xd01n);
  });

  it('loads DR7 and IA32_DEBUGCTL only with "load debug controls"', () => {
    const b = long();
    b.f.cpu.state.set64(LAYOUT.dr7, 0x1234n);
    b.set('GUEST_DR7', 0xd000);
    launch(b);
    assert.equal(b.f.cpu.state.get64(LAYOUT.dr7), 0x1234n);
    const loads = long();
    loads.or('ENTRY_CONTROLS', 4);
    loads.set('GUEST_DR7', 0xf0ff);
    launch(loads);
    assert.equal(loads.f.cpu.state.get64(LAYOUT.dr7), 0x24ffn);
  });

  it('puts EPT pointer, VPID and TSC offset in force, and flushes where there is no VPID', () => {
    const b = real();
    b.f.cpu.flushes.length = 0;
    launch(b);
    assert.equal(b.f.cpu.state.get64(LAYOUT.eptPointer), BigInt(TABLES_AT | 0x1e));
    assert.deepEqual(b.f.cpu.flushes, [{ vpid: 0 }]);
    const tagged = real();
    tagged.or('PROC2_CONTROLS', 1 << 5);
    tagged.set('VPID', 7);
    tagged.or('PROC1_CONTROLS', 8);
    tagged.set('TSC_OFFSET', 0xffff_ffff_ffff_fff0n);
    tagged.f.cpu.flushes.length = 0;
    launch(tagged);
    assert.deepEqual(tagged.f.cpu.flushes, []);
    assert.equal(tagged.f.cpu.state.get64(LAYOUT.vpid), 7n);
    assert.equal(tagged.f.cpu.state.get64(LAYOUT.tscOffset), 0xffff_ffff_ffff_fff0n);
    assert.equal(tagged.f.cpu.intercepts.timeStampCounter(0x20n), 0x10n);
    leave(tagged);
    for (const at of [LAYOUT.eptPointer, LAYOUT.vpid, LAYOUT.tscOffset]) assert.equal(tagged.f.cpu.state.get64(at), 0n);
  });

  it('loads the PDPTEs of a PAE guest from the VMCS with EPT', () => {
    const b = paeWithEpt();
    b.set('GUEST_PDPTE2', 0x5001);
    launch(b);
    assert.equal(b.f.cpu.state.get64(LAYOUT.pdpte + 16), 0x5001n);
    b.f.cpu.state.set64(LAYOUT.pdpte + 24, 0x6001n);
    leave(b);
    assert.equal(b.f.vmx.vmread('GUEST_PDPTE3'), 0x6001n);
  });

  it('makes a segment unusable without losing the privilege level of SS', () => {
    const b = long();
    b.set('GUEST_SS_AR', 0x1_0060);
    b.set('GUEST_CS_AR', 0xa0fb);
    b.set('GUEST_CS_SELECTOR', 0x1b);
    b.set('GUEST_SS_SELECTOR', 3);
    launch(b);
    assert.equal(b.f.cpu.state.cpl, 3);
    assert.notEqual(b.f.cpu.state.accessRights('SS') & ACCESS_RIGHTS.UNUSABLE, 0);
  });

  it('loads activity, blocking and pending debug exceptions', () => {
    const b = long();
    b.set('GUEST_ACTIVITY', 1);
    b.set('GUEST_INTERRUPTIBILITY', 8);
    b.set('GUEST_PENDING_DEBUG', 0x1001);
    launch(b);
    const { state } = b.f.cpu;
    assert.equal(state.get32(LAYOUT.activity), 1);
    assert.equal(b.f.cpu.interruptibility(), 8);
    assert.equal(state.get64(LAYOUT.pendingDebug), 0x1001n);
    const sti = long();
    sti.set('GUEST_RFLAGS', 0x202);
    sti.set('GUEST_INTERRUPTIBILITY', 1);
    launch(sti);
    assert.equal(sti.f.cpu.interruptibility(), 1);
  });

  it('injects every type of event once, and drops the valid bit at the next exit', () => {
    const cases = [
      [0x8000_0020, 'external', undefined, 0],
      [0x8000_0202, 'nmi', undefined, 0],
      [0x8000_0b0e, 'hardware-exception', 2, 0],
      [0x8000_0480, 'software-interrupt', undefined, 2],
      [0x8000_0501, 'privileged-software', undefined, 2],
      [0x8000_0603, 'software-exception', undefined, 2],
    ] as const;
    for (const [information, type, errorCode, instructionBytes] of cases) {
      const b = long();
      b.set('GUEST_RFLAGS', 0x202);
      b.set('ENTRY_INTR_INFO', information);
      b.set('ENTRY_EXCEPTION_EC', 2);
      b.set('ENTRY_INSTR_LEN', 2);
      launch(b);
      const { because, ...event } = b.f.cpu.injected[0]!;
      assert.deepEqual(event, { vector: information & 0xff, type, errorCode, instructionBytes, injected: true });
      assert.match(because ?? '', /VM entry/);
      assert.equal(b.f.cpu.interruptibility(), type === 'nmi' ? 8 : 0);
      leave(b);
      assert.equal(b.f.vmx.vmread('ENTRY_INTR_INFO'), BigInt(information & 0x7fff_ffff));
    }
  });

  it('wakes a halted guest by injection', () => {
    const b = long();
    b.set('GUEST_ACTIVITY', 1);
    b.set('GUEST_RFLAGS', 0x202);
    b.set('ENTRY_INTR_INFO', 0x8000_0020);
    launch(b);
    assert.equal(b.f.cpu.state.get32(LAYOUT.activity), 0);
  });

  it('with type 7 vector 0 makes an MTF exit pending before the first instruction', () => {
    const b = long();
    b.set('ENTRY_INTR_INFO', 0x8000_0700);
    launch(b);
    assert.equal(b.f.cpu.intercepts.wantsBoundary(), true);
    assert.equal(outcomeOf(() => b.f.cpu.intercepts.boundary()).kind, 'exit');
    assert.equal(b.f.exits[0]!.exit.name, 'monitorTrapFlag');
    assert.equal(b.f.vmx.vmread('GUEST_RIP'), GUEST_RIP);
  });

  it('loads MSRs, and fails with reason 34 and the number of the entry', () => {
    const b = long();
    b.set('ENTRY_MSR_LOAD_COUNT', 2);
    b.set('ENTRY_MSR_LOAD_ADDR', MSR_AREA);
    msrEntry(b, 0, 0xc000_0082, 0xffff_8000_0000_0000n);
    msrEntry(b, 1, 0x277, 0x0606_0606_0606_0606n);
    launch(b);
    assert.equal(b.f.cpu.state.get64(LAYOUT.lstar), 0xffff_8000_0000_0000n);
    assert.equal(b.f.cpu.state.get64(LAYOUT.pat), 0x0606_0606_0606_0606n);

    const broken = [
      ['MSR-01', 0xc000_0100, 0n, 0],
      ['MSR-02', 0x808, 0n, 0],
      ['MSR-03', 0x9b, 0n, 0],
      ['MSR-04', 0x79, 0n, 0],
      ['MSR-05', 0xc000_0082, 0n, 1],
      ['MSR-06', 0xc000_0082, 0x8000_0000_0000n, 0],
    ] as const;
    for (const [id, index, value, reserved] of broken) {
      const bad = long();
      bad.set('ENTRY_MSR_LOAD_COUNT', 2);
      bad.set('ENTRY_MSR_LOAD_ADDR', MSR_AREA);
      msrEntry(bad, 0, 0x277, 0x0606_0606_0606_0606n);
      msrEntry(bad, 1, index, value, reserved);
      const { rip } = bad.f.cpu.state;
      assert.equal(execute(bad.f.cpu, BYTES.vmlaunch).kind, 'exit');
      assert.deepEqual(
        bad.f.failures[0]!.failed.map((check) => check.id),
        [id],
      );
      assert.equal(bad.f.failures[0]!.linear, rip);
      assert.equal(bad.f.failures[0]!.exitReason, 34);
      assert.equal(bad.f.vmx.vmread('EXIT_REASON'), 0x8000_0022n);
      assert.equal(bad.f.vmx.vmread('EXIT_QUALIFICATION'), 2n);
      assert.equal(bad.f.cpu.state.rip, HOST_RIP);
      assert.equal(bad.f.vmx.mode, 1);
      assert.equal(bad.f.vmx.current!.launched, false);
    }
  });

  it('judges again what was written since the last entry, and only then', () => {
    const b = long();
    launch(b);
    leave(b);
    b.f.vmx.vmwrite('GUEST_RIP', 0x6002n);
    assert.equal(b.f.vmx.vmresume(), 'entered');
    leave(b);
    b.set('GUEST_RIP', 1n << 48n);
    assert.equal(b.f.vmx.vmresume(), 'exited');
    assert.deepEqual(
      b.f.failures.at(-1)!.failed.map((check) => check.id),
      ['GRIP-02'],
    );
    b.set('GUEST_RIP', 0x6000);
    assert.equal(b.f.vmx.vmresume(), 'entered');
    leave(b);
    b.set('HOST_CR4', 0x20);
    assert.equal(b.f.vmx.vmresume(), 'failed');
    assert.equal(b.f.vmx.instructionError, 8);
    b.set('HOST_CR4', 0x2020);
    b.set('VMCS_LINK_PTR', 4);
    assert.equal(b.f.vmx.vmresume(), 'exited');
    b.set('VMCS_LINK_PTR', NO_VMCS);
    assert.equal(b.f.vmx.vmresume(), 'entered');
  });

  it('reports where the fields of a failed check were written', () => {
    const b = long();
    b.f.cpu.retired = 1234;
    b.f.vmx.vmwrite('GUEST_RFLAGS', 0n, { instruction: 99, linear: 0x5040n });
    assert.equal(execute(b.f.cpu, BYTES.vmlaunch).kind, 'exit');
    assert.deepEqual(b.f.failures[0]!.failed[0]!.lastWrites, [
      { field: 'GUEST_RFLAGS', instruction: 99, linear: 0x5040n },
    ]);
  });
});

describe('VM exit', () => {
  it('saves the guest and loads the host', () => {
    const b = long();
    launch(b);
    const { state } = b.f.cpu;
    state.rip = 0x6123n;
    state.setGpr(4, 0xdead_0000n);
    state.rflags = 0x1_0a97;
    state.set64(LAYOUT.cr3, 0x9000n);
    state.setSegment('DS', { selector: 0x2b, base: 0n, limit: 0xffff, accessRights: 0xf3 });
    state.set32(LAYOUT.interruptibility, 8);
    leave(b);
    const { vmx } = b.f;
    assert.equal(vmx.vmread('GUEST_RIP'), 0x6123n);
    assert.equal(vmx.vmread('GUEST_RSP'), 0xdead_0000n);
    assert.equal(vmx.vmread('GUEST_RFLAGS'), 0xa97n, 'an instruction saves RF as 0');
    assert.equal(vmx.vmread('GUEST_CR3'), 0x9000n);
    assert.equal(vmx.vmread('GUEST_DS_SELECTOR'), 0x2bn);
    assert.equal(vmx.vmread('GUEST_DS_AR'), 0xf3n);
    assert.equal(vmx.vmread('GUEST_INTERRUPTIBILITY'), 8n);

    assert.equal(state.rip, HOST_RIP);
    assert.equal(state.gpr(4), 0xf000n);
    assert.equal(state.rflags, 2);
    assert.equal(state.get64(LAYOUT.cr3), BigInt(TABLES_AT));
    assert.equal(state.get64(LAYOUT.cr4), 0x2020n);
    assert.equal(state.get64(LAYOUT.efer), 0x500n);
    assert.equal(state.get64(LAYOUT.dr7), 0x400n);
    assert.deepEqual(state.segment('CS'), { selector: 8, base: 0n, limit: 0xffff_ffff, accessRights: 0xa09b });
    assert.deepEqual(state.segment('SS'), { selector: 16, base: 0n, limit: 0xffff_ffff, accessRights: 0xc093 });
    assert.equal(state.segmentBase('FS'), 0x1234n);
    assert.equal(state.accessRights('GS'), 0x1_0000);
    assert.deepEqual(state.segment('TR'), { selector: 24, base: 0x9000n, limit: 0x67, accessRights: 0x8b });
    assert.equal(state.get64(LAYOUT.gdtrBase), 0xa000n);
    assert.equal(state.get32(LAYOUT.gdtrLimit), 0xffff);
    assert.equal(state.get64(LAYOUT.idtrBase), 0xb000n);
  });

  it('brings back what it saved: exit and resume leave the guest as it was', () => {
    const b = long();
    b.or('ENTRY_CONTROLS', (1 << 2) | (1 << 14) | (1 << 15));
    b.or('EXIT1_CONTROLS', (1 << 2) | (1 << 18) | (1 << 20));
    b.set('GUEST_IA32_PAT', 0x0007_0406_0007_0406n);
    b.set('GUEST_IA32_EFER', 0x500);
    launch(b);
    const before = Int32Array.from(b.f.cpu.state.words);
    leave(b);
    assert.equal(b.f.vmx.vmresume(), 'entered');
    assert.deepEqual(Int32Array.from(b.f.cpu.state.words), before);
  });

  it('saves PAT, EFER and debug controls only as the controls say', () => {
    const b = long();
    b.set('GUEST_IA32_PAT', 1);
    b.set('GUEST_DR7', 0x400);
    launch(b);
    b.f.cpu.state.set64(LAYOUT.pat, 0x0606n);
    b.f.cpu.state.set64(LAYOUT.dr7, 0x455n);
    leave(b);
    assert.equal(b.f.vmx.vmread('GUEST_IA32_PAT'), 1n);
    assert.equal(b.f.vmx.vmread('GUEST_DR7'), 0x400n);
    assert.equal(b.f.cpu.state.get64(LAYOUT.pat), 0x0606n);
  });

  it('stores and loads MSRs, and stops by name with a VMX abort where it cannot', () => {
    const b = long();
    b.set('EXIT_MSR_STORE_COUNT', 1);
    b.set('EXIT_MSR_STORE_ADDR', MSR_AREA);
    b.set('EXIT_MSR_LOAD_COUNT', 1);
    b.set('EXIT_MSR_LOAD_ADDR', MSR_AREA + 16);
    msrEntry(b, 0, 0xc000_0081, 0n);
    msrEntry(b, 1, 0xc000_0081, 0x77n);
    launch(b);
    b.f.cpu.state.set64(LAYOUT.star, 0x55n);
    leave(b);
    assert.equal(b.f.cpu.physical.read64(MSR_AREA + 8), 0x55n);
    assert.equal(b.f.cpu.state.get64(LAYOUT.star), 0x77n);

    msrEntry(b, 1, 0xc000_0100, 0n);
    assert.equal(b.f.vmx.vmresume(), 'entered');
    const instruction = decodeBytes(b.f.cpu, [0x0f, 0xa2]);
    const outcome = outcomeOf(() => b.f.cpu.intercepts.instruction({ kind: 'cpuid' }, instruction));
    assert.equal(outcome.kind, 'stop');
    if (outcome.kind === 'stop') assert.match(outcome.what, /VMX abort 4 .*IA32_FS_BASE/);
    assert.equal(b.f.vmx.current!.abortIndicator, 4);
  });

  it('follows EFER.LMA in "IA-32e mode guest"', () => {
    const b = real();
    launch(b);
    const { state } = b.f.cpu;
    state.set64(LAYOUT.cr0, 0x8000_0031n);
    state.set64(LAYOUT.cr4, 0x2020n);
    state.set64(LAYOUT.efer, 0x500n);
    leave(b);
    assert.notEqual(b.f.vmx.vmread('ENTRY_CONTROLS') & 0x200n, 0n);
    assert.equal(b.f.vmx.vmresume(), 'entered');
    assert.equal(state.get64(LAYOUT.efer), 0x500n);
  });

  it('tells the machine the guest RIP, linear too', () => {
    const b = real();
    b.set('GUEST_CS_SELECTOR', 0x1234);
    b.set('GUEST_CS_BASE', 0x1_2340);
    b.set('GUEST_RIP', 0x10);
    launch(b);
    leave(b);
    assert.equal(b.f.exits[0]!.rip, 0x10n);
    assert.equal(b.f.exits[0]!.linear, 0x1_2350n);
  });

  it('never writes a field that this processor does not have', () => {
    const b = long();
    launch(b);
    leave(b);
    const { vmx } = b.f;
    for (const field of vmcsFields)
      if (!vmx.capabilities.hasField(field.key)) assert.equal(vmx.current!.read(field.key), 0n, field.key);
  });
});
