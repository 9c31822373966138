/** Every emitted vector meaning by mnemonic, as the tables of TypeScript meanings have them. */
import { EMITTED_CONVERSIONS } from './conversions.ts';
import { EMITTED_FLOAT } from './float.ts';
import { EMITTED_INTEGER } from './integer.ts';
import { EMITTED_MOVES } from './moves.ts';
import { EMITTED_SHUFFLES } from './shuffles.ts';
import type { EmittedMeanings } from './vector-builder.ts';

export const EMITTED_MEANINGS: EmittedMeanings = {
  ...EMITTED_MOVES,
  ...EMITTED_INTEGER,
  ...EMITTED_SHUFFLES,
  ...EMITTED_FLOAT,
  ...EMITTED_CONVERSIONS,
};
