/** Values to named bits. */
import type { BitField } from '../engine/index.ts';
import type { DecodedField } from '../protocol/values.ts';
import { hexOf } from './text.ts';

export const fieldValue = (value: bigint, field: BitField): bigint =>
  (value >> BigInt(field.bit)) & ((1n << BigInt(field.width ?? 1)) - 1n);

export function decodeFields(value: bigint, fields: readonly BitField[]): readonly DecodedField[] {
  return fields.map((field) => {
    const width = field.width ?? 1;
    const part = fieldValue(value, field);
    return {
      name: field.name,
      bit: field.bit,
      width,
      value: width > 32 ? hexOf(part, width) : Number(part),
      ...(field.meaning === undefined ? {} : { meaning: field.meaning }),
    };
  });
}

/** `ZF PF IOPL=3`: flags that are set, and wider fields that are not 0, in bit order from the top. */
export function fieldSummary(value: bigint, fields: readonly BitField[]): string {
  return [...fields]
    .sort((a, b) => b.bit - a.bit)
    .filter((field) => fieldValue(value, field) !== 0n && (field.width ?? 1) <= 8)
    .map((field) => ((field.width ?? 1) === 1 ? field.name : `${field.name}=${fieldValue(value, field)}`))
    .join(' ');
}
