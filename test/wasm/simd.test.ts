/** Vector instructions of the module writer: each does to its lanes what a model lane by lane says. */
import assert from 'node:assert/strict';
import {
  I32,
  I64,
  V128,
  type FunctionWriter,
  type SaturatingOpName,
} from '../../debug-adapter/engine/wasm/function.ts';
import { ModuleWriter, type Signature } from '../../debug-adapter/engine/wasm/module.ts';
import {
  LANE_OP,
  SIMD_OP,
  type LaneOpName,
  type SimdMemoryOpName,
  type SimdOpName,
} from '../../debug-adapter/engine/wasm/simd.ts';

const memory = new WebAssembly.Memory({ initial: 1 });
const view = new DataView(memory.buffer);
const bytes = new Uint8Array(memory.buffer);
const [A_AT, B_AT, C_AT, OUT_AT] = [0x100, 0x110, 0x120, 0x200];

type Export = (...values: readonly (number | bigint)[]) => number | bigint;
function build(signature: Signature, write: (f: FunctionWriter) => void): Export {
  const module = new ModuleWriter(1);
  write(module.define(signature, 'main').body);
  const compiled = new WebAssembly.Module(module.toBytes() as Uint8Array<ArrayBuffer>);
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports['main'] as unknown as Export;
}
const NOTHING: Signature = { parameters: [], results: [] };
const push = (f: FunctionWriter, at: number): void => {
  f.i32(at);
  f.simdMemory('v128_load');
};
/** Runs what leaves a vector on the stack; gives its bytes. */
function vectorOf(write: (f: FunctionWriter) => void): Uint8Array {
  build(NOTHING, (f) => {
    f.i32(OUT_AT);
    write(f);
    f.simdMemory('v128_store');
  })();
  return bytes.slice(OUT_AT, OUT_AT + 16);
}

type Lane = bigint | number;
interface Shape {
  readonly bits: number;
  readonly float: boolean;
}
const shapeOf = (name: string): Shape => ({ bits: Number(/^.(\d+)/.exec(name)![1]), float: name.startsWith('f') });
/** Lanes of a vector in memory: floating-point numbers, or integers with or without their sign. */
function lanesAt(at: number, { bits, float }: Shape, signed = false): Lane[] {
  return Array.from({ length: 128 / bits }, (_, i) => {
    const from = at + (i * bits) / 8;
    if (float) return bits === 32 ? view.getFloat32(from, true) : view.getFloat64(from, true);
    let value = 0n;
    for (let byte = bits / 8 - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(bytes[from + byte]!);
    return signed ? BigInt.asIntN(bits, value) : value;
  });
}
function bytesOf(lanes: readonly Lane[], { bits, float }: Shape): Uint8Array {
  const out = new DataView(new ArrayBuffer(16));
  lanes.forEach((lane, i) => {
    const at = (i * bits) / 8;
    if (float && bits === 32) out.setFloat32(at, Number(lane), true);
    else if (float) out.setFloat64(at, Number(lane), true);
    else
      for (let byte = 0; byte < bits / 8; byte++)
        out.setUint8(at + byte, Number((BigInt(lane) >> BigInt(8 * byte)) & 0xffn));
  });
  return new Uint8Array(out.buffer);
}

const big = (lane: Lane): bigint => lane as bigint;
const num = (lane: Lane): number => lane as number;
const clamp = (value: bigint, bits: number, signed: boolean): bigint => {
  const [low, high] = signed
    ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n]
    : [0n, (1n << BigInt(bits)) - 1n];
  return value < low ? low : value > high ? high : value;
};
const toEven = (x: number): number => {
  const down = Math.floor(x);
  const rest = x - down;
  const rounded = rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
  return Object.is(rounded, 0) && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
};
const COMPARE: Readonly<Record<string, (x: Lane, y: Lane) => boolean>> = {
  eq: (x, y) => x === y,
  ne: (x, y) => x !== y,
  lt: (x, y) => x < y,
  gt: (x, y) => x > y,
  le: (x, y) => x <= y,
  ge: (x, y) => x >= y,
};
const INTEGER: Readonly<Record<string, (x: bigint, y: bigint, bits: number, signed: boolean) => bigint>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  min: (x, y) => (x < y ? x : y),
  max: (x, y) => (x > y ? x : y),
  add_sat: (x, y, bits, signed) => clamp(x + y, bits, signed),
  sub_sat: (x, y, bits, signed) => clamp(x - y, bits, signed),
  avgr: (x, y) => (x + y + 1n) >> 1n,
  q15mulr_sat: (x, y, bits, signed) => clamp((x * y + 0x4000n) >> 15n, bits, signed),
  shl: (x, y, bits) => x << (y % BigInt(bits)),
  shr: (x, y, bits) => x >> (y % BigInt(bits)),
};
const INTEGER_UNARY: Readonly<Record<string, (x: bigint) => bigint>> = {
  abs: (x) => (x < 0n ? -x : x),
  neg: (x) => -x,
  popcnt: (x) => BigInt([...BigInt.asUintN(8, x).toString(2)].filter((digit) => digit === '1').length),
};
const FLOAT: Readonly<Record<string, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  min: Math.min,
  max: Math.max,
  pmin: (x, y) => (y < x ? y : x),
  pmax: (x, y) => (x < y ? y : x),
};
const FLOAT_UNARY: Readonly<Record<string, (x: number) => number>> = {
  abs: Math.abs,
  neg: (x) => -x,
  sqrt: Math.sqrt,
  ceil: Math.ceil,
  floor: Math.floor,
  trunc: Math.trunc,
  nearest: toEven,
};

