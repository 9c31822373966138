import assert from 'node:assert/strict';
import { failureLines } from '../../debug-adapter/present/exception-info.ts';
import { describeStop } from '../../debug-adapter/present/stops.ts';
import { SymbolTable } from '../../debug-adapter/debugger/symbols.ts';
import type { EntryFailure, Machine, MachineMode, Stop } from '../../debug-adapter/engine/index.ts';
import { standingMachine } from '../debugger/fixed-machine.ts';

const symbols = new SymbolTable({
  symbols: [{ name: 'main', address: 0x1_0000n, bytes: 0, kind: 'code' }],
  lines: [{ address: 0x1_0100n, bytes: 3, file: '/guest/a.asm', line: 12, bits: 64, code: true }],
});

function scene(mode: MachineMode, memoryBytes = 1 << 20) {
  const machine = standingMachine({ registers: { RIP: 0x1_0101n } });
  const options: Machine['options'] = { ...machine.options, mode, memoryBytes };
  return { machine: { ...machine, options }, symbols };
}

const failure = (write: { instruction: number | undefined; linear: bigint | undefined }): EntryFailure => ({
  instruction: 'VMLAUNCH',
  linear: 0x1_0100n,
  failure: { kind: 'VMfailValid', error: 8 },
  exitReason: undefined,
  qualification: 0n,
  failed: [
    {
      id: 'HOST-1',
      section: 'SDM',
      rule: 'rule',
      remedy: 'remedy',
      fields: ['HOST_RIP'],
      values: [5n],
      lastWrites: [{ field: 'HOST_RIP', ...write }],
    },
  ],
});

describe('a failed VM entry in words', () => {
  const lines = (mode: MachineMode, write: Parameters<typeof failure>[0]): readonly string[] =>
    failureLines(failure(write), scene(mode));
  const program = { instruction: 7, linear: 0x1_0100n };

  it('names places of the program that owns the machine', () => {
    const [, at, , field] = lines('bare', program);
    assert.equal(at, 'at main+0x100 (/guest/a.asm:12)');
    assert.equal(field, '  HOST_RIP = 0x0000000000000005, last written at main+0x100 (/guest/a.asm:12)');
  });

  it("names the built-in hypervisor's own places: the guest has other code at these addresses", () => {
    const [, at, , field] = lines('vm', program);
    assert.equal(at, 'at hypervisor_exit_entry (the built-in hypervisor)');
    assert.match(field ?? '', /, written by the built-in hypervisor or saved by a VM exit$/);
  });

  it('tells a field set in the debugger from one that nobody has written', () => {
    assert.match(lines('bare', { instruction: 7, linear: undefined })[3] ?? '', /, set in the debugger$/);
    assert.match(
      lines('bare', { instruction: undefined, linear: undefined })[3] ?? '',
      /, never written since VMCLEAR$/,
    );
  });
});

describe('a stop in words', () => {
  const text = (stop: Stop, memoryBytes?: number): string | undefined =>
    describeStop(stop, scene('bare', memoryBytes)).text;
  const nowhere = { kind: 'nowhere', access: 'read', linear: 0x1_0100n, from: undefined } as const;

  it('says what is not implemented once, where and by which bytes', () => {
    assert.equal(
      text({
        kind: 'unimplemented',
        what: 'instruction ENCLS (CPUID feature SGX1)',
        bytes: Uint8Array.of(0x0f, 0x01, 0xcf),
        linear: 0x1_0100n,
      }),
      'Instruction ENCLS (CPUID feature SGX1), at main+0x100 (a.asm:12), bytes 0f 01 cf: Hyperstep does not implement this and stops rather than guess.',
    );
  });

  it('names the end of memory where there is one', () => {
    assert.equal(
      text({ ...nowhere, address: 0x20_0000 }),
      'The guest reads from 0x200000, where there is neither memory nor a device (at main+0x100 (a.asm:12)). Memory ends at 0x100000 (1 MiB): raise "memory" or correct the address.',
    );
    assert.match(text({ ...nowhere, address: 0xd000_0000 }) ?? '', /\(1 MiB\): correct the address\.$/);
    assert.match(
      text({ ...nowhere, address: 0xd000_0000 }, 3.5 * 1024 ** 3) ?? '',
      /The machine has 3\.5 GiB: correct the address\.$/,
    );
  });

  it('names the line of the HLT that nothing ends', () => {
    assert.equal(text({ kind: 'halted', because: 'HLT' }), 'HLT (a.asm:12)');
  });
});
