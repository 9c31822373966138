/** What must hold, and how it is reported: one line per limit. */

export interface Check {
  readonly name: string;
  readonly value: number;
  /** `at least` or `below`, and what. */
  readonly kind: 'at least' | 'below';
  readonly limit: number;
  readonly unit: string;
}

export const passes = ({ value, kind, limit }: Check): boolean =>
  kind === 'at least' ? value >= limit : value < limit;

/** `name value limit PASS|FAIL`, in columns. */
export function formatChecks(checks: readonly Check[]): string {
  const rows = checks.map((check) => [
    check.name,
    `${rounded(check.value)}${check.unit}`,
    `${check.kind} ${check.limit}${check.unit}`,
    passes(check) ? 'PASS' : 'FAIL',
  ]);
  return columns(rows);
}

/** Three significant digits, without an exponent. */
export const rounded = (value: number): string =>
  Number.isFinite(value) ? String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))) : 'none';

/** Left-aligned columns, two spaces apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
