import assert from 'node:assert/strict';
import { CheckContext } from '../../debug-adapter/engine/vmx/checks/check.ts';
import {
  CONTROL_AND_HOST_CHECKS,
  GUEST_CHECKS,
  UNREACHABLE_CHECKS,
} from '../../debug-adapter/engine/vmx/checks/index.ts';
import { MSR_ENTRY_CHECKS, MSR_VALUE_REFUSED } from '../../debug-adapter/engine/vmx/checks/msr-load.ts';
import { ZF } from '../../debug-adapter/engine/cpu/flags.ts';
import type { VmcsFieldKey } from '../../debug-adapter/engine/vmx/types.ts';
import type { Vmcs } from '../../debug-adapter/engine/vmx/vmcs.ts';
import { BREAKS, flat32, host32, long, pae, paeWithEpt, real, virtual8086 } from './entry-check-faults.ts';
import { BYTES, execute, HOST_RIP } from './fake-cpu.ts';

const CHECKS = [...CONTROL_AND_HOST_CHECKS, ...GUEST_CHECKS];

describe('VM-entry checks', () => {
  it('cover the 279 rules of the reference, each in exactly one place', () => {
    const basic = ['01', '02', '03', '04', '06', '07', '08'].map((number) => `BASIC-${number}`);
    const ids = [
      ...basic,
      ...CHECKS.map((check) => check.id),
      ...MSR_ENTRY_CHECKS.map((check) => check.id),
      MSR_VALUE_REFUSED.id,
      ...Object.keys(UNREACHABLE_CHECKS),
    ];
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(ids.length, 279);
  });

  for (const [name, start] of Object.entries({ long, flat32, virtual8086, real, pae, paeWithEpt, host32 }))
    it(`all hold for a good VMCS: ${name}`, () => {
      const audit = start().f.vmx.audit()!;
      assert.deepEqual(
        [...audit.controlsHost, ...audit.guest].map((report) => report.id),
        [],
      );
    });

  it('can each be broken by the table of this test', () => {
    assert.deepEqual(
      CHECKS.map((check) => check.id).filter((id) => BREAKS[id] === undefined),
      [],
    );
  });

  for (const check of CHECKS)
    it(`${check.id}: ${check.rule}`, () => {
      const [start, change] = BREAKS[check.id]!;
      const bench = start();
      change(bench);
      const { f } = bench;
      const audit = f.vmx.audit()!;
      const all = [...audit.controlsHost, ...audit.guest];
      const report = all.find((candidate) => candidate.id === check.id);
      assert.ok(report !== undefined, `only ${all.map((other) => other.id).join(', ')} fail`);
      assert.deepEqual(
        report.values,
        check.fields.map((key) => f.vmx.vmread(key)),
      );
      assert.match(report.section, /^SDM Vol\. 3C, ".+", 26\.\d/);
      assert.notEqual(report.remedy, '');
      assert.doesNotMatch(report.remedy, /undefined|NaN/);

      // Entry fails in the stage of the first failing check and reports every failing one of that stage.
      const outcome = execute(f.cpu, BYTES.vmlaunch);
      const failure = f.failures.at(-1)!;
      const stage = audit.controlsHost.length > 0 ? audit.controlsHost : audit.guest;
      assert.deepEqual(
        failure.failed.map((other) => other.id),
        stage.map((other) => other.id),
      );
      const first = CHECKS.find((candidate) => candidate.id === stage[0]!.id)!.failure;
      if (first.kind === 'VMfailValid') {
        assert.equal(outcome.kind, 'done');
        assert.equal(f.cpu.state.arithmeticFlags, ZF);
        assert.equal(f.vmx.instructionError, first.error);
        assert.equal(f.exits.length, 0);
        assert.equal(f.vmx.current!.launched, false);
      } else {
        assert.equal(outcome.kind, 'exit');
        assert.equal(f.exits[0]!.exit.name, 'entryFailureGuestState');
        assert.equal(f.vmx.vmread('EXIT_REASON'), 0x8000_0021n);
        assert.equal(f.vmx.vmread('EXIT_QUALIFICATION'), BigInt(first.qualification));
        assert.equal(f.cpu.state.rip, HOST_RIP);
        assert.equal(f.vmx.current!.launched, false);
      }
      assert.equal(f.vmx.mode, 1);
    });

  it('read nothing but the fields they declare', () => {
    let read = new Set<VmcsFieldKey>();
    const recording = (vmcs: Vmcs): Vmcs =>
      new Proxy(vmcs, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function') return member;
          return (key: VmcsFieldKey) => {
            read.add(key);
            return (member as (key: VmcsFieldKey) => unknown).call(target, key);
          };
        },
      });
    for (const [start, change] of Object.values(BREAKS)) {
      const bench = start();
      change(bench);
      const { cpu, vmx } = bench.f;
      const c = new CheckContext(recording(vmx.current!), vmx.capabilities, cpu.physical, cpu.state);
      for (const check of CHECKS) {
        read = new Set();
        if (check.when === undefined || check.when(c)) check.holds(c);
        const declared = new Set<VmcsFieldKey>([...check.fields, ...(check.given ?? [])]);
        assert.deepEqual(
          [...read].filter((key) => !declared.has(key)),
          [],
          check.id,
        );
      }
    }
  });
});
