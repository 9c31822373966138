/** `hyperstep/textScreen`: what the machine's screen shows, also while it runs. */
import type { MemoryReference } from './values.ts';

export interface TextScreenBody {
  readonly columns: number;
  readonly rows: number;
  /** From the top; as many as there are rows. */
  readonly lines: readonly TextScreenLine[];
  /** Rows and columns count from 0. */
  readonly cursor: {
    readonly row: number;
    readonly column: number;
    /** Switched on and on the screen. */
    readonly visible: boolean;
    /** First and last scan line of its cell that it covers, of `characterHeight`. */
    readonly startLine: number;
    readonly endLine: number;
  };
  /** Scan lines of a character. */
  readonly characterHeight: number;
  /** The sixteen colours that runs name by number, as `#rrggbb`. */
  readonly palette: readonly string[];
  /** Bit 7 of an attribute makes characters blink; otherwise it belongs to the background's colour. */
  readonly blink: boolean;
  /** The first cell shown: two bytes for each, character and attribute. */
  readonly memoryReference: MemoryReference;
}

export interface TextScreenLine {
  /** One UTF-16 code unit for each column: code page 437 in Unicode. */
  readonly text: string;
  /** Neighbouring cells of one look; together they cover the line. */
  readonly runs: readonly TextScreenRun[];
}

export interface TextScreenRun {
  readonly column: number;
  readonly length: number;
  /** Colours of the palette. */
  readonly foreground: number;
  readonly background: number;
  readonly blink: boolean;
}
