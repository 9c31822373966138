/** The module writer: what it writes is valid WebAssembly and computes what it says. */
import assert from 'node:assert/strict';
import { ByteWriter } from '../../debug-adapter/engine/wasm/bytes.ts';
import {
  I32,
  I64,
  type FunctionWriter,
  type MemoryOpName,
  type OpName,
} from '../../debug-adapter/engine/wasm/function.ts';
import { ModuleWriter, type Signature } from '../../debug-adapter/engine/wasm/module.ts';

type Export = (...values: readonly (number | bigint)[]) => number | bigint;

const memory = new WebAssembly.Memory({ initial: 1 });

/** A module of one exported function. */
function build(signature: Signature, write: (f: FunctionWriter) => void): Export {
  const module = new ModuleWriter(1);
  write(module.define(signature, 'main').body);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes() as Uint8Array<ArrayBuffer>), {
    env: { memory },
  });
  return instance.exports['main'] as unknown as Export;
}

const constant32 = (value: number): number =>
  build({ parameters: [], results: [I32] }, (f) => f.i32(value))() as number;
const constant64 = (value: bigint): bigint =>
  build({ parameters: [], results: [I64] }, (f) => f.i64(value))() as bigint;

describe('integers in the binary format', () => {
  /** Examples of LEB128 (WebAssembly core specification, "Integers" 5.2.2). */
  const written = (write: (w: ByteWriter) => void): number[] => {
    const w = new ByteWriter();
    write(w);
    return [...w.toBytes()];
  };

  it('are LEB128, as short as they can be', () => {
    assert.deepEqual(
      written((w) => w.unsigned(624_485)),
      [0xe5, 0x8e, 0x26],
    );
    assert.deepEqual(
      written((w) => w.unsigned(0)),
      [0],
    );
    assert.deepEqual(
      written((w) => w.unsigned(127)),
      [127],
    );
    assert.deepEqual(
      written((w) => w.unsigned(128)),
      [0x80, 1],
    );
    assert.deepEqual(
      written((w) => w.unsigned(0xffff_ffff)),
      [0xff, 0xff, 0xff, 0xff, 0x0f],
    );
    assert.deepEqual(
      written((w) => w.signed(-123_456)),
      [0xc0, 0xbb, 0x78],
    );
    assert.deepEqual(
      written((w) => w.signed(63)),
      [63],
    );
    assert.deepEqual(
      written((w) => w.signed(64)),
      [0xc0, 0],
    );
    assert.deepEqual(
      written((w) => w.signed(-64)),
      [0x40],
    );
  });

  it('come back as they were written, at every length', () => {
    for (let bit = 0; bit < 32; bit++)
      for (const value of [1 << bit, (1 << bit) - 1, -(1 << bit), ~(1 << bit)])
        assert.equal(constant32(value | 0), value | 0);
    for (let bit = 0n; bit < 64n; bit++)
      for (const value of [1n << bit, (1n << bit) - 1n, -(1n << bit), ~(1n << bit)])
        assert.equal(constant64(value), BigInt.asIntN(64, value));
  });

  it('grow the buffer as far as they need', () => {
    const many = written((w) => {
      for (let i = 0; i < 5000; i++) w.unsigned(0xffff_ffff);
    });
    assert.equal(many.length, 25_000);
    assert.deepEqual(many.slice(-5), [0xff, 0xff, 0xff, 0xff, 0x0f]);
  });
});

