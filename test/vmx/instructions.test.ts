import assert from 'node:assert/strict';
import { CF, ZF } from '../../debug-adapter/engine/cpu/flags.ts';
import { GP, UD } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { NO_VMCS } from '../../debug-adapter/engine/vmx/context.ts';
import type { FakeCpu, Fixture } from './fake-cpu.ts';
import {
  BYTES,
  execute,
  fixture,
  OTHER_VMCS_AT,
  point,
  POINTER_AT,
  RBX,
  RCX,
  VMCS_AT,
  VMXON_AT,
  withGoodVmcs,
} from './fake-cpu.ts';

type Mnemonic = keyof typeof BYTES;
const flags = (cpu: FakeCpu) => cpu.state.arithmeticFlags;
const inRoot = (): Fixture => {
  const f = fixture();
  point(f.cpu, BigInt(VMXON_AT));
  assert.equal(execute(f.cpu, BYTES.vmxon).kind, 'done');
  return f;
};
const setCpl3 = (cpu: FakeCpu) => cpu.state.set32(LAYOUT.cpl, 3);
const faults = (f: Fixture, mnemonic: Mnemonic, vector: number, because?: RegExp): void => {
  const outcome = execute(f.cpu, BYTES[mnemonic]);
  assert.equal(outcome.kind, 'fault', mnemonic);
  if (outcome.kind !== 'fault') return;
  assert.equal(outcome.vector, vector, `${mnemonic}: ${outcome.because}`);
  if (because !== undefined) assert.match(outcome.because, because);
};
/** Executes and expects VMfailValid(n). */
const failsValid = (f: Fixture, mnemonic: Mnemonic, error: number): void => {
  assert.equal(execute(f.cpu, BYTES[mnemonic]).kind, 'done');
  assert.equal(flags(f.cpu), ZF, mnemonic);
  assert.equal(f.vmx.instructionError, error, mnemonic);
  assert.deepEqual(f.failures.at(-1)?.failure, { kind: 'VMfailValid', error });
};
const failsInvalid = (f: Fixture, mnemonic: Mnemonic): void => {
  assert.equal(execute(f.cpu, BYTES[mnemonic]).kind, 'done');
  assert.equal(flags(f.cpu), CF, mnemonic);
  assert.deepEqual(f.failures.at(-1)?.failure, { kind: 'VMfailInvalid' });
};
const succeeds = (f: Fixture, mnemonic: Mnemonic): void => {
  f.cpu.state.arithmeticFlags = CF | ZF;
  assert.equal(execute(f.cpu, BYTES[mnemonic]).kind, 'done');
  assert.equal(flags(f.cpu), 0, mnemonic);
};

