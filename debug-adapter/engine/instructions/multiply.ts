/** MUL IMUL DIV IDIV. */
import { RAX, RDX, type Builder, type Bytes, type Computation, type EmittedRow, type Value } from './builder.ts';
import { auxOfCarryOverflow } from './flags.ts';
import { ALL_BYTES, forSizes, REGISTER_OR_MEMORY, WIDE_BYTES } from './rows.ts';

const DIVIDE_ERROR = 0;

/** Upper 64 bits of the unsigned product, from four 32-bit partial products. */
export function highProduct(b: Computation, a: Value, c: Value): Value {
  const low32 = (v: Value) => b.with('and', v, 0xffff_ffffn);
  const high32 = (v: Value) => b.with('shr_u', v, 32n);
  const ll = b.binary('mul', low32(a), low32(c));
  const lh = b.binary('mul', low32(a), high32(c));
  const hl = b.binary('mul', high32(a), low32(c));
  const hh = b.binary('mul', high32(a), high32(c));
  const middle = b.binary('add', b.binary('add', high32(ll), low32(lh)), low32(hl));
  return b.binary('add', b.binary('add', hh, high32(lh)), b.binary('add', high32(hl), high32(middle)));
}

/** Upper 64 bits of the signed product. */
function highSignedProduct(b: Builder, a: Value, c: Value): Value {
  const unsigned = highProduct(b, a, c);
  const correction = (x: Value, y: Value) => b.binary('and', b.with('shr_s', x, 63n), y);
  return b.binary('sub', b.binary('sub', unsigned, correction(a, c)), correction(c, a));
}

/** SF, ZF, AF and PF are undefined after a multiplication; they are set from the low half as processors do. */
function productFlags(b: Builder, bytes: Bytes, low: Value, overflows: Value): void {
  b.setFlags(b.signExtend(low, bytes), auxOfCarryOverflow(b, overflows, overflows));
}

const multiplyAccumulator = (['Mul', 'Imul'] as const).flatMap((iced) =>
  forSizes(ALL_BYTES, (bytes) => ({
    name: `${iced.toLowerCase()}1`,
    codes: [`${iced}_rm${bytes * 8}`],
    shapes: REGISTER_OR_MEMORY,
    sdm: iced === 'Mul' ? 'Vol. 2B, "MUL—Unsigned Multiply"' : 'Vol. 2A, "IMUL—Signed Multiply"',
    meaning(b, [source]) {
      const signed = iced === 'Imul';
      const extend = (v: Value) => (signed ? b.signExtend(v, bytes) : v);
      const left = extend(b.register(RAX, bytes));
      const right = extend(b.read(source));
      const product = b.binary('mul', left, right);
      if (bytes === 1) {
        b.setRegister(RAX, 2, product);
        const fits = signed
          ? b.compare('eq', b.signExtend(product, 1), product)
          : b.compare('eq', b.with('and', product, 0xffn), product);
        productFlags(b, 1, product, b.asValue(b.not(fits)));
        return;
      }
      const high =
        bytes === 8
          ? signed
            ? highSignedProduct(b, left, right)
            : highProduct(b, left, right)
          : b.truncate(b.with('shr_u', product, BigInt(bytes * 8)), bytes);
      const low = b.truncate(product, bytes);
      const expected = signed ? b.truncate(b.with('shr_s', b.signExtend(low, bytes), 63n), bytes) : b.constant(0n);
      b.setRegister(RAX, bytes, low);
      b.setRegister(RDX, bytes, high);
      productFlags(b, bytes, low, b.asValue(b.compare('ne', high, expected)));
    },
  })),
);

/** IMUL with two or three operands: only the low half is kept. */
const multiplyRegister = forSizes(WIDE_BYTES, (bytes) => {
  const n = bytes * 8;
  const reg = `Imul_r${n}_rm${n}`;
  return {
    name: 'imul',
    codes: [reg, `${reg}_imm8`, `${reg}_imm${bytes === 8 ? 32 : n}`],
    shapes: [
      ['register', 'register'],
      ['register', 'memory'],
      ['register', 'register', 'immediate'],
      ['register', 'memory', 'immediate'],
    ],
    sdm: 'Vol. 2A, "IMUL—Signed Multiply"',
    hot: 'registers',
    meaning(b, [target, source, by]) {
      const left = b.signExtend(b.read(by ? source : target), bytes);
      const right = b.signExtend(b.read(by ?? source), bytes);
      const product = b.binary('mul', left, right);
      b.write(target, product);
      const overflows =
        bytes === 8
          ? b.compare('ne', highSignedProduct(b, left, right), b.with('shr_s', product, 63n))
          : b.compare('ne', b.signExtend(product, bytes), product);
      productFlags(b, bytes, product, b.asValue(overflows));
    },
  };
});

