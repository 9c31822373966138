/** Closes an exhaustive switch: reaching it is a bug, and a missing arm does not compile. */
export function unreachable(value: never, what = 'value'): never {
  throw new Error(`Invariant broken: unexpected ${what} ${JSON.stringify(value)}`);
}