/** What an instruction makes of the vectors at A and B: bytes of a vector, or a number. */
function expected(name: SimdOpName): Uint8Array | number {
  const shape = shapeOf(name);
  const { bits, float } = shape;
  const signed = name.endsWith('_s');
  const operation = name.replace(/^[a-z0-9]+_/, '').replace(/_[su]$/, '');
  const at = (place: number, other = shape, sign = signed): Lane[] => lanesAt(place, other, sign);
  const pair = (f: (x: Lane, y: Lane) => Lane): Uint8Array => {
    const y = at(B_AT);
    return bytesOf(
      at(A_AT).map((x, i) => f(x, y[i]!)),
      shape,
    );
  };
  const conversion = /^(?:extend|extmul|extadd|narrow|trunc|convert|promote|demote|dot)_/.test(operation);
  if (conversion) return converted(operation, shape, signed);
  if (operation in COMPARE)
    return bytesOf(maskOf(pairs(at(A_AT), at(B_AT)), COMPARE[operation]!), { bits, float: false });
  if (operation === 'bitmask')
    return at(A_AT, shape, true).reduce<number>((mask, x, i) => mask | (x < 0n ? 1 << i : 0), 0);
  if (operation === 'all_true') return at(A_AT).every((x) => x !== 0n) ? 1 : 0;
  if (operation === 'swizzle') {
    const a = at(A_AT);
    return bytesOf(
      at(B_AT).map((from) => a[Number(from)] ?? 0n),
      shape,
    );
  }
  if (float) {
    const one = FLOAT_UNARY[operation];
    if (one)
      return bytesOf(
        at(A_AT).map((x) => one(num(x))),
        shape,
      );
    return pair((x, y) => FLOAT[operation]!(num(x), num(y)));
  }
  const unary = INTEGER_UNARY[operation];
  if (unary)
    return bytesOf(
      at(A_AT, shape, true).map((x) => unary(big(x))),
      shape,
    );
  return pair((x, y) => INTEGER[operation]!(big(x), big(y), bits, signed));
}
const pairs = (x: readonly Lane[], y: readonly Lane[]): (readonly [Lane, Lane])[] => x.map((lane, i) => [lane, y[i]!]);
const maskOf = (lanes: readonly (readonly [Lane, Lane])[], test: (x: Lane, y: Lane) => boolean): Lane[] =>
  lanes.map(([x, y]) => (test(x, y) ? -1n : 0n));

