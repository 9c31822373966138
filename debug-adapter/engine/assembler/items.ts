/** What the parser hands to layout: everything that takes space or defines a name, in source order. */
import type { CodeBits } from '../base/program.ts';
import type { Expression } from './expression.ts';
import type { InstructionStatement } from './instruction/statement.ts';
import type { Place } from './messages.ts';

/** One element of db, dw, dd, dq. */
export type DataElement =
  /** One character per byte; padded with zeros to a multiple of the unit. */
  | { readonly kind: 'string'; readonly bytes: string }
  | { readonly kind: 'value'; readonly value: Expression; readonly place: Place }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'repeated';
      readonly count: Expression;
      readonly elements: readonly DataElement[];
      readonly place: Place;
    };

/** What a statement does. */
export type Content =
  | { readonly kind: 'instruction'; readonly statement: InstructionStatement }
  /** Prefixes on a line of their own. */
  | { readonly kind: 'prefixes'; readonly bytes: Uint8Array }
  | { readonly kind: 'data'; readonly unit: number; readonly elements: readonly DataElement[] }
  | { readonly kind: 'reserve'; readonly unit: number; readonly count: Expression }
  /** Fills up to a multiple of `boundary` within the section; `fill` undefined for reserved space. */
  | { readonly kind: 'align'; readonly boundary: Expression; readonly fill: Content | undefined }
  /** AT and IEND: zeros up to `offset` bytes after `from`. */
  | { readonly kind: 'fill-to'; readonly from: string; readonly offset: Expression }
  | { readonly kind: 'times'; readonly count: Expression; readonly content: Content }
  | { readonly kind: 'label'; readonly name: string }
  | { readonly kind: 'equ'; readonly name: string; readonly value: Expression };

export interface Item {
  readonly content: Content;
  readonly section: number;
  readonly bits: CodeBits;
  /** Line the bytes are attributed to. */
  readonly place: Place;
}

/**
 * - `progbits`: in the image. `nobits`: addresses after the image. `absolute`: names for addresses elsewhere (STRUC, ABSOLUTE).
 */
export interface Section {
  readonly name: string;
  /** Where it is first named. */
  readonly place: Place;
  kind: 'progbits' | 'nobits' | 'absolute';
  /** Power of two; grows with ALIGN. */
  align: number;
  /** Address where the bytes are, when the source says so. */
  start: bigint | undefined;
  /** Address the labels count from, when it differs from where the bytes are. */
  virtualStart: bigint | undefined;
  /** Only `absolute`. */
  readonly base: Expression | undefined;
}

/** A name the source defines. */
export interface Definition {
  readonly name: string;
  readonly kind: 'label' | 'constant';
  readonly place: Place;
}
