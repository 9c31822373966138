/** Watched ranges of linear memory. */
import type { Watchpoint } from './types.ts';

/** Whether an access concerns a watchpoint. */
export const touches = (point: Watchpoint, linear: bigint, bytes: number, access: 'read' | 'write'): boolean =>
  (point.access === 'readWrite' || point.access === access) &&
  linear < point.linear + BigInt(point.bytes) &&
  point.linear < linear + BigInt(bytes);

/** First bytes of the pages that a watchpoint lies in. */
export function pagesOf({ linear, bytes }: Watchpoint): bigint[] {
  const pages: bigint[] = [];
  for (let at = linear & ~0xfffn; at < linear + BigInt(bytes); at += 0x1000n) pages.push(at);
  return pages;
}