function converted(operation: string, shape: Shape, signed: boolean): Uint8Array {
  const sourceName = /[if]\d+x\d+/.exec(operation)![0];
  const source = shapeOf(sourceName);
  const unsigned = /_u_zero$/.test(operation) ? false : signed || /_s_zero$/.test(operation);
  const a = lanesAt(A_AT, source, unsigned);
  const b = lanesAt(B_AT, source, unsigned);
  const half = a.length / 2;
  const part = operation.includes('_high_') ? half : 0;
  if (operation.startsWith('extend_')) return bytesOf(a.slice(part, part + half), shape);
  if (operation.startsWith('extmul_'))
    return bytesOf(
      a.slice(part, part + half).map((x, i) => big(x) * big(b[part + i]!)),
      shape,
    );
  if (operation.startsWith('extadd_'))
    return bytesOf(
      Array.from({ length: half }, (_, i) => big(a[2 * i]!) + big(a[2 * i + 1]!)),
      shape,
    );
  if (operation.startsWith('dot_'))
    return bytesOf(
      Array.from({ length: half }, (_, i) => big(a[2 * i]!) * big(b[2 * i]!) + big(a[2 * i + 1]!) * big(b[2 * i + 1]!)),
      shape,
    );
  if (operation.startsWith('narrow_')) {
    const all = [...lanesAt(A_AT, source, true), ...lanesAt(B_AT, source, true)];
    return bytesOf(
      all.map((x) => clamp(big(x), shape.bits, signed)),
      shape,
    );
  }
  if (operation.startsWith('trunc_'))
    return bytesOf(
      a.map((x) =>
        Number.isNaN(x) ? 0n : clamp(BigInt(Math.max(-(2 ** 40), Math.min(2 ** 40, Math.trunc(num(x))))), 32, unsigned),
      ),
      shape,
    );
  // Conversions to floating point.
  return bytesOf(a.slice(0, 128 / shape.bits).map(Number), shape);
}

/** Operands for lanes of integers, with every sign and the ends of their ranges, and for floating point. */
const INTEGERS: readonly [bigint, bigint, bigint, bigint][] = [
  [0x8000_7fff_0180_ff01n, 0x0000_ffff_8080_7f02n, 0x8000_8000_7f80_0203n, 0x0000_ffff_0080_8103n],
  [0x8000_0000_0000_0000n, 0x1234_5678_9abc_def0n, 0x7fff_ffff_ffff_ffffn, 0x1234_5678_9abc_def0n],
];
const FLOATS: readonly [readonly number[], readonly number[]][] = [
  [
    [1.5, -2.5, 0.1, -0],
    [2.5, -2.5, 3, 0],
  ],
  [
    [3e9, -3e9, 0.5, 1.75],
    [NaN, 1, -7, 1e-3],
  ],
];
function setOperands(float: boolean, bits: number, round: number): void {
  if (!float) {
    INTEGERS[round]!.forEach((half, i) => view.setBigUint64(A_AT + 8 * i, half, true));
    return;
  }
  FLOATS[round]!.forEach((lanes, which) => {
    for (let i = 0; i < 128 / bits; i++) {
      const at = A_AT + 16 * which + (i * bits) / 8;
      if (bits === 32) view.setFloat32(at, lanes[i]!, true);
      else view.setFloat64(at, lanes[i]!, true);
    }
  });
}
const sourceShapeOf = (name: string): Shape => {
  const all = [...name.matchAll(/[if]\d+x\d+/g)].map(([match]) => shapeOf(match));
  return all.at(-1)!;
};

const OF_MASK = /_(all_true|bitmask)$/;
const OF_SHIFT = /_(shl|shr_[su])$/;
const isUnary = (name: string): boolean =>
  /_(abs|neg|popcnt|sqrt|ceil|floor|trunc|nearest|all_true|bitmask)$|extend_|extadd_|convert_|promote_|demote_|trunc_sat/.test(
    name,
  );

