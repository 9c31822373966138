/** Random cases for every vector instruction form: encodings of each shape of its operands, and values worth trying. */
import { Code, CodeExt, Encoder, Instruction, OpCodeOperandKind, OpKind, Register } from 'iced-x86';

export interface VectorCase {
  readonly code: number;
  readonly shape: Shape;
  readonly bytes: Uint8Array;
  /** 16 * 32 bytes. */
  readonly vectors: Uint8Array;
  /** RAX, RCX, RDX. */
  readonly general: readonly [bigint, bigint, bigint];
  readonly mxcsr: number;
  /** 8 * 8 bytes. */
  readonly mmx: Uint8Array;
  /** What is at RSI and RDI. */
  readonly memory: Uint8Array;
}

/** A small generator with a seed: every run tries the same cases. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed;
  }
  next(): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) | 0;
    const x = Math.imul(this.state ^ (this.state >>> 15), 0x2c1b_3c6d);
    return (x ^ (x >>> 13)) >>> 0;
  }
  below(limit: number): number {
    return this.next() % limit;
  }
  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

const SINGLES = [
  ...[0x0000_0000, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0001, 0xffc1_2345],
  ...[0x7f80_0001, 0xffa0_0000, 0x0000_0001, 0x8000_0001, 0x007f_ffff, 0x807f_ffff, 0x0080_0000, 0x8080_0000],
  ...[0x7f7f_ffff, 0xff7f_ffff, 0x0080_0001, 0x3f7f_ffff, 0x4f00_0000, 0xcf00_0000, 0x4eff_ffff, 0x5f00_0000],
  ...[0x3f00_0000, 0x3fc0_0000, 0x4020_0000, 0xc020_0000, 0x3300_0000, 0x4b00_0001, 0x477f_e000, 0x477f_f000],
  ...[0x3880_0000, 0x387f_e000, 0x3380_0000, 0x3300_0001, 0x1fff_ffff, 0x2000_0000, 0x0040_0000, 0x4049_0fdb],
];
const DOUBLES = [
  ...[0x0n, 0x8000_0000_0000_0000n, 0x3ff0_0000_0000_0000n, 0xbff0_0000_0000_0000n, 0x7ff0_0000_0000_0000n],
  ...[
    0xfff0_0000_0000_0000n,
    0x7ff8_0000_0000_0001n,
    0xfff8_1234_5678_9abcn,
    0x7ff0_0000_0000_0001n,
    0xfff4_0000_0000_0000n,
  ],
  ...[1n, 0x8000_0000_0000_0001n, 0x000f_ffff_ffff_ffffn, 0x800f_ffff_ffff_ffffn, 0x0010_0000_0000_0000n],
  ...[
    0x7fef_ffff_ffff_ffffn,
    0xffef_ffff_ffff_ffffn,
    0x41df_ffff_ffc0_0000n,
    0xc1e0_0000_0000_0000n,
    0x43e0_0000_0000_0000n,
  ],
  ...[
    0xc3e0_0000_0000_0000n,
    0x41e0_0000_0000_0000n,
    0x3fe0_0000_0000_0000n,
    0x3ff8_0000_0000_0000n,
    0x36a0_0000_0000_0000n,
  ],
  ...[
    0x3810_0000_0000_0000n,
    0x380f_ffff_ffff_ffffn,
    0x47ef_ffff_f000_0000n,
    0x47ef_ffff_e000_0000n,
    0x4009_21fb_5444_2d18n,
  ],
  ...[0x3ca0_0000_0000_0000n, 0x3ff0_0000_0000_0001n, 0x1ff0_0000_0000_0000n, 0x2000_0000_0000_0001n],
];

/** Fills `length` bytes with lanes of one kind. */
function fill(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  switch (random.below(7)) {
    case 0:
      for (let i = 0; i < length; i++) bytes[i] = random.below(256);
      break;
    case 1:
      for (let i = 0; i < length; i++) bytes[i] = random.of([0, 1, 0x7f, 0x80, 0xff, 2, 0x40, 3]);
      break;
    case 2:
    case 3:
      for (let i = 0; i < length; i += 4) view.setUint32(i, random.of(SINGLES), true);
      break;
    case 4:
      for (let i = 0; i < length; i += 8) view.setBigUint64(i, random.of(DOUBLES), true);
      break;
    case 5:
      // Ordinary numbers of similar size: the results exercise rounding and cancellation.
      for (let i = 0; i < length; i += 4)
        view.setUint32(i, (random.below(2) << 31) | ((120 + random.below(16)) << 23) | random.below(1 << 23), true);
      break;
    default:
      for (let i = 0; i < length; i += 8) {
        const high = (random.below(2) << 31) | ((1015 + random.below(20)) << 20) | random.below(1 << 20);
        view.setBigUint64(i, (BigInt(high >>> 0) << 32n) | BigInt(random.of([random.next(), 0, 0x8000_0000])), true);
      }
  }
  return bytes;
}

