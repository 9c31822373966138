/** Vector instructions in a whole machine, bare and under the built-in hypervisor: turned on as an operating system does it. */
import assert from 'node:assert/strict';
import { budget, startCode } from '../../machine/guest.ts';

// The bytes are vaddps ymm1, ymm1, ymm1; cvttss2si ebx, xmm1: twice 10.5 gives 21.
const SOURCE = `
  mov rax, cr4
  or eax, 40600h          ; OSFXSR, OSXMMEXCPT, OSXSAVE
  mov cr4, rax
  xor ecx, ecx
  xor edx, edx
  mov eax, 7
  db 0fh, 01h, 0d1h       ; xsetbv
  mov eax, 41280000h      ; 10.5
  db 66h, 0fh, 6eh, 0c8h  ; movd xmm1, eax
  db 0c5h, 0f4h, 58h, 0c9h
  db 0f3h, 0fh, 2ch, 0d9h
  mov eax, 1
  xor ecx, ecx
  push rbx
  cpuid
  pop rbx
  shr ecx, 26             ; XSAVE, OSXSAVE, AVX
  and ecx, 7
done:
  jmp done
`;

describe('vector instructions in a machine', () => {
  for (const mode of ['bare', 'vm'] as const)
    it(`work, mode ${mode}`, () => {
      const { machine } = startCode(64, SOURCE, mode);
      const stop = machine.run(budget(60_000));
      assert.equal(
        stop.kind,
        'budget',
        JSON.stringify(stop, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
      );
      assert.deepEqual([machine.inspect.register(0, 'RBX'), machine.inspect.register(0, 'RCX')], [21n, 7n]);
    });
});
