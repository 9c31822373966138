/** The counts of VM exits as a text table. */
import type { ExitCount } from '../protocol/exits.ts';

export function exitTable(counts: readonly ExitCount[]): string {
  if (counts.length === 0) return 'no VM exits';
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const rows = counts.map(
    ({ title, count, share }) => [title, grouped(count), `${(100 * share).toFixed(1)} %`] as const,
  );
  const all = [['VM exits', 'count', 'share'] as const, ...rows, ['total', grouped(total), ''] as const];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map(([title, count, share]) =>
      `${title.padEnd(widths[0]!)}  ${count.padStart(widths[1]!)}  ${share.padStart(widths[2]!)}`.trimEnd(),
    )
    .join('\n');
}

const grouped = (count: number): string => count.toLocaleString('en-US');