describe('vector operators', () => {
  const names = (Object.keys(SIMD_OP) as SimdOpName[]).filter(
    (name) => !name.startsWith('v128_') && !name.endsWith('_splat'),
  );
  for (const name of names)
    it(name, () => {
      for (const round of [0, 1]) {
        const { float, bits } = sourceShapeOf(name);
        setOperands(float, bits, round);
        if (OF_MASK.test(name)) {
          const run = build({ parameters: [], results: [I32] }, (f) => {
            push(f, A_AT);
            f.simd(name);
          });
          assert.equal(run(), expected(name));
          continue;
        }
        if (OF_SHIFT.test(name)) {
          // One count for all lanes, beyond the width of the narrow ones.
          const count = round === 0 ? 3 : 17;
          const want = ((): Uint8Array | number => {
            const kept = bytes.slice(B_AT, B_AT + 16);
            bytes.set(bytesOf(Array<bigint>(128 / bits).fill(BigInt(count)), { bits, float: false }), B_AT);
            const result = expected(name);
            bytes.set(kept, B_AT);
            return result;
          })();
          const got = vectorOf((f) => {
            push(f, A_AT);
            f.i32(count);
            f.simd(name);
          });
          assert.deepEqual(got, want);
          continue;
        }
        const got = vectorOf((f) => {
          push(f, A_AT);
          if (!isUnary(name)) push(f, B_AT);
          f.simd(name);
        });
        const want = expected(name) as Uint8Array;
        const shape = shapeOf(name);
        if (!shape.float) assert.deepEqual(got, want);
        else {
          // Which NaN is nobody's promise.
          bytes.set(got, OUT_AT);
          bytes.set(want, OUT_AT + 16);
          assert.deepEqual(lanesAt(OUT_AT, shape), lanesAt(OUT_AT + 16, shape));
        }
      }
    });

  it('of all 128 bits', () => {
    const [a, b, c] = [0x00ff_00ff_0f0f_3333n, 0x0000_ffff_00ff_5555n, 0x1234_5678_9abc_def0n];
    [a, b, c].forEach((value, i) => {
      view.setBigUint64(A_AT + 16 * i, value, true);
      view.setBigUint64(A_AT + 16 * i + 8, ~value & (2n ** 64n - 1n), true);
    });
    const low = (name: SimdOpName, count: number): bigint => {
      const out = vectorOf((f) => {
        for (const at of [A_AT, B_AT, C_AT].slice(0, count)) push(f, at);
        f.simd(name);
      });
      return new DataView(out.buffer).getBigUint64(0, true);
    };
    assert.deepEqual(
      [low('v128_not', 1), low('v128_and', 2), low('v128_andnot', 2), low('v128_or', 2), low('v128_xor', 2)],
      [BigInt.asUintN(64, ~a), a & b, a & ~b, a | b, a ^ b],
    );
    assert.equal(low('v128_bitselect', 3), (a & c) | (b & BigInt.asUintN(64, ~c)));
    const any = build({ parameters: [I64], results: [I32] }, (f) => {
      f.get(0);
      f.simd('i64x2_splat');
      f.simd('v128_any_true');
    });
    assert.deepEqual([any(0n), any(1n << 40n)], [0, 1]);
  });
});

