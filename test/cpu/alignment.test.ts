/** Alignment checks where no other machine agrees with the manual, and their cost; the rest is in test/programs/system. */
import assert from 'node:assert/strict';
import { CR0 } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { AC } from '../../debug-adapter/engine/cpu/flags.ts';
import { AC_FAULT } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { budget, startCode } from '../machine/guest.ts';
import { TestMachine } from './harness.ts';

/** Protected mode at CPL 3 with alignment checked, EBX at an address. */
function checked(address: number): TestMachine {
  const machine = new TestMachine().protectedMode(3);
  machine.state.set64(LAYOUT.cr0, BigInt(CR0.PE | CR0.ET | CR0.AM));
  machine.state.systemFlags |= AC;
  machine.state.setGpr(3, BigInt(address));
  machine.cpu.modeChanged();
  return machine;
}

describe('alignment checks', () => {
  it('ask words of FNSAVE and FRSTOR for 2 or 4 bytes, whatever lies behind their environment', () => {
    for (const [bytes, address, done] of [
      ['66 dd 33', 0x6_0002, true], // fnsave with a 16-bit operand size
      ['66 dd 33', 0x6_0001, false],
      ['dd 33', 0x6_0004, true],
      ['dd 33', 0x6_0002, false],
      ['dd 23', 0x6_0004, true], // frstor
      ['dd 23', 0x6_0002, false],
    ] as const) {
      const result = checked(address).execute(bytes);
      if (done) assert.equal(result.kind, 'done', `${bytes} at ${address.toString(16)}`);
      else assert.deepEqual(result, { kind: 'fault', vector: AC_FAULT, error: 0, linear: undefined });
    }
  });

  it('let implicit accesses to tables be', () => {
    const machine = checked(0x6_0000);
    machine.state.set64(LAYOUT.gdtrBase, 0x1001n);
    assert.equal(machine.cpu.readSystem(0x1001n, 8) >= 0n, true);
  });

  it('cost nothing while they are off', () => {
    const crossings = (flags: string): number => {
      const { machine } = startCode(
        32,
        `mov eax, cr0\n or eax, 40000h\n mov cr0, eax\n push ${flags}\n popfd\n mov ebx, 200000h\nagain: inc dword [ebx]\n jmp again`,
      );
      machine.run(budget(10_000));
      return machine.crossings;
    };
    // CPL 0 is not checked, whatever RFLAGS.AC says.
    assert.ok(crossings('40002h') < crossings('2') + 10);
  });
});
