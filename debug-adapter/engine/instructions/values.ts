/** Idioms of meanings that decide on values. */
import type { Computation, Value } from './builder.ts';

/** A value that `assign` may change without touching the one it starts from. */
export function variable(c: Computation, start: Value): Value {
  const value = c.constant(0n);
  c.assign(value, start);
  return value;
}
/** Runs `then` where a value is 0. */
export const unless = (c: Computation, value: Value, then: () => void): void => c.if(c.isZero(value), then);
/** Runs `then` where a value is not 0. */
export const whenSet = (c: Computation, value: Value, then: () => void): void =>
  c.if(c.compare('ne', value, c.constant(0n)), then);