const XMM = [1, 2, 9, 14, 5, 0];
type Shape = 'register' | 'memory';

/** The instruction with its operands in registers or with the one that may be in memory there; undefined where it has no such shape. */
function encode(code: number, shape: Shape, immediate: number, registers: readonly number[]): Uint8Array | undefined {
  const info = CodeExt.opCode(code);
  const instruction = new Instruction();
  instruction.code = code;
  let usesMemory = false;
  let vector = 0;
  try {
    for (let i = 0; i < info.opCount; i++) {
      const kind = OpCodeOperandKind[info.opKind(i)];
      const register = (family: number, mask = 15): void => {
        instruction.setOpKind(i, OpKind.Register);
        instruction.setOpRegister(i, family + (registers[vector++]! & mask));
      };
      const memory = (): void => {
        usesMemory = true;
        instruction.setOpKind(i, OpKind.Memory);
        instruction.memoryBase = Register.RSI;
        instruction.memoryDisplSize = 0;
        const indices = /^mem_vsib\d+(.)/.exec(kind)?.[1];
        if (indices === undefined) return;
        instruction.memoryIndex = (indices === 'x' ? Register.XMM0 : Register.YMM0) + registers[4]!;
        instruction.memoryIndexScale = 2;
      };
      if (/^imm8/.test(kind)) {
        instruction.setOpKind(i, OpKind.Immediate8);
        instruction.immediate8 = immediate;
      } else if (kind === 'seg_rDI') {
        usesMemory = true;
        instruction.setOpKind(i, OpKind.MemorySegRDI);
      } else if (/^mem/.test(kind) || (/_or_mem$/.test(kind) && shape === 'memory')) memory();
      else if (/^mm/.test(kind)) register(Register.MM0, 7);
      else if (/^xmm/.test(kind)) register(Register.XMM0);
      else if (/^ymm/.test(kind)) register(Register.YMM0);
      else if (/^r32/.test(kind)) {
        instruction.setOpKind(i, OpKind.Register);
        instruction.setOpRegister(i, Register.EAX);
      } else if (/^r64/.test(kind)) {
        instruction.setOpKind(i, OpKind.Register);
        instruction.setOpRegister(i, Register.RAX);
      } else throw new Error(`${Code[code]}: operand kind ${kind}`);
    }
    if (usesMemory !== (shape === 'memory')) return undefined;
    const encoder = new Encoder(64);
    try {
      encoder.encode(instruction, 0n);
      return encoder.takeBuffer();
    } finally {
      encoder.free();
    }
  } finally {
    instruction.free();
    info.free();
  }
}

/** All exceptions masked, or some not; every rounding mode, DAZ and FTZ; sticky flags set or clear. */
function randomMxcsr(random: Random): number {
  const masks = random.below(4) === 0 ? random.below(64) : 0x3f;
  const flags = random.below(3) === 0 ? random.below(64) : 0;
  const modes = random.below(2) === 0 ? 0 : (random.below(4) << 13) | (random.below(2) << 15) | (random.below(2) << 6);
  return (masks << 7) | flags | modes;
}

