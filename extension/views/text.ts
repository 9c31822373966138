/** How values look in views. */
import type { DecodedField, Hex } from '../../debug-adapter/protocol/values.ts';

/** Without leading zeros: `0x401000`. */
export const short = (value: Hex): string => value.replace(/^0x0+(?=[0-9a-f])/i, '0x');

const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** `4 KiB`, `2 MiB`, `1 GiB`. */
export function byteSize(bytes: number): string {
  if (bytes >= GiB && bytes % GiB === 0) return `${bytes / GiB} GiB`;
  if (bytes >= MiB && bytes % MiB === 0) return `${bytes / MiB} MiB`;
  return bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} bytes`;
}

/** `1 exit`, `2,345 exits`. */
export const counted = (count: number, noun: string, plural = `${noun}s`): string =>
  `${grouped(count)} ${count === 1 ? noun : plural}`;

/** Digits in groups of three, the same in every language: numbers are compared with transcripts. */
export const grouped = (count: number): string => String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');

export const bitRange = ({ bit, width }: DecodedField): string =>
  width === 1 ? `${bit}` : `${bit + width - 1}:${bit}`;

const escapeCell = (text: string): string => text.replaceAll('|', '\\|');

const valueText = (value: DecodedField['value']): string => (typeof value === 'number' ? String(value) : short(value));

export const fieldText = ({ value, meaning }: DecodedField): string =>
  meaning === undefined ? valueText(value) : `${valueText(value)}  ${meaning}`;

/** A Markdown table of bit fields, for tooltips. */
export function fieldTable(fields: readonly DecodedField[]): string {
  const rows = fields.map(
    (field) =>
      `| ${bitRange(field)} | ${escapeCell(field.name)} | ${valueText(field.value)} | ${escapeCell(field.meaning ?? '')} |`,
  );
  return ['| Bits | Field | Value | Meaning |', '|---|---|---|---|', ...rows].join('\n');
}
