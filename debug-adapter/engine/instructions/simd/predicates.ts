/** The predicates of CMPPS and its sisters. */

/** Which outcomes satisfy a predicate, and whether quiet NaNs raise IE (SDM Vol. 2A, "CMPPD", table 3-1). */
export interface Predicate {
  readonly less: boolean;
  readonly equal: boolean;
  readonly greater: boolean;
  readonly unordered: boolean;
  readonly signals: boolean;
}
/** Letters of the outcomes that satisfy predicates 0-15; those from 16 on differ in whether quiet NaNs signal. */
const PREDICATES = ['e', 'l', 'le', 'u', 'lgu', 'geu', 'gu', 'leg'];
const PREDICATES_8 = ['eu', 'lu', 'leu', '', 'lg', 'ge', 'g', 'legu'];
const SIGNALING = 0b0110_0110_0110_0110;
export const PREDICATE_TABLE: readonly Predicate[] = Array.from({ length: 32 }, (_, i) => {
  const letters = [...PREDICATES, ...PREDICATES_8][i & 15];
  return {
    less: letters.includes('l'),
    equal: letters.includes('e'),
    greater: letters.includes('g'),
    unordered: letters.includes('u'),
    signals: ((SIGNALING >> (i & 15)) & 1) !== i >> 4,
  };
});