describe('VMX instructions', () => {
  const ordinary: readonly Mnemonic[] = [
    'vmxoff',
    'vmclear',
    'vmptrld',
    'vmptrst',
    'vmread',
    'vmwrite',
    'vmlaunch',
    'vmresume',
    'invept',
    'invvpid',
  ];

  it('raise #UD outside VMX operation, before #GP for the privilege level', () => {
    for (const mnemonic of [...ordinary, 'vmcall', 'vmfunc'] as const) {
      const f = fixture();
      setCpl3(f.cpu);
      faults(f, mnemonic, UD);
    }
  });

  it('raise #UD in compatibility mode and in virtual-8086 mode', () => {
    for (const mnemonic of ordinary) {
      const f = inRoot();
      f.cpu.state.set32(LAYOUT.codeBits, 32);
      faults(f, mnemonic, UD, /compatibility/);
      f.cpu.state.systemFlags |= 1 << 17;
      faults(f, mnemonic, UD, /virtual-8086/);
    }
  });

  it('raise #GP(0) above CPL 0', () => {
    for (const mnemonic of [...ordinary, 'vmcall', 'vmxon'] as const) {
      const f = inRoot();
      setCpl3(f.cpu);
      faults(f, mnemonic, GP);
    }
  });

  describe('VMXON', () => {
    it('raises #UD without CR4.VMXE, even at CPL 3, and names the remedy', () => {
      const f = fixture();
      f.cpu.state.set64(LAYOUT.cr4, 0x20n);
      setCpl3(f.cpu);
      faults(f, 'vmxon', UD, /set bit 13 of CR4/);
    });
    it('raises #GP(0) for CR0 without NE', () => {
      const f = fixture();
      f.cpu.state.set64(LAYOUT.cr0, 0x8000_0011n);
      faults(f, 'vmxon', GP, /20h/);
    });
    it('raises #GP(0) while IA32_FEATURE_CONTROL is not locked, or locked without bit 2', () => {
      for (const value of [0n, 1n, 4n]) {
        const f = fixture();
        f.cpu.state.set64(LAYOUT.featureControl, value);
        faults(f, 'vmxon', GP, /IA32_FEATURE_CONTROL/);
      }
    });
    it('fails invalid for a misaligned, too wide, or wrongly identified region', () => {
      for (const pointer of [BigInt(VMXON_AT) + 1n, 1n << 40n, 0xc000n]) {
        const f = fixture();
        point(f.cpu, pointer);
        failsInvalid(f, 'vmxon');
        assert.equal(f.vmx.mode, 0);
      }
    });
    it('fails invalid when bit 31 of the revision is set', () => {
      const f = fixture();
      f.cpu.physical.write(VMXON_AT + 3, 1, 0xc8);
      point(f.cpu, BigInt(VMXON_AT));
      failsInvalid(f, 'vmxon');
    });
    it('enters root operation with no current VMCS', () => {
      const f = inRoot();
      assert.equal(f.vmx.mode, 1);
      assert.equal(f.cpu.state.get64(LAYOUT.vmcsPointer), NO_VMCS);
    });
    it('fails with error 15 in root operation, invalid while there is no current VMCS', () => {
      const f = inRoot();
      failsInvalid(f, 'vmxon');
      f.vmx.vmptrld(VMCS_AT);
      failsValid(f, 'vmxon', 15);
    });
  });

  it('VMXOFF leaves VMX operation', () => {
    const f = inRoot();
    succeeds(f, 'vmxoff');
    assert.equal(f.vmx.mode, 0);
  });

  it('VMCLEAR fails with 2 and 3, and clears launch state and current VMCS', () => {
    const f = inRoot();
    f.vmx.vmptrld(VMCS_AT);
    point(f.cpu, BigInt(VMCS_AT) + 8n);
    failsValid(f, 'vmclear', 2);
    point(f.cpu, 1n << 40n);
    failsValid(f, 'vmclear', 2);
    point(f.cpu, BigInt(VMXON_AT));
    failsValid(f, 'vmclear', 3);
    point(f.cpu, BigInt(OTHER_VMCS_AT));
    succeeds(f, 'vmclear');
    assert.equal(f.cpu.state.get64(LAYOUT.vmcsPointer), BigInt(VMCS_AT));
    f.vmx.current!.launched = true;
    point(f.cpu, BigInt(VMCS_AT));
    succeeds(f, 'vmclear');
    assert.equal(f.cpu.state.get64(LAYOUT.vmcsPointer), NO_VMCS);
    f.vmx.vmptrld(VMCS_AT);
    assert.equal(f.vmx.current!.launched, false);
  });

  it('VMPTRLD fails with 9, 10 and 11', () => {
    const f = inRoot();
    f.vmx.vmptrld(VMCS_AT);
    point(f.cpu, BigInt(VMCS_AT) + 0x800n);
    failsValid(f, 'vmptrld', 9);
    point(f.cpu, BigInt(VMXON_AT));
    failsValid(f, 'vmptrld', 10);
    point(f.cpu, 0xc000n);
    failsValid(f, 'vmptrld', 11);
    f.cpu.physical.write(OTHER_VMCS_AT + 3, 1, 0xc8);
    point(f.cpu, BigInt(OTHER_VMCS_AT));
    failsValid(f, 'vmptrld', 11);
  });

  it('VMPTRST stores the pointer, all ones where there is none', () => {
    const f = inRoot();
    point(f.cpu, 0n);
    succeeds(f, 'vmptrst');
    assert.equal(f.cpu.physical.read64(POINTER_AT), NO_VMCS);
    f.vmx.vmptrld(VMCS_AT);
    succeeds(f, 'vmptrst');
    assert.equal(f.cpu.physical.read64(POINTER_AT), BigInt(VMCS_AT));
  });

  describe('VMREAD and VMWRITE', () => {
    const access = (f: Fixture, encoding: bigint, value = 0n) => {
      f.cpu.state.setGpr(RBX, encoding);
      f.cpu.state.setGpr(RCX, value);
    };
    it('fail invalid without a current VMCS', () => {
      const f = inRoot();
      access(f, 0x6800n);
      failsInvalid(f, 'vmread');
      failsInvalid(f, 'vmwrite');
    });
    it('fail with 12 for encodings that name no field here, 13 for read-only ones', () => {
      const f = withGoodVmcs();
      for (const encoding of [0x6801n, 0x1_0000_6800n, 0x2020n, 0x0002n, 0x2404n]) {
        access(f, encoding);
        failsValid(f, 'vmread', 12);
        failsValid(f, 'vmwrite', 12);
      }
      access(f, 0x4402n);
      failsValid(f, 'vmwrite', 13);
      succeeds(f, 'vmread');
    });
    it('truncate to the width of the field and log where it was written', () => {
      const f = withGoodVmcs();
      access(f, 0x0802n, 0x1234_5678n);
      f.cpu.retired = 77;
      const at = f.cpu.state.rip;
      succeeds(f, 'vmwrite');
      access(f, 0x0802n, 1n);
      succeeds(f, 'vmread');
      assert.equal(f.cpu.state.gpr(RCX), 0x5678n);
      assert.deepEqual(f.vmx.lastWrite('GUEST_CS_SELECTOR'), {
        field: 'GUEST_CS_SELECTOR',
        instruction: 77,
        linear: at,
      });
    });
    it('reach the upper half of a 64-bit field by the high encoding', () => {
      const f = withGoodVmcs();
      access(f, 0x2010n, 0x1111_2222_3333_4444n);
      succeeds(f, 'vmwrite');
      access(f, 0x2011n, 0xffff_ffff_0000_0005n);
      succeeds(f, 'vmwrite');
      assert.equal(f.vmx.vmread('TSC_OFFSET'), 0x0000_0005_3333_4444n);
      access(f, 0x2011n);
      succeeds(f, 'vmread');
      assert.equal(f.cpu.state.gpr(RCX), 5n);
    });
    it('move 32 bits outside 64-bit mode: a full write clears the upper half', () => {
      const f = withGoodVmcs();
      f.vmx.vmwrite('TSC_OFFSET', 0x1111_2222_3333_4444n);
      f.cpu.state.set64(LAYOUT.efer, 0n);
      f.cpu.state.set32(LAYOUT.codeBits, 32);
      access(f, 0x2010n, 0xaaaa_bbbbn);
      assert.equal(execute(f.cpu, BYTES.vmread).kind, 'done');
      assert.equal(f.cpu.state.gpr(RCX), 0x3333_4444n);
      access(f, 0x2010n, 0xaaaa_bbbbn);
      succeeds(f, 'vmwrite');
      assert.equal(f.vmx.vmread('TSC_OFFSET'), 0xaaaa_bbbbn);
    });
  });

  it('VMCALL in root operation fails with 1', () => {
    const f = withGoodVmcs();
    failsValid(f, 'vmcall', 1);
  });

  it('VMFUNC is #UD everywhere: it is not offered', () => {
    const f = withGoodVmcs();
    faults(f, 'vmfunc', UD);
  });

  it('INVEPT flushes one EPT pointer or all, and fails with 28', () => {
    const f = withGoodVmcs();
    const { cpu } = f;
    point(cpu, 0x801en);
    cpu.physical.write64(POINTER_AT + 8, 0n);
    cpu.state.setGpr(RCX, 1n);
    cpu.flushes.length = 0;
    succeeds(f, 'invept');
    assert.deepEqual(cpu.flushes, [{ eptPointer: 0x801en }]);
    cpu.state.setGpr(RCX, 2n);
    succeeds(f, 'invept');
    assert.deepEqual(cpu.flushes.at(-1), 'all');
    for (const type of [0n, 3n, 1n << 32n]) {
      cpu.state.setGpr(RCX, type);
      failsValid(f, 'invept', 28);
    }
    cpu.state.setGpr(RCX, 1n);
    point(cpu, 0x8001n); // memory type 1
    failsValid(f, 'invept', 28);
    point(cpu, 0x801en);
    cpu.physical.write64(POINTER_AT + 8, 1n);
    failsValid(f, 'invept', 28);
  });

  it('INVVPID flushes by VPID, and fails with 28', () => {
    const f = withGoodVmcs();
    const { cpu } = f;
    const descriptor = (first: bigint, linear: bigint) => {
      point(cpu, first);
      cpu.physical.write64(POINTER_AT + 8, linear);
    };
    for (const type of [0n, 1n, 3n]) {
      cpu.state.setGpr(RCX, type);
      descriptor(5n, 0x1000n);
      succeeds(f, 'invvpid');
      assert.deepEqual(cpu.flushes.at(-1), { vpid: 5 });
      descriptor(0n, 0x1000n);
      failsValid(f, 'invvpid', 28);
    }
    cpu.state.setGpr(RCX, 0n);
    descriptor(5n, 0x8000_0000_0000n);
    failsValid(f, 'invvpid', 28);
    descriptor(0x1_0000n, 0n);
    failsValid(f, 'invvpid', 28);
    cpu.state.setGpr(RCX, 4n);
    failsValid(f, 'invvpid', 28);
    cpu.state.setGpr(RCX, 2n);
    descriptor(0n, 0n);
    succeeds(f, 'invvpid');
  });

  it('VMLAUNCH and VMRESUME judge the launch state: errors 4, 5, 26 and VMfailInvalid', () => {
    const none = inRoot();
    failsInvalid(none, 'vmlaunch');
    assert.deepEqual(
      none.failures.at(-1)?.failed.map((check) => check.id),
      ['BASIC-04'],
    );
    const f = withGoodVmcs();
    failsValid(f, 'vmresume', 5);
    assert.deepEqual(
      f.failures.at(-1)?.failed.map((check) => check.id),
      ['BASIC-08'],
    );
    f.cpu.state.set32(LAYOUT.interruptibility, 2);
    failsValid(f, 'vmlaunch', 26);
    f.cpu.state.set32(LAYOUT.interruptibility, 0);
    f.vmx.current!.launched = true;
    failsValid(f, 'vmlaunch', 4);
  });

  it('leave non-root operation before they look at privilege or operands', () => {
    for (const mnemonic of [...ordinary, 'vmcall', 'vmxon'] as const) {
      const f = withGoodVmcs();
      assert.equal(execute(f.cpu, BYTES.vmlaunch).kind, 'done');
      setCpl3(f.cpu);
      f.cpu.state.setGpr(0, 0xffff_0000_0000n);
      assert.equal(execute(f.cpu, BYTES[mnemonic]).kind, 'exit', mnemonic);
      assert.equal(f.exits.at(-1)?.exit.name, mnemonic);
      assert.equal(f.exits.at(-1)?.exit.instructionBytes, BYTES[mnemonic].length);
    }
  });
});
