/** The APICs and the HPET as programs use them, on the bare machine and under the built-in hypervisor. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { budget, runToStop, startCode } from './guest.ts';

/** Interrupt gates for vector 40h in a 32-bit flat program; `handler` counts in `count` and ends the interrupt. */
const WITH_HANDLER = `
  mov eax, handler
  mov [idt + 0x40 * 8], ax
  mov word [idt + 0x40 * 8 + 2], cs
  mov word [idt + 0x40 * 8 + 4], 0x8e00
  shr eax, 16
  mov [idt + 0x40 * 8 + 6], ax
  lidt [idtr]
`;
const HANDLER = `
handler:
  inc dword [count]
  mov dword [0xfee000b0], 0
  iret
finish:
  mov eax, [count]
  mov dx, 0xf4
  out dx, eax
  hlt
align 8
idtr: dw 0x7ff
  dd idt
count: dd 0
idt: times 0x800 db 0
`;

/** Runs a program that ends through port F4h; gives the value it wrote there. */
function result(source: string, mode: 'bare' | 'vm'): number {
  const { machine } = startCode(32, source, mode);
  const stop = runToStop(machine);
  assert.ok(stop.kind === 'power-off', inspect(stop));
  return (stop.status - 1) / 2;
}

for (const mode of ['bare', 'vm'] as const) {
  describe(`APICs in mode ${mode}`, () => {
    it('reads the local APIC and the I/O APIC, and writes what can be written', () => {
      const version = result(
        `mov dword [0xfec00000], 1
         mov eax, [0xfec00010]
         shl eax, 8
         mov al, [0xfee00030]
         jmp end
         end: mov dx, 0xf4
         out dx, eax`,
        mode,
      );
      assert.equal(version, 0x1700_2014);
    });

    it('interrupts periodically by the local APIC timer, also out of HLT', () => {
      const count = result(
        `${WITH_HANDLER}
         mov dword [0xfee000f0], 0x1ff
         mov dword [0xfee003e0], 0xb
         mov dword [0xfee00320], 0x20040
         mov dword [0xfee00380], 1000
         sti
         again: hlt
         cmp dword [count], 5
         jb again
         jmp finish
         ${HANDLER}`,
        mode,
      );
      assert.equal(count, 5);
    });

    it('counts down by instructions while a program polls, whatever each run is given', () => {
      const source = `mov dword [0xfee003e0], 0xb
         mov dword [0xfee00380], 100
         nop
         nop
         nop
         mov ebx, [0xfee00390]
         mov eax, [0xfee00390]
         shl eax, 8
         or eax, ebx
         mov dx, 0xf4
         out dx, eax`;
      const whole = result(source, mode);
      if (mode === 'bare') assert.equal(whole, 0x5f60);
      const { machine } = startCode(32, source, mode);
      for (;;) {
        const stop = machine.run(budget(1));
        if (stop.kind === 'budget') continue;
        assert.deepEqual(stop, { kind: 'power-off', status: whole * 2 + 1 });
        break;
      }
    });

    it('routes IRQ 0 to pin 2 of the I/O APIC while the 8259 pair is masked', () => {
      const count = result(
        `${WITH_HANDLER}
         mov al, 0xff
         out 0x21, al
         out 0xa1, al
         mov dword [0xfee000f0], 0x1ff
         mov dword [0xfec00000], 0x15
         mov dword [0xfec00010], 0
         mov dword [0xfec00000], 0x14
         mov dword [0xfec00010], 0x40
         mov al, 0x34
         out 0x43, al
         mov al, 0x00
         out 0x40, al
         mov al, 0x10
         out 0x40, al
         sti
         again: hlt
         cmp dword [count], 3
         jb again
         jmp finish
         ${HANDLER}`,
        mode,
      );
      assert.equal(count, 3);
    });

    it('disables and enables the local APIC again through IA32_APIC_BASE', () => {
      const spurious = result(
        `mov dword [0xfee000f0], 0x1ff
         mov ecx, 0x1b
         rdmsr
         and eax, ~0x800
         wrmsr
         or eax, 0x800
         wrmsr
         rdmsr
         mov ebx, eax
         mov eax, [0xfee000f0]
         and ebx, 0xf00
         or eax, ebx
         mov dx, 0xf4
         out dx, eax`,
        mode,
      );
      assert.equal(spurious, 0x9ff);
    });

    it('switches to x2APIC, whose self-IPI arrives', () => {
      const count = result(
        `${WITH_HANDLER}
         mov ecx, 0x1b
         rdmsr
         or eax, 0xc00
         wrmsr
         mov ecx, 0x80f
         mov eax, 0x1ff
         xor edx, edx
         wrmsr
         sti
         mov ecx, 0x83f
         mov eax, 0x40
         wrmsr
         nop
         mov ecx, 0x80b
         xor eax, eax
         wrmsr
         mov ecx, 0x83f
         mov eax, 0x40
         wrmsr
         nop
         jmp finish
         ${HANDLER.replace('mov dword [0xfee000b0], 0', '')}`,
        mode,
      );
      assert.equal(count, 2);
    });

    it('interrupts by the HPET through the I/O APIC', () => {
      const count = result(
        `${WITH_HANDLER}
         mov dword [0xfee000f0], 0x1ff
         mov dword [0xfec00000], 0x3c
         mov dword [0xfec00010], 0x40
         mov dword [0xfed00100], (22 << 9) | 0x14c
         mov dword [0xfed00108], 2000
         mov dword [0xfed00108], 2000
         mov dword [0xfed00010], 1
         sti
         again: hlt
         cmp dword [count], 4
         jb again
         jmp finish
         ${HANDLER}`,
        mode,
      );
      assert.equal(count, 4);
    });
  });
}

