/** AES, carry-less multiplication and SHA (SDM Vol. 1, "Intel AES New Instructions" 12.13; FIPS 197 and 180-4). */
import type { Meaning, Meanings, Vector } from './vector.ts';

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function fieldProduct(x: number, y: number): number {
  let product = 0;
  for (let bit = 0, power = x; bit < 8; bit++) {
    if (((y >> bit) & 1) !== 0) product ^= power;
    power = ((power << 1) ^ ((power & 0x80) !== 0 ? 0x11b : 0)) & 0xff;
  }
  return product;
}
const SUBSTITUTE = new Uint8Array(256);
const SUBSTITUTE_BACK = new Uint8Array(256);
for (let x = 0; x < 256; x++) {
  // The inverse is the 254th power.
  let inverse = 1;
  for (let i = 0; i < 254; i++) inverse = fieldProduct(inverse, x);
  if (x === 0) inverse = 0;
  let substituted = 0x63;
  for (let turn = 0; turn < 5; turn++) substituted ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
  SUBSTITUTE[x] = substituted;
  SUBSTITUTE_BACK[substituted] = x;
}
const multiples = (factor: number): Uint8Array => Uint8Array.from({ length: 256 }, (_, x) => fieldProduct(x, factor));
const [BY_2, BY_3, BY_9, BY_11, BY_13, BY_14] = [2, 3, 9, 11, 13, 14].map(multiples) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

const block = new Uint8Array(16);
/** Byte i comes from column (i/4 + turn * row) of its row. */
function shiftRows(from: Uint8Array, table: Uint8Array, turn: 1 | -1): void {
  for (let i = 0; i < 16; i++) block[i] = table[from[(i + 4 * turn * (i & 3)) & 15]]!;
}
type Columns = readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array | undefined];
function mixColumns(d: Vector, from: Uint8Array, [t0, t1, t2, t3]: Columns): void {
  const times = (table: Uint8Array | undefined, x: number): number => (table === undefined ? x : table[x]);
  for (let i = 0; i < 16; i++) {
    const column = i & ~3;
    const at = (row: number): number => from[column + ((i + row) & 3)];
    d.u8[i] = times(t0, at(0)) ^ times(t1, at(1)) ^ times(t2, at(2)) ^ times(t3, at(3));
  }
}
const identityColumns = Uint8Array.from({ length: 256 }, (_, x) => x);
const MIX: Columns = [BY_2, BY_3, identityColumns, undefined];
const MIX_BACK: Columns = [BY_14, BY_11, BY_13, BY_9];

const addKey = (d: Vector, key: Vector): void => {
  for (let i = 0; i < 4; i++) d.i32[i] ^= key.i32[i];
};
const aesRound =
  (table: Uint8Array, turn: 1 | -1, mix: Columns | undefined): Meaning =>
  (d, a, b) => {
    shiftRows(a.u8, table, turn);
    if (mix === undefined) d.u8.set(block);
    else mixColumns(d, block, mix);
    addKey(d, b);
  };
const inverseMix: Meaning = (d, _a, b) => {
  mixColumns(d, b.u8, MIX_BACK);
};
const substituteWord = (x: number): number =>
  SUBSTITUTE[x & 0xff] |
  (SUBSTITUTE[(x >>> 8) & 0xff] << 8) |
  (SUBSTITUTE[(x >>> 16) & 0xff] << 16) |
  (SUBSTITUTE[x >>> 24] << 24);
const rotateRight = (x: number, by: number): number => (x >>> by) | (x << (32 - by));
const rotateLeft = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
const keyAssist: Meaning = (d, _a, b, _n, { immediate }) => {
  for (let i = 0; i < 2; i++) {
    const word = substituteWord(b.i32[2 * i + 1]);
    d.i32[2 * i] = word;
    d.i32[2 * i + 1] = rotateRight(word, 8) ^ immediate;
  }
};

/** Product of polynomials over GF(2). */
const carryless: Meaning = (d, a, b, _n, { immediate }) => {
  const x = a.u64[immediate & 1];
  const y = b.u64[(immediate >> 4) & 1];
  let product = 0n;
  for (let rest = y, bit = 0n; rest !== 0n; rest >>= 1n, bit++) if ((rest & 1n) !== 0n) product ^= x << bit;
  d.u64[0] = BigInt.asUintN(64, product);
  d.u64[1] = product >> 64n;
};

