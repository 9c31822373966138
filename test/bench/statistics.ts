/** Medians and percentiles of small samples. */

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

export function median(values: readonly number[]): number {
  const s = sorted(values);
  const middle = s.length >> 1;
  return s.length % 2 === 1 ? s[middle]! : (s[middle - 1]! + s[middle]!) / 2;
}

/** The value that 95 of 100 do not exceed (nearest rank). */
export const percentile95 = (values: readonly number[]): number => sorted(values)[Math.ceil(0.95 * values.length) - 1]!;