describe('IA32_APIC_BASE', () => {
  for (const [title, change, expected] of [
    ['x2APIC while disabled', 'and eax, ~0x800\n or eax, 0x400', 13],
    ['reserved bit 9', 'or eax, 0x200', 13],
    ['the boot processor bit is read-only', 'and eax, ~0x100', 0],
  ] as const) {
    it(title, () => {
      const { machine } = startCode(
        32,
        `mov ecx, 0x1b\n rdmsr\n ${change}\n wrmsr\n rdmsr\n mov dx, 0xf4\n out dx, eax`,
      );
      const stop = runToStop(machine);
      if (expected === 0) assert.deepEqual(stop, { kind: 'power-off', status: 0xfee0_0900 * 2 + 1 });
      else assert.ok(stop.kind === 'triple-fault' && stop.chain[0]?.vector === expected, inspect(stop));
    });
  }
});

describe('CPUID', () => {
  const exit = 'mov dx, 0xf4\nout dx, eax';
  for (const [title, source, expected] of [
    [
      'has a local APIC, x2APIC and the TSC-deadline timer',
      `mov eax, 1\ncpuid\nand ecx, 0x1200000\nand edx, 0x200\nlea eax, [ecx + edx]`,
      0x120_0200,
    ],
    [
      'hides the APIC while it is disabled',
      'mov ecx, 0x1b\nrdmsr\nand ah, 0xf7\nwrmsr\nmov eax, 1\ncpuid\nmov eax, edx\nand eax, 0x200',
      0,
    ],
    ['enumerates one processor', 'mov eax, 0xb\nmov ecx, 1\ncpuid\nmov eax, ecx\nshl eax, 8\nmov al, bl', 0x2_0101],
    ['ends its levels', 'mov eax, 0xb\nmov ecx, 2\ncpuid\nmov eax, ecx\nshl eax, 8\nmov al, bl', 0x200],
  ] as const)
    for (const mode of ['bare', 'vm'] as const)
      it(`${title}, mode ${mode}`, () => assert.equal(result(`${source}\n${exit}`, mode), expected));
});
