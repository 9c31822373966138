import assert from 'node:assert/strict';
import * as iced from 'iced-x86';
import { Code, OpKind, Register } from 'iced-x86';
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { decode, type DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** bits, bytes, instruction pointer, and the fields that matter for that row. */
const ROWS: readonly [CodeBits, string, bigint, Partial<DecodedInstruction>][] = [
  [16, 'b8 34 12', 0n, { code: Code.Mov_r16_imm16, length: 3, op0Register: Register.AX, immediateLo: 0x1234 }],
  [
    16,
    '8b 46 fe',
    0n,
    {
      memoryBase: Register.BP,
      displacement: 0xfffen,
      displacementLo: 0xfffe,
      displacementHi: 0,
      segment: Register.SS,
      segmentPrefix: 0,
      addressSize: 2,
    },
  ],
  [16, '26 8a 07', 0n, { segment: Register.ES, segmentPrefix: Register.ES, memoryBase: Register.BX, addressSize: 2 }],
  [16, '67 8a 04 58', 0n, { memoryBase: Register.EAX, memoryIndex: Register.EBX, memoryScale: 2, addressSize: 4 }],
  [16, 'ea 00 7c 34 12', 0n, { op0Kind: OpKind.FarBranch16, farSelector: 0x1234, farOffset: 0x7c00 }],
  [16, 'eb fe', 0x7c00n, { op0Kind: OpKind.NearBranch16, nearTarget: 0x7c00n, nearTargetLo: 0x7c00, nearTargetHi: 0 }],
  [16, 'e2 fe', 0n, { code: Code.Loop_rel8_16_CX, addressSize: 2 }],
  [16, '67 e2 fd', 0n, { code: Code.Loop_rel8_16_ECX, addressSize: 4 }],
  [32, 'ea 78 56 34 12 08 00', 0n, { op0Kind: OpKind.FarBranch32, farSelector: 8, farOffset: 0x12345678 }],
  [
    32,
    'f3 a4',
    0n,
    {
      op0Kind: OpKind.MemoryESEDI,
      op1Kind: OpKind.MemorySegESI,
      segment: Register.DS,
      addressSize: 4,
      rep: true,
      repne: false,
    },
  ],
  [32, '67 f2 ae', 0n, { op1Kind: OpKind.MemoryESDI, addressSize: 2, rep: false, repne: true, hasMemory: true }],
  [
    32,
    'a1 00 00 00 80',
    0n,
    { displacement: 0x8000_0000n, displacementLo: -0x8000_0000, displacementHi: 0, addressSize: 4 },
  ],
  [64, '48 c7 c0 ff ff ff ff', 0n, { immediateLo: -1, immediateHi: -1, op1Kind: OpKind.Immediate32to64 }],
  [64, '48 b8 88 77 66 55 44 33 22 11', 0n, { immediateLo: 0x55667788, immediateHi: 0x11223344 }],
  [64, 'b8 ff ff ff ff', 0n, { immediateLo: -1, immediateHi: 0, op1Kind: OpKind.Immediate32 }],
  [64, '83 c0 80', 0n, { immediateLo: -128, immediateHi: -1, op1Kind: OpKind.Immediate8to32 }],
  [64, 'c8 34 12 05', 0n, { code: Code.Enterq_imm16_imm8, immediateLo: 0x1234, immediate2: 5 }],
  [
    64,
    '48 8b 05 10 00 00 00',
    0xffff_8000_0000_0000n,
    {
      memoryBase: Register.RIP,
      displacement: 0xffff_8000_0000_0017n,
      displacementLo: 0x17,
      displacementHi: -0x8000,
      addressSize: 8,
    },
  ],
  [64, '48 8b 44 24 08', 0n, { memoryBase: Register.RSP, segment: Register.SS, displacement: 8n }],
  [
    64,
    '65 48 8b 04 25 28 00 00 00',
    0n,
    { segment: Register.GS, memoryBase: 0, memoryIndex: 0, displacement: 0x28n, addressSize: 8 },
  ],
  [64, 'f0 48 0f b1 0b', 0n, { lock: true, rep: false, repne: false, code: Code.Cmpxchg_rm64_r64 }],
  [64, '8b 44 24 f8', 0n, { displacement: 0xffff_ffff_ffff_fff8n, displacementLo: -8, displacementHi: -1 }],
  [64, '67 8b 40 f8', 0n, { displacement: 0xffff_fff8n, displacementLo: -8, displacementHi: 0, addressSize: 4 }],
  [64, 'e8 00 00 00 80', 0n, { nearTarget: 0xffff_ffff_8000_0005n, nearTargetLo: -0x7fff_fffb, nearTargetHi: -1 }],
  [64, '67 e3 00', 0n, { code: Code.Jecxz_rel8_64, addressSize: 4 }],
  [64, 'd7', 0n, { hasMemory: true, memoryBase: Register.RBX, memoryIndex: Register.AL, addressSize: 8 }],
  [64, '0f 01 c2', 0n, { code: Code.Vmlaunch, opCount: 0, hasMemory: false, invalid: false, addressSize: 8 }],
  [64, '06 00', 0n, { invalid: true, noMoreBytes: false, code: Code.INVALID }],
  [64, '48 8b', 0n, { invalid: true, noMoreBytes: true }],
];

describe('isa/decode', () => {
  for (const [bits, hex, ip, expected] of ROWS) {
    it(`${bits}-bit ${hex}`, () => {
      const decoded = decode(bytesOf(hex), 0, 15, ip, bits);
      for (const [field, value] of Object.entries(expected)) {
        assert.equal(decoded[field as keyof DecodedInstruction], value, field);
      }
      if (!decoded.invalid) assert.equal(decoded.length, bytesOf(hex).length);
    });
  }

  it('reads at an offset and never past the available bytes', () => {
    const bytes = bytesOf('90 b8 34 12 90');
    assert.equal(decode(bytes, 1, 15, 0n, 16).immediateLo, 0x1234);
    assert.equal(decode(bytes, 1, 2, 0n, 16).noMoreBytes, true);
    assert.equal(decode(bytes, 5, 15, 0n, 16).noMoreBytes, true);
  });

  it('gives every instruction the same fields in the same order', () => {
    const keys = ROWS.map(([bits, hex, ip]) => Object.keys(decode(bytesOf(hex), 0, 15, ip, bits)).join());
    assert.equal(new Set(keys).size, 1);
  });

  it('decodes 300,000 instructions without growing the memory of iced', function () {
    this.timeout(20_000);
    const memory = (iced as unknown as { __wasm: { memory: WebAssembly.Memory } }).__wasm.memory;
    const bytes = bytesOf('488b84c878563412c3f3a4e8000000005589e5');
    const pass = (count: number) => {
      for (let done = 0, offset = 0; done < count; done++) {
        offset += decode(bytes, offset, bytes.length - offset, 0n, 64).length;
        if (offset >= bytes.length) offset = 0;
      }
    };
    pass(1000);
    const before = memory.buffer.byteLength;
    pass(300_000);
    assert.equal(memory.buffer.byteLength, before);
  });
});
