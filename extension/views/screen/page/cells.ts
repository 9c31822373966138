/** How a line of the screen is cut into pieces that can be set side by side without drifting out of their columns. */
import type { TextScreenLine, TextScreenRun } from '../../../../debug-adapter/protocol/text-screen.ts';

export interface Piece {
  readonly text: string;
  readonly columns: number;
  readonly run: TextScreenRun;
}

/** Characters that every monospaced font has at its own width; others may come from another font, and stand alone. */
const STEADY = /[\x20-\x7e]+|[^\x20-\x7e]/gu;

export const piecesOf = ({ text, runs }: TextScreenLine): Piece[] =>
  runs.flatMap((run) =>
    (text.slice(run.column, run.column + run.length).match(STEADY) ?? []).map((piece) => ({
      text: piece,
      columns: piece.length,
      run,
    })),
  );

/** Equal keys look equal: a line is drawn anew only when its key changes. */
export const lineKey = ({ text, runs }: TextScreenLine): string =>
  `${text} ${runs.map((run) => `${run.column},${run.foreground},${run.background},${run.blink}`).join(' ')}`;