/** DIV and IDIV up to 32 bits: the dividend fits 64 bits. */
const divideNarrow = (['Div', 'Idiv'] as const).flatMap((iced) =>
  forSizes([1, 2, 4] as const, (bytes) => ({
    name: iced.toLowerCase(),
    codes: [`${iced}_rm${bytes * 8}`],
    shapes: REGISTER_OR_MEMORY,
    sdm: iced === 'Div' ? 'Vol. 2A, "DIV—Unsigned Divide"' : 'Vol. 2A, "IDIV—Signed Divide"',
    meaning(b, [source]) {
      const signed = iced === 'Idiv';
      const bits = BigInt(bytes * 8);
      const divisor = signed ? b.signExtend(b.read(source), bytes) : b.read(source);
      b.if(b.isZero(divisor), () => b.raise(DIVIDE_ERROR));
      const whole =
        bytes === 1
          ? b.register(RAX, 2)
          : b.binary('or', b.with('shl', b.register(RDX, bytes), bits), b.register(RAX, bytes));
      const dividend = signed ? b.signExtend(whole, (bytes * 2) as Bytes) : whole;
      if (signed && bytes === 4) {
        // -2^63 / -1 would trap in WebAssembly; its quotient does not fit anyway.
        const overflow = b.binary(
          'and',
          b.asValue(b.compare('eq', dividend, b.constant(-(1n << 63n)))),
          b.asValue(b.compare('eq', divisor, b.constant(-1n))),
        );
        b.if(b.not(b.isZero(overflow)), () => b.raise(DIVIDE_ERROR));
      }
      const quotient = b.binary(signed ? 'div_s' : 'div_u', dividend, divisor);
      const remainder = b.binary(signed ? 'rem_s' : 'rem_u', dividend, divisor);
      const kept = signed ? b.signExtend(quotient, bytes) : b.truncate(quotient, bytes);
      b.if(b.compare('ne', kept, quotient), () => b.raise(DIVIDE_ERROR));
      if (bytes === 1) {
        const low = b.with('and', quotient, 0xffn);
        b.setRegister(RAX, 2, b.binary('or', b.with('shl', remainder, 8n), low));
        return;
      }
      b.setRegister(RAX, bytes, quotient);
      b.setRegister(RDX, bytes, remainder);
    },
  })),
);

/** DIV and IDIV of 128 by 64 bits: at once where the dividend fits 64 bits, else by the TypeScript implementation. */
const divideWide = (['Div', 'Idiv'] as const).map((iced): EmittedRow => ({
  name: iced.toLowerCase(),
  codes: [`${iced}_rm64`],
  bytes: 8,
  shapes: REGISTER_OR_MEMORY,
  sdm: iced === 'Div' ? 'Vol. 2A, "DIV—Unsigned Divide"' : 'Vol. 2A, "IDIV—Signed Divide"',
  meaning(b, [source]) {
    const signed = iced === 'Idiv';
    const divisor = b.read(source);
    const dividend = b.register(RAX, 8);
    const high = b.register(RDX, 8);
    const plainHigh = signed ? b.with('shr_s', dividend, 63n) : b.constant(0n);
    b.if(b.compare('ne', high, plainHigh), () => b.defer());
    b.if(b.isZero(divisor), () => b.raise(DIVIDE_ERROR));
    if (signed) b.if(b.compare('eq', divisor, b.constant(-1n)), () => b.defer());
    b.setRegister(RAX, 8, b.binary(signed ? 'div_s' : 'div_u', dividend, divisor));
    b.setRegister(RDX, 8, b.binary(signed ? 'rem_s' : 'rem_u', dividend, divisor));
  },
}));

export const MULTIPLY_ROWS: readonly EmittedRow[] = [
  ...multiplyAccumulator,
  ...multiplyRegister,
  ...divideNarrow,
  ...divideWide,
];