describe('operators', () => {
  const A = 0x8123_4567_89ab_cdefn;
  const B = 0x1fn;
  const u = (value: bigint): bigint => BigInt.asUintN(64, value);
  const s = (value: bigint): bigint => BigInt.asIntN(64, value);
  /** What each does to A and B (in this order), as unsigned 64 bits. */
  const BINARY_64: Partial<Record<OpName, bigint>> = {
    i64_add: A + B,
    i64_sub: A - B,
    i64_mul: A * B,
    i64_div_s: s(A) / B,
    i64_div_u: A / B,
    i64_rem_s: s(A) % B,
    i64_rem_u: A % B,
    i64_and: A & B,
    i64_or: A | B,
    i64_xor: A ^ B,
    i64_shl: A << B,
    i64_shr_s: s(A) >> B,
    i64_shr_u: A >> B,
    i64_rotl: (A << B) | (A >> (64n - B)),
    i64_rotr: (A >> B) | (A << (64n - B)),
  };
  for (const [name, expected] of Object.entries(BINARY_64) as [OpName, bigint][])
    it(name, () => {
      const run = build({ parameters: [I64, I64], results: [I64] }, (f) => {
        f.get(0);
        f.get(1);
        f.op(name);
      });
      assert.equal(u(run(A, B) as bigint), u(expected));
    });

  const COMPARE_64: Partial<Record<OpName, readonly [less: number, equal: number, negativeLess: number]>> = {
    i64_eq: [0, 1, 0],
    i64_ne: [1, 0, 1],
    i64_lt_s: [1, 0, 1],
    i64_lt_u: [1, 0, 0],
    i64_gt_s: [0, 0, 0],
    i64_gt_u: [0, 0, 1],
    i64_le_u: [1, 1, 0],
    i64_ge_u: [0, 1, 1],
  };
  for (const [name, expected] of Object.entries(COMPARE_64) as [OpName, readonly number[]][])
    it(name, () => {
      const run = build({ parameters: [I64, I64], results: [I32] }, (f) => {
        f.get(0);
        f.get(1);
        f.op(name);
      });
      assert.deepEqual([run(1n, 2n), run(2n, 2n), run(-1n, 2n)], expected);
    });

  const UNARY_64: Partial<Record<OpName, bigint>> = {
    i64_clz: 0n,
    i64_ctz: 0n,
    i64_popcnt: BigInt([...A.toString(2)].filter((digit) => digit === '1').length),
    i64_extend8_s: BigInt.asIntN(8, A),
    i64_extend16_s: BigInt.asIntN(16, A),
    i64_extend32_s: BigInt.asIntN(32, A),
  };
  for (const [name, expected] of Object.entries(UNARY_64) as [OpName, bigint][])
    it(name, () => {
      const run = build({ parameters: [I64], results: [I64] }, (f) => {
        f.get(0);
        f.op(name);
      });
      assert.equal(run(A), expected);
    });

  const BINARY_32: Partial<Record<OpName, number>> = {
    i32_eq: 0,
    i32_ne: 1,
    i32_lt_s: 1,
    i32_lt_u: 0,
    i32_gt_u: 1,
    i32_le_u: 0,
    i32_ge_u: 1,
    i32_add: -14,
    i32_sub: -18,
    i32_mul: -32,
    i32_and: 0,
    i32_or: -14,
    i32_xor: -14,
    i32_shl: -64,
    i32_shr_u: 0x3fff_fffc,
  };
  for (const [name, expected] of Object.entries(BINARY_32) as [OpName, number][])
    it(name, () => {
      const run = build({ parameters: [I32, I32], results: [I32] }, (f) => {
        f.get(0);
        f.get(1);
        f.op(name);
      });
      assert.equal(run(-16, 2), expected);
    });

  it('conversions, zero tests and select', () => {
    const convert = (from: typeof I32 | typeof I64, to: typeof I32 | typeof I64, name: OpName): Export =>
      build({ parameters: [from], results: [to] }, (f) => {
        f.get(0);
        f.op(name);
      });
    assert.equal(convert(I64, I32, 'i32_wrap_i64')(A), Number(BigInt.asIntN(32, A)));
    assert.equal(convert(I32, I64, 'i64_extend_i32_u')(-1), 0xffff_ffffn);
    assert.equal(convert(I32, I64, 'i64_extend_i32_s')(-1), -1n);
    assert.deepEqual(
      [0n, 1n << 63n].map((v) => convert(I64, I32, 'i64_eqz')(v)),
      [1, 0],
    );
    assert.deepEqual(
      [0, 5].map((v) => convert(I32, I32, 'i32_eqz')(v)),
      [1, 0],
    );
    assert.equal(convert(I32, I32, 'i32_popcnt')(0x70f), 7);
    const select = build({ parameters: [I64, I64, I32], results: [I64] }, (f) => {
      for (const local of [0, 1, 2]) f.get(local);
      f.op('select');
    });
    assert.deepEqual([select(1n, 2n, 1), select(1n, 2n, 0)], [1n, 2n]);
  });
});