describe('lanes, constants and shuffles', () => {
  it('splat, extract and replace each lane', () => {
    const integers = (Object.keys(LANE_OP) as LaneOpName[]).filter((name) => name.startsWith('i'));
    for (const name of integers) {
      const shape = shapeOf(name);
      const wide = shape.bits === 64;
      const last = 128 / shape.bits - 1;
      setOperands(false, shape.bits, 0);
      if (name.includes('extract')) {
        const run = build({ parameters: [], results: [wide ? I64 : I32] }, (f) => {
          push(f, A_AT);
          f.lane(name, last);
        });
        const want = lanesAt(A_AT, shape, name.endsWith('_s'))[last]!;
        assert.equal(BigInt.asUintN(wide ? 64 : 32, BigInt(run())), BigInt.asUintN(wide ? 64 : 32, big(want)), name);
      } else {
        const got = vectorOf((f) => {
          push(f, A_AT);
          if (wide) f.i64(0x55n);
          else f.i32(0x55);
          f.lane(name, last);
        });
        const want = lanesAt(A_AT, shape);
        want[last] = 0x55n;
        assert.deepEqual(got, bytesOf(want, shape), name);
      }
      const splat = vectorOf((f) => {
        if (wide) f.i64(0x55n);
        else f.i32(0x55);
        f.simd(`i${shape.bits}x${128 / shape.bits}_splat` as SimdOpName);
      });
      assert.deepEqual(splat, bytesOf(Array<bigint>(last + 1).fill(0x55n), shape));
    }
  });
  it('lanes of floating point convert from and to integers of 64 bits', () => {
    for (const [shape, convert, truncate] of [
      ['f32x4', 'f32_convert_i64_s', 'i64_trunc_sat_f32_s'],
      ['f64x2', 'f64_convert_i64_s', 'i64_trunc_sat_f64_s'],
    ] as const) {
      const run = build({ parameters: [I64], results: [I64] }, (f) => {
        const lanes = f.local(V128);
        f.get(0);
        f.op(convert);
        f.simd(`${shape}_splat`);
        f.set(lanes);
        f.get(lanes);
        f.get(lanes);
        f.lane(`${shape}_extract_lane`, 1);
        f.lane(`${shape}_replace_lane`, 0);
        f.lane(`${shape}_extract_lane`, 0);
        f.saturating(truncate satisfies SaturatingOpName);
      });
      assert.deepEqual([run(-12345n), run(1n << 62n), run((1n << 63n) - 1n)], [-12345n, 1n << 62n, (1n << 63n) - 1n]);
    }
  });
  it('constants and shuffles take bytes in memory order', () => {
    const counted = vectorOf((f) => f.v128(0x0706_0504_0302_0100n, 0x0f0e_0d0c_0b0a_0908n));
    assert.deepEqual(
      [...counted],
      Array.from({ length: 16 }, (_, i) => i),
    );
    bytes.set(counted, A_AT);
    bytes.set(
      counted.map((x) => x + 16),
      B_AT,
    );
    const order = [31, 0, 16, 15, 7, 8, 23, 24, 1, 1, 2, 30, 29, 3, 4, 5];
    const shuffled = vectorOf((f) => {
      push(f, A_AT);
      push(f, B_AT);
      f.shuffle(order);
    });
    assert.deepEqual([...shuffled], order);
  });
  it('loads of less than 16 bytes clear the rest, at any address', () => {
    bytes.set(
      Array.from({ length: 32 }, (_, i) => i + 1),
      A_AT,
    );
    for (const [name, count] of [
      ['v128_load32_zero', 4],
      ['v128_load64_zero', 8],
      ['v128_load', 16],
    ] as const satisfies readonly (readonly [SimdMemoryOpName, number])[]) {
      const got = vectorOf((f) => {
        f.i32(A_AT - 2);
        f.simdMemory(name, 5);
      });
      assert.deepEqual(
        [...got],
        Array.from({ length: 16 }, (_, i) => (i < count ? i + 4 : 0)),
      );
    }
  });
});

describe('the table of functions', () => {
  it('is called through by the number on the stack, once its host has filled it', () => {
    const module = new ModuleWriter(1);
    const signature: Signature = { parameters: [I32, I32], results: [I32] };
    module.defineTable(4, 'table');
    const { index, body } = module.define(signature);
    body.get(0);
    body.get(1);
    body.op('i32_sub');
    module.exportFunction(index, 'subtract');
    const main = module.define({ parameters: [I32], results: [I32] }, 'main').body;
    main.i32(50);
    main.i32(8);
    main.get(0);
    main.callIndirect(module.type(signature));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes() as Uint8Array<ArrayBuffer>), {
      env: { memory },
    });
    const table = exports['table'] as WebAssembly.Table;
    const run = exports['main'] as unknown as Export;
    assert.equal(table.length, 4);
    assert.throws(() => run(2), WebAssembly.RuntimeError);
    table.set(2, exports['subtract']);
    assert.equal(run(2), 42);
  });
});
