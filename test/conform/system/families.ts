/** The guest's families of cases, in the order of its main.c. */

export const ALL_FAMILIES = ['integer', 'paging', 'segments', 'transfers', 'system'] as const;

/** A mismatch runs this many cases again in detail; a batch shares its memory between cases. */
export const CASES_PER_BATCH = 500;

/** A bit for each family named; all where none is. */
export function familyBits(names: readonly string[]): number {
  const unknown = names.filter((name) => !(ALL_FAMILIES as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`no family "${unknown.join('", "')}"; there are: ${ALL_FAMILIES.join(', ')}`);
  return ALL_FAMILIES.reduce(
    (bits, name, i) => (names.length === 0 || names.includes(name) ? bits | (1 << i) : bits),
    0,
  );
}