/**
 * What the emitted forms may do alone, and what lies just beyond: everything masked, to the nearest, PE set more often than not.
 */
function ordinaryMxcsr(random: Random): number {
  return 0x1f80 | random.of([0x20, 0x20, 0x20, 0, random.below(64)]) | random.of([0, 0, 0, 0, 0, 0x40, 0x8000, 0x2000]);
}

const ORDINARY_KINDS = 6;
/** Numbers whose sums, products and quotients are ordinary, or lie at the edge of it. */
function fillOrdinary(random: Random, length: number, kind: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < length; i += 8) {
    const edge = random.below(5) === 0;
    if (kind === 0 || kind === 1)
      for (const at of [i, i + 4]) {
        const sign = random.below(2) << 31;
        const exponent =
          edge && kind === 1 ? random.of([1, 2, 63, 64, 65, 190, 191, 253, 254]) : 120 + random.below(12);
        view.setUint32(at, sign | (exponent << 23) | random.of([0, 0x7f_ffff, 0x40_0000, random.below(1 << 23)]), true);
      }
    else if (kind === 2 || kind === 3) {
      const sign = random.below(2) << 31;
      const exponent =
        edge && kind === 3
          ? random.of([1, 2, 510, 511, 512, 896, 897, 1534, 1535, 2045, 2046])
          : 1016 + random.below(24);
      const low = random.of([0, -1, random.next()]);
      view.setUint32(i + 4, sign | (exponent << 20) | random.of([0, 0xf_ffff, random.below(1 << 20)]), true);
      view.setInt32(i, low | 0, true);
    } else if (kind === 4) for (const at of [i, i + 4]) view.setFloat32(at, random.below(64) - 32, true);
    else view.setFloat64(i, random.below(2048) - 1024, true);
  }
  return bytes;
}

/** `count` cases of each shape that the form has. */
export function casesOf(code: number, count: number, random: Random, kind: 'anything' | 'ordinary'): VectorCase[] {
  // The operands of an ordinary case are numbers of one kind.
  let lanes = 0;
  const values = (length: number): Uint8Array =>
    kind === 'anything' ? fill(random, length) : fillOrdinary(random, length, lanes);

  const cases: VectorCase[] = [];
  for (const shape of ['register', 'memory'] as const)
    for (let i = 0; i < count; i++) {
      const first = random.below(XMM.length);
      const registers = XMM.map((_, at) => XMM[(first + at) % XMM.length]!);
      // Now and then one register twice.
      if (random.below(4) === 0) registers[1] = registers[0]!;
      if (random.below(4) === 0) registers[2] = registers[0]!;
      const bytes = encode(code, shape, random.below(256), registers);
      if (bytes === undefined) break;
      const vectors = new Uint8Array(512);
      lanes = random.below(ORDINARY_KINDS);
      for (const register of XMM) vectors.set(values(32), 32 * register);
      // Indices of gathers stay within the memory that there is.
      if (/gather/i.test(Code[code]!)) {
        const index = new DataView(vectors.buffer, 32 * registers[4]!, 32);
        const wide = /gatherq/i.test(Code[code]!);
        for (let at = 0; at < 32; at += wide ? 8 : 4) {
          index.setUint32(at, random.below(24), true);
          if (wide) index.setUint32(at + 4, 0, true);
        }
      }
      const memory = values(64);
      const general = [0, 1, 2].map(() =>
        random.below(2) === 0 ? BigInt(random.below(40)) - 20n : (BigInt(random.next()) << 32n) | BigInt(random.next()),
      );
      cases.push({
        code,
        shape,
        bytes,
        vectors,
        general: general.map((value) => BigInt.asUintN(64, value)) as unknown as VectorCase['general'],
        mxcsr: kind === 'anything' ? randomMxcsr(random) : ordinaryMxcsr(random),
        mmx: fill(random, 64),
        memory,
      });
    }
  return cases;
}
