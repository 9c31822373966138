/** What the guest `hashsort` must compute, from another implementation of CRC-32 and SHA-256: Node's. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

// As guests/work.h has them: HASH_BYTES, and N_CRC and N_SHA at SCALE 1.
const HASH_BYTES = 1_048_576;
const CRC_PASSES = 16;
const SHA_PASSES = 4;
/** First value of the generator `k_fill`, as b_hashsort.c calls it. */
const SEED = 0x2545f491;
const MASK_64 = (1n << 64n) - 1n;

/** The text of hashes.h. */
export function hashReferences(scale: number): string {
  const words = new Uint32Array(HASH_BYTES / 4);
  let x = SEED;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  const bytes = Buffer.from(words.buffer);
  let crc = 0;
  for (let i = 0; i < CRC_PASSES * scale; i++) crc = crc32(bytes, crc);
  let hash = 0n;
  for (let i = 0; i < SHA_PASSES * scale; i++) {
    bytes[0] = i & 0xff;
    hash ^= createHash('sha256').update(bytes).digest().readBigUInt64BE(0);
    hash = ((hash << 1n) | (hash >> 63n)) & MASK_64;
  }
  return `#define EXP_CRC 0x${crc.toString(16)}u\n#define EXP_SHA 0x${hash.toString(16)}ull\n`;
}
