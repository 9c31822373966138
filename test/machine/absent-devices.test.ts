/** Ports and addresses that nothing answers: a stop by name, or a floating bus. */
import assert from 'node:assert/strict';
import { createMachine } from '../../debug-adapter/engine/index.ts';
import { programOf, runToStop } from './guest.ts';

/** Ends with status 1 if every check held: each adds a bit to EBX that is expected to be 0. */
const PROBES = `
bits 32
org 8000h
    xor ebx, ebx
    mov dx, 2F8h
    in al, dx
    in al, dx
    not al
    or bl, al
    mov dx, 2FDh
    xor eax, eax
    out dx, ax
    in eax, dx
    not eax
    or ebx, eax
    mov dword [50000000h], 0
    mov eax, [50000000h]
    not eax
    or ebx, eax
    movzx eax, word [50000FFCh]
    xor eax, 0FFFFh
    or ebx, eax
    mov eax, [60000000h]
    not eax
    or ebx, eax
    mov eax, ebx
    out 0F4h, eax
    hlt
`;

function machineOf(source: string, mode: 'bare' | 'vm', absentDevices: 'stop' | 'float') {
  const told: string[] = [];
  const machine = createMachine({
    program: programOf('probes.asm', source),
    mode,
    memoryBytes: 8 << 20,
    onConsole: () => undefined,
    absentDevices,
    onAbsentDevice: (text) => told.push(text),
  });
  return { machine, told };
}

describe('absent devices', function () {
  this.timeout(20_000);

  for (const mode of ['bare', 'vm'] as const) {
    it(`read as ones and lose what is written, told once for each place, mode ${mode}`, () => {
      const { machine, told } = machineOf(PROBES, mode, 'float');
      assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 1 });
      assert.deepEqual(told, [
        'IN from port 2F8h, where there is no device',
        'OUT to port 2FDh, where there is no device',
        'write to address 50000000h, where there is neither memory nor a device',
        'read from address 60000000h, where there is neither memory nor a device',
      ]);
    });

    it(`stop the machine unless they are to float, mode ${mode}`, () => {
      const { machine, told } = machineOf(PROBES, mode, 'stop');
      const stop = runToStop(machine);
      assert.ok(
        stop.kind === 'unimplemented' && stop.what === 'IN from port 2F8h, where there is no device',
        stop.kind,
      );
      assert.deepEqual(told, []);
    });

    it(`cannot be executed, mode ${mode}`, () => {
      const { machine } = machineOf('bits 32\norg 8000h\nmov eax, [50000000h]\njmp 50000000h', mode, 'float');
      const stop = runToStop(machine);
      assert.ok(stop.kind === 'nowhere' && stop.access === 'fetch', stop.kind);
    });
  }

  it('are told about a hundred times at most', () => {
    const { machine, told } = machineOf(
      'bits 32\norg 8000h\nmov ecx, 300\nmov dx, 1000h\nagain: in al, dx\ninc dx\nloop again\nxor eax, eax\nout 0F4h, eax',
      'bare',
      'float',
    );
    assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 1 });
    assert.deepEqual([told.length, told.at(-1)], [101, 'more accesses to absent devices follow']);
  });

  it('raise #GP for an MSR that is not built', () => {
    const { machine, told } = machineOf('bits 32\norg 8000h\n mov ecx, 140h\n rdmsr\n', 'bare', 'float');
    const stop = runToStop(machine);
    assert.ok(stop.kind === 'triple-fault');
    assert.equal(stop.chain[0]?.name, '#GP');
    assert.deepEqual(told, ['RDMSR of MSR 140h, which is not built: #GP(0)']);
    const stopped = runToStop(machineOf('bits 32\norg 8000h\n mov ecx, 140h\n rdmsr\n', 'bare', 'stop').machine);
    assert.ok(stopped.kind === 'unimplemented');
    assert.equal(stopped.what, 'RDMSR of MSR 140h');
  });
});
