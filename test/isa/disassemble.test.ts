import assert from 'node:assert/strict';
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { disassemble } from '../../debug-adapter/engine/isa/disassemble.ts';

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const symbols = new Map([
  [0x7c00n, 'start'],
  [0x500n, 'counter'],
  [0x7c17n, 'table'],
]);

/** bits, bytes at 7C00h, text, flow. */
const ROWS: readonly [CodeBits, string, string, 'branch' | 'call' | 'return' | '', bigint | undefined][] = [
  [16, 'eb fe', 'jmp start', 'branch', 0x7c00n],
  [16, 'eb 00', 'jmp 0x7c02', 'branch', 0x7c02n],
  [16, 'e2 fe', 'loop start', 'branch', 0x7c00n],
  [16, 'e8 fd 83', 'call 0', 'call', 0n],
  [16, 'cb', 'retf', 'return', undefined],
  [16, 'cd 13', 'int 0x13', 'call', undefined],
  [16, 'a1 00 05', 'mov ax, [counter]', '', undefined],
  [16, '26 a1 00 05', 'mov ax, [es:counter]', '', undefined],
  [32, 'ea 78 56 34 12 08 00', 'jmp 8:0x12345678', 'branch', undefined],
  [64, '48 8b 05 10 00 00 00', 'mov rax, [rel table]', '', undefined],
  [64, '48 83 05 0f 00 00 00 05', 'add qword [rel table], 5', '', undefined],
  [64, 'ff d0', 'call rax', 'call', undefined],
  [64, '48 cf', 'iretq', 'return', undefined],
  [64, '0f 05', 'syscall', 'call', undefined],
  [64, '0f 01 c1', 'vmcall', 'call', undefined],
  [64, '0f 01 c2', 'vmlaunch', '', undefined],
  [64, 'f3 48 a5', 'rep movsq', '', undefined],
];

describe('isa/disassemble', () => {
  for (const [bits, hex, text, flow, target] of ROWS) {
    it(`${bits}-bit ${hex} is ${text}`, () => {
      const shown = disassemble(bytesOf(hex), 0x7c00n, bits, { symbolAt: (address) => symbols.get(address) });
      assert.ok(shown !== undefined);
      assert.equal(shown.text, text);
      assert.equal(shown.bytes, bytesOf(hex).length);
      assert.deepEqual(
        [shown.isBranch, shown.isCall, shown.isReturn],
        [flow === 'branch', flow === 'call', flow === 'return'],
      );
      assert.equal(shown.nearTarget, target);
    });
  }

  it('shows numbers where no symbols are given', () => {
    assert.equal(disassemble(bytesOf('ebfe'), 0x7c00n, 16)?.text, 'jmp 0x7c00');
  });

  it('is undefined for bytes that are no instruction or stop within one', () => {
    assert.equal(disassemble(bytesOf('06'), 0n, 64), undefined);
    assert.equal(disassemble(bytesOf('e8 00'), 0n, 64), undefined);
    assert.equal(disassemble(new Uint8Array(0), 0n, 64), undefined);
  });

  it('names the mnemonic without prefixes', () => {
    assert.equal(disassemble(bytesOf('f0 48 0f b1 0b'), 0n, 64)?.mnemonic, 'cmpxchg');
  });
});