// SHA: word 3 of a vector is the first of the standard's.
const SHA1_CONSTANTS = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];
const choose = (x: number, y: number, z: number): number => (x & y) ^ (~x & z);
const parity = (x: number, y: number, z: number): number => x ^ y ^ z;
const majority = (x: number, y: number, z: number): number => (x & y) ^ (x & z) ^ (y & z);
const SHA1_FUNCTIONS = [choose, parity, majority, parity];

const sha1Rounds: Meaning = (d, a, w, _n, { immediate }) => {
  const f = SHA1_FUNCTIONS[immediate & 3];
  const k = SHA1_CONSTANTS[immediate & 3];
  let [A, B, C, D] = [a.i32[3], a.i32[2], a.i32[1], a.i32[0]];
  // E has already been added to the first message word.
  let E = 0;
  for (let i = 0; i < 4; i++) {
    const next = (f(B, C, D) + rotateLeft(A, 5) + w.i32[3 - i] + E + k) | 0;
    [A, B, C, D, E] = [next, A, rotateLeft(B, 30), C, D];
  }
  d.i32.set([D, C, B, A]);
};
const sha1NextE: Meaning = (d, a, b) => {
  const e = rotateLeft(a.i32[3], 30);
  d.u64.set(b.u64);
  d.i32[3] = (b.i32[3] + e) | 0;
};
const sha1Message1: Meaning = (d, a, b) => {
  const words = [a.i32[3], a.i32[2], a.i32[1], a.i32[0], b.i32[3], b.i32[2]];
  for (let i = 0; i < 4; i++) d.i32[3 - i] = words[i + 2] ^ words[i];
};
const sha1Message2: Meaning = (d, a, b) => {
  const w16 = rotateLeft(a.i32[3] ^ b.i32[2], 1);
  const w17 = rotateLeft(a.i32[2] ^ b.i32[1], 1);
  const w18 = rotateLeft(a.i32[1] ^ b.i32[0], 1);
  d.i32.set([rotateLeft(a.i32[0] ^ w16, 1), w18, w17, w16]);
};
const sha256Rounds: Meaning = (d, a, b, _n, { c }) => {
  let [A, B, E, F] = [b.i32[3], b.i32[2], b.i32[1], b.i32[0]];
  let [C, D, G, H] = [a.i32[3], a.i32[2], a.i32[1], a.i32[0]];
  for (let i = 0; i < 2; i++) {
    const sigma1 = rotateRight(E, 6) ^ rotateRight(E, 11) ^ rotateRight(E, 25);
    const sigma0 = rotateRight(A, 2) ^ rotateRight(A, 13) ^ rotateRight(A, 22);
    const t = (choose(E, F, G) + sigma1 + c.i32[i] + H) | 0;
    [A, B, C, D, E, F, G, H] = [(t + majority(A, B, C) + sigma0) | 0, A, B, C, (t + D) | 0, E, F, G];
  }
  d.i32.set([F, E, B, A]);
};
const sha256Message1: Meaning = (d, a, b) => {
  const words = [a.i32[0], a.i32[1], a.i32[2], a.i32[3], b.i32[0]];
  for (let i = 0; i < 4; i++) {
    const x = words[i + 1];
    d.i32[i] = (words[i] + (rotateRight(x, 7) ^ rotateRight(x, 18) ^ (x >>> 3))) | 0;
  }
};
const sha256Message2: Meaning = (d, a, b) => {
  const sigma = (x: number): number => rotateRight(x, 17) ^ rotateRight(x, 19) ^ (x >>> 10);
  const w16 = (a.i32[0] + sigma(b.i32[2])) | 0;
  const w17 = (a.i32[1] + sigma(b.i32[3])) | 0;
  d.i32.set([w16, w17, (a.i32[2] + sigma(w16)) | 0, (a.i32[3] + sigma(w17)) | 0]);
};

export const AES: Meanings = {
  aesenc: aesRound(SUBSTITUTE, 1, MIX),
  aesenclast: aesRound(SUBSTITUTE, 1, undefined),
  aesdec: aesRound(SUBSTITUTE_BACK, -1, MIX_BACK),
  aesdeclast: aesRound(SUBSTITUTE_BACK, -1, undefined),
  aesimc: inverseMix,
  aeskeygenassist: keyAssist,
};
export const PCLMULQDQ: Meanings = { pclmulqdq: carryless };
export const SHA: Meanings = {
  sha1rnds4: sha1Rounds,
  sha1nexte: sha1NextE,
  sha1msg1: sha1Message1,
  sha1msg2: sha1Message2,
  sha256rnds2: sha256Rounds,
  sha256msg1: sha256Message1,
  sha256msg2: sha256Message2,
};
