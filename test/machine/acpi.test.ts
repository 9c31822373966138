/** What guests do with the platform's tables and ports. */
import assert from 'node:assert/strict';
import { runToStop, startCode } from './guest.ts';

describe('ACPI in a machine', function () {
  this.timeout(20_000);

  for (const mode of ['bare', 'vm'] as const) {
    it(`has its tables in ROM, mode ${mode}`, () => {
      const guest = startCode(32, 'mov dword [0xe0000], 0\nmov eax, [0xe0000]\nxor eax, "RSD "\nout 0xf4, eax', mode);
      assert.deepEqual(runToStop(guest.machine), { kind: 'power-off', status: 1 });
    });

    it(`is switched off through PM1 control, mode ${mode}`, () => {
      const { machine } = startCode(32, 'mov dx, 0x604\nmov ax, 0x3400\nout dx, ax\nhlt', mode);
      assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 0 });
    });
  }

  it('stops by name for a sleep state that no table offers', () => {
    const stop = runToStop(startCode(32, 'mov dx, 0x604\nmov ax, 0x2400\nout dx, ax\nhlt').machine);
    assert.ok(stop.kind === 'unimplemented' && stop.what === 'ACPI sleep type 1, which no table offers', stop.kind);
  });

  it('counts with the timer while instructions pass', () => {
    const { machine } = startCode(
      32,
      'mov dx, 0x608\nin eax, dx\nmov ebx, eax\nmov ecx, 100000\nagain: loop again\nin eax, dx\nsub eax, ebx\nout 0xf4, eax',
    );
    const stop = runToStop(machine);
    // 100,000 instructions are a thousandth of a second.
    assert.ok(stop.kind === 'power-off' && Math.abs((stop.status - 1) / 2 - 3580) <= 1, JSON.stringify(stop));
  });
});
