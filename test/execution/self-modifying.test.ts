/** Stores into decoded code: the next execution sees them, and a page that turns into data is as writable as any. */
import assert from 'node:assert/strict';
import { assemble } from '../../debug-adapter/engine/assembler/assemble.ts';
import { createMachine } from '../../debug-adapter/engine/index.ts';
import type { Machine } from '../../debug-adapter/engine/machine/types.ts';

const ORIGIN = 0x10_0000;
const MEMORY_BYTES = 16 << 20;

/** Runs 64-bit code on the bare machine until it ends it through port F4h. */
function run(source: string): Machine {
  const { bytes, diagnostics } = assemble({
    file: 'guest.asm',
    source: `bits 64\norg ${ORIGIN}\n${source}\n mov al, 10h\n out 0F4h, al\n hlt\n`,
    readInclude: () => undefined,
  });
  assert.deepEqual(diagnostics, []);
  const machine = createMachine({
    program: {
      name: 'guest.asm',
      boot: { kind: 'flat', entry: ORIGIN, bits: 64 },
      segments: [{ address: ORIGIN, bytes, zeroBytes: 0 }],
      symbols: [],
      lines: [],
    },
    mode: 'bare',
    memoryBytes: MEMORY_BYTES,
    onConsole: () => undefined,
  });
  const stop = machine.run({ maxInstructions: 1_000_000, ignoreFirstBreakpoint: false, handlerSteps: 'run' });
  assert.equal(stop.kind, 'power-off');
  return machine;
}

describe('Self-modifying code', () => {
  it('executes each patch of an instruction on another page', () => {
    const machine = run(`
      mov ecx, 100
      xor eax, eax
next: mov [patched + 1], ecx
      call patched
      add eax, edx
      dec ecx
      jnz next
      jmp done
      align 4096
patched: mov edx, 0
      ret
done: mov ebx, eax`);
    assert.equal(machine.inspect.register(0, 'RBX'), 5050n);
  });

  it('executes a patch of the very next instruction', () => {
    const machine = run(`
      mov ecx, 3
      xor ebx, ebx
next: mov [patched + 2], ecx
patched: add ebx, 100000
      dec ecx
      jnz next`);
    assert.equal(machine.inspect.register(0, 'RBX'), 6n);
  });

  it('stores without leaving emitted code once a page of code has become data', () => {
    const machine = run(`
      call scratch
      lea rdi, [scratch]
      mov ecx, 1000
fill: mov [rdi], ecx
      mov [rdi + 4], ecx
      dec ecx
      jnz fill
      jmp done
      align 4096
scratch: ret
      align 4096
done: mov ebx, [scratch]
      mov esi, [scratch + 4]`);
    assert.equal(machine.inspect.register(0, 'RBX'), 1n);
    assert.equal(machine.inspect.register(0, 'RSI'), 1n);
    assert.ok(machine.crossings < 100, `${machine.crossings} crossings for 2000 stores`);
  });

  it('executes a patch of the last byte of the longest instructions', () => {
    const machine = run(`
      mov ecx, 2
      xor ebx, ebx
next: mov byte [patched + 9], cl
patched: mov rax, 1122334455667788h
      rol rax, 8
      add ebx, eax
      dec ecx
      jnz next`);
    // The patched top byte, rotated to the bottom: 2, then 1.
    assert.equal(machine.inspect.register(0, 'RBX') & 0xffn, 3n);
  });

  it('stores beside code without leaving emitted code', () => {
    const machine = run(`
      mov ecx, 1000
next: inc dword [counter]
      mov [last], ecx
      add [sum], ecx
      dec ecx
      jnz next
      mov ebx, [counter]
      mov esi, [sum]
      mov edi, [last]
      jmp done
counter: dd 0
last: dd 0
sum: dd 0
done:`);
    assert.equal(machine.inspect.register(0, 'RBX'), 1000n);
    assert.equal(machine.inspect.register(0, 'RSI'), 500_500n);
    assert.equal(machine.inspect.register(0, 'RDI'), 1n);
    assert.ok(machine.crossings < 100, `${machine.crossings} crossings for 3000 stores`);
  });
});
