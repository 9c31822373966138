/** Numbers as text: the only place where a 64-bit value of the engine becomes characters. */
import type { AddressSpace } from '../engine/index.ts';
import type { Hex, MemoryReference } from '../protocol/values.ts';

/** `0x` and as many digits as `bits` need. */
export const hexOf = (value: bigint | number, bits: number): Hex =>
  `0x${BigInt.asUintN(bits, BigInt(value))
    .toString(16)
    .padStart(Math.ceil(bits / 4), '0')}`;

export const hex64 = (value: bigint | number): Hex => hexOf(value, 64);

/** Without leading zeros, for sentences. */
export const hexShort = (value: bigint | number): string => `0x${value.toString(16)}`;

const PREFIXES: { readonly [S in AddressSpace]: string } = {
  linear: '',
  'guest-physical': 'gpa:',
  'host-physical': 'hpa:',
};

export const memoryReference = (address: bigint | number, space: AddressSpace = 'linear'): MemoryReference =>
  PREFIXES[space] + hex64(address);

/** Undefined where the text is no reference of ours. */
export function parseMemoryReference(reference: string): { space: AddressSpace; address: bigint } | undefined {
  const match = /^(gpa:|hpa:|)(0x[0-9a-f]+|\d+)$/i.exec(reference);
  if (!match) return undefined;
  const prefix = match[1]!.toLowerCase();
  const space = (Object.keys(PREFIXES) as AddressSpace[]).find((each) => PREFIXES[each] === prefix)!;
  return { space, address: BigInt.asUintN(64, BigInt(match[2]!)) };
}

export const plural = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;

/** `64M`, `1G`, `512K`, or a number of MiB, to bytes; undefined for anything else. */
export function parseMemorySize(size: string | number): number | undefined {
  if (typeof size === 'number') return Number.isFinite(size) && size > 0 ? Math.round(size * 1024 * 1024) : undefined;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMG])?(?:i?B)?\s*$/i.exec(size);
  if (!match) return undefined;
  const unit = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[(match[2] ?? 'M').toUpperCase()]!;
  const bytes = Math.round(Number(match[1]) * unit);
  return bytes > 0 ? bytes : undefined;
}

export function formatMemorySize(bytes: number): string {
  for (const [unit, name] of [
    [1024 ** 3, 'GiB'],
    [1024 ** 2, 'MiB'],
    [1024, 'KiB'],
  ] as const) {
    if (bytes >= unit) return `${Number((bytes / unit).toFixed(2))} ${name}`;
  }
  return plural(bytes, 'byte');
}