describe('memory', () => {
  const LOADS: readonly (readonly [MemoryOpName, bigint])[] = [
    ['i64_load', 0xf8f7_f6f5_f4f3_f2f1n],
    ['i64_load8_u', 0xf1n],
    ['i64_load8_s', -15n],
    ['i64_load16_u', 0xf2f1n],
    ['i64_load16_s', BigInt.asIntN(16, 0xf2f1n)],
    ['i64_load32_u', 0xf4f3_f2f1n],
    ['i64_load32_s', BigInt.asIntN(32, 0xf4f3_f2f1n)],
    ['i32_load', 0xf4f3_f2f1n],
    ['i32_load8_u', 0xf1n],
    ['i32_load16_u', 0xf2f1n],
  ];
  for (const [name, expected] of LOADS)
    it(`${name} reads at address plus offset, aligned or not`, () => {
      const wide = name.startsWith('i64');
      const run = build({ parameters: [I32], results: [wide ? I64 : I32] }, (f) => {
        f.get(0);
        f.memory(name, 0x1000);
      });
      const bytes = new Uint8Array(memory.buffer);
      bytes.set([0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8], 0x1003);
      const value = BigInt(run(3));
      assert.equal(BigInt.asUintN(wide ? 64 : 32, value), BigInt.asUintN(wide ? 64 : 32, expected));
    });

  const STORES: readonly (readonly [MemoryOpName, number])[] = [
    ['i64_store', 8],
    ['i64_store8', 1],
    ['i64_store16', 2],
    ['i64_store32', 4],
    ['i32_store', 4],
    ['i32_store8', 1],
    ['i32_store16', 2],
  ];
  for (const [name, count] of STORES)
    it(`${name} writes ${count} bytes and no more`, () => {
      const wide = name.startsWith('i64');
      const run = build({ parameters: [I32, wide ? I64 : I32], results: [] }, (f) => {
        f.get(0);
        f.get(1);
        f.memory(name, 0x2000);
      });
      const bytes = new Uint8Array(memory.buffer, 0x2000, 16);
      bytes.fill(0xee);
      run(5, wide ? 0x0807_0605_0403_0201n : 0x0403_0201);
      const expected = Array.from({ length: 16 }, (_, i) => (i >= 5 && i < 5 + count ? i - 4 : 0xee));
      assert.deepEqual([...bytes], expected);
    });
});

describe('control', () => {
  it('switch: each case ends behind it, a selector beyond the last takes the last', () => {
    const run = build({ parameters: [I32], results: [I32] }, (f) => {
      const result = f.local(I32);
      const give = (value: number) => () => {
        f.i32(value);
        f.set(result);
      };
      f.switch(() => f.get(0), [give(10), give(20), give(30)]);
      f.get(result);
    });
    assert.deepEqual(
      [0, 1, 2, 3, -1].map((value) => run(value)),
      [10, 20, 30, 30, 30],
    );
  });

  it('labels reach their block from any depth', () => {
    // Sums the numbers below n, leaving the loop from within two nested blocks.
    const run = build({ parameters: [I32], results: [I32] }, (f) => {
      const sum = f.local(I32);
      f.i32(0);
      f.set(sum);
      f.block((done) => {
        f.loop((again) => {
          f.get(0);
          f.if(
            () => {
              f.block((inner) => {
                f.get(0);
                f.i32(1000);
                f.op('i32_eq');
                f.brIf(inner);
                f.get(0);
                f.i32(1);
                f.op('i32_sub');
                f.tee(0);
                f.get(sum);
                f.op('i32_add');
                f.set(sum);
                f.br(again);
              });
              f.i32(-1);
              f.set(sum);
              f.br(done);
            },
            () => f.br(done),
          );
        });
      });
      f.get(sum);
    });
    assert.deepEqual([run(0), run(5), run(1000)], [0, 10, -1]);
  });

  it('branches out of a switch inside a loop', () => {
    const run = build({ parameters: [I32], results: [I32] }, (f) => {
      const steps = f.local(I32);
      f.i32(0);
      f.set(steps);
      f.block((end) => {
        f.loop((again) => {
          f.get(steps);
          f.i32(1);
          f.op('i32_add');
          f.set(steps);
          const down = () => {
            f.get(0);
            f.i32(1);
            f.op('i32_sub');
            f.set(0);
            f.br(again);
          };
          f.switch(() => f.get(0), [() => f.br(end), down, down]);
        });
      });
      f.get(steps);
    });
    assert.deepEqual([run(0), run(1), run(7)], [1, 2, 8]);
  });
});

describe('functions', () => {
  it('call imported and defined ones by their index, before and after they are written', () => {
    const module = new ModuleWriter(1);
    const add = module.importFunction('add', { parameters: [I32, I32], results: [I32] });
    const later = module.define({ parameters: [I32], results: [I32] });
    const main = module.define({ parameters: [I32], results: [I32] }, 'main').body;
    main.get(0);
    main.call(later.index);
    main.i32(100);
    main.call(add);
    later.body.get(0);
    later.body.get(0);
    later.body.op('i32_mul');
    const env = { memory, add: (a: number, b: number) => a + b };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes() as Uint8Array<ArrayBuffer>), {
      env,
    });
    assert.equal((instance.exports['main'] as Export)(7), 149);
    assert.deepEqual(Object.keys(instance.exports), ['main']);
    assert.throws(() => module.importFunction('late', { parameters: [], results: [] }), /imported after a definition/);
  });

  it('give released locals out again, each type by itself', () => {
    const f = new ModuleWriter(1).define({ parameters: [I32], results: [] }).body;
    const [a, b, c] = [f.local(I32), f.local(I64), f.local(I32)];
    assert.equal(new Set([0, a, b, c]).size, 4);
    f.release(a);
    assert.notEqual(f.local(I64), a);
    assert.equal(f.local(I32), a);
    assert.deepEqual(f.localDeclarations, [I32, I64, I32, I64]);
  });
});
