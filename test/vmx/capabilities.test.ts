import assert from 'node:assert/strict';
import { BUILT_CONTROLS, PROCESSOR_FACTS, VmxCapabilities } from '../../debug-adapter/engine/vmx/capabilities.ts';
import { CONTROLS, CONTROL_GROUPS, CONTROL_KEYS } from '../../debug-adapter/engine/vmx/controls.ts';
import { CONTROL_AND_HOST_CHECKS, GUEST_CHECKS } from '../../debug-adapter/engine/vmx/checks/index.ts';

const capabilities = new VmxCapabilities(PROCESSOR_FACTS);
const msr = (index: number): bigint => {
  const value = capabilities.msr(index);
  assert.notEqual(value, undefined, index.toString(16));
  return value!;
};
const MSR_OF = { pin: 0x48d, proc1: 0x48e, proc2: 0x48b, exit1: 0x48f, entry: 0x490 } as const;

describe('VMX capability MSRs', () => {
  it('IA32_VMX_BASIC: 4 KiB write-back regions, INS/OUTS information, TRUE MSRs', () => {
    const basic = msr(0x480);
    assert.equal((basic >> 31n) & 1n, 0n);
    assert.equal((basic >> 32n) & 0x1fffn, 4096n);
    assert.equal((basic >> 50n) & 15n, 6n);
    assert.equal((basic >> 54n) & 3n, 3n);
  });

  it('allow exactly the built controls beside the must-be-1 bits', () => {
    for (const [group, index] of Object.entries(MSR_OF)) {
      const allowed1 = Number(msr(index) >> 32n);
      for (const key of CONTROL_KEYS) {
        if (CONTROLS[key].group !== group) continue;
        assert.equal((allowed1 >>> CONTROLS[key].bit) & 1, BUILT_CONTROLS.has(key) ? 1 : 0, key);
      }
      assert.equal(Number(msr(index) & 0xffff_ffffn) & ~allowed1, 0);
    }
  });

  it('report the default1 bits of the manual, the TRUE ones without the four flexible bits', () => {
    assert.deepEqual(
      [0x481, 0x482, 0x483, 0x484].map((index) => msr(index) & 0xffff_ffffn),
      [0x16n, 0x0401_e172n, 0x0003_6dffn, 0x11ffn],
    );
    assert.deepEqual(
      [0x48d, 0x48e, 0x48f, 0x490].map((index) => msr(index) & 0xffff_ffffn),
      [0x16n, 0x0400_6172n, 0x0003_6dfbn, 0x11fbn],
    );
  });

  it('exist only for what is offered', () => {
    for (const index of [0x491, 0x492, 0x493]) assert.equal(capabilities.msr(index), undefined);
    assert.equal(msr(0x48c) & 1n, 1n);
  });

  it('fields follow their controls', () => {
    assert.equal(capabilities.hasField('EPTP'), true);
    assert.equal(capabilities.hasField('PML_ADDRESS'), false);
    assert.equal(capabilities.hasField('INJECTED_EVENT_DATA'), false);
    assert.equal(capabilities.hasField('GUEST_IA32_PAT'), true);
    // The highest index among supported fields is that of the VMX-preemption timer value, 482Eh.
    assert.equal(msr(0x48a), 23n << 1n);
  });

  it('no built control lacks its checks: each rule that a built control switches on is evaluated', () => {
    const ids = new Set([...CONTROL_AND_HOST_CHECKS, ...GUEST_CHECKS].map((check) => check.id));
    const needed: Partial<Record<keyof typeof CONTROLS, readonly string[]>> = {
      ioBitmaps: ['EXEC-06', 'EXEC-07'],
      msrBitmaps: ['EXEC-08'],
      tprShadow: ['EXEC-09', 'EXEC-10', 'EXEC-11'],
      virtualNmis: ['EXEC-12', 'GINT-09'],
      nmiWindowExiting: ['EXEC-13'],
      virtualizeApicAccesses: ['EXEC-14'],
      virtualizeX2apic: ['EXEC-15', 'EXEC-16'],
      apicRegisterVirtualization: ['EXEC-15'],
      virtualInterruptDelivery: ['EXEC-15', 'EXEC-17'],
      postedInterrupts: ['EXEC-18', 'EXEC-19', 'EXEC-20', 'EXEC-21'],
      enableVpid: ['EXEC-22'],
      enableEpt: ['EXEC-23', 'EXEC-24', 'EXEC-26', 'GPDP-02'],
      enablePml: ['EXEC-27', 'EXEC-28'],
      unrestrictedGuest: ['EXEC-29'],
      modeBasedExecute: ['EXEC-30'],
      subPageWrite: ['EXEC-31'],
      enableVmfunc: ['EXEC-32', 'EXEC-33', 'EXEC-34'],
      vmcsShadowing: ['EXEC-35', 'EXEC-36'],
      eptViolationVe: ['EXEC-37'],
      ptUsesGuestPhysical: ['EXEC-38'],
      tscScaling: ['EXEC-39'],
      pasidTranslation: ['EXEC-40'],
      enableHlat: ['EXEC-41'],
      ipiVirtualization: ['EXEC-42'],
      exitActivateSecondary: ['EXIT-02'],
      exitSavePreemptionTimer: ['EXIT-03'],
      entryLoadRtitCtl: ['ENTRY-14', 'GCR-19'],
      exitLoadPerfGlobalCtrl: ['HOST-07'],
      exitLoadPat: ['HOST-08'],
      exitLoadEfer: ['HOST-09', 'HOST-10'],
      exitLoadCet: ['HOST-11', 'HOST-12', 'HOST-13'],
      exitLoadPkrs: ['HOST-14'],
      exitLoadFred: ['HOST-15'],
      entryLoadDebugControls: ['GCR-05', 'GCR-09'],
      ia32eModeGuest: ['GCR-06', 'GCR-07', 'ASIZE-01', 'ASIZE-04'],
      entryLoadPerfGlobalCtrl: ['GCR-12'],
      entryLoadPat: ['GCR-13'],
      entryLoadEfer: ['GCR-14', 'GCR-15', 'GCR-16'],
      entryLoadBndcfgs: ['GCR-17', 'GCR-18'],
      entryLoadCet: ['GCR-20', 'GCR-21', 'GCR-22'],
      entryLoadLbrCtl: ['GCR-23'],
      entryLoadPkrs: ['GCR-24'],
      entryLoadUinv: ['GCR-25'],
      entryLoadFred: ['GCR-27'],
    };
    for (const key of BUILT_CONTROLS) for (const id of needed[key] ?? []) assert.ok(ids.has(id), `${key} needs ${id}`);
    assert.ok(Object.keys(CONTROL_GROUPS).length === 8);
  });
});
