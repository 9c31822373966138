/** Passes over the items until every address stands still, then the bytes. */
import { unreachable } from '../base/unreachable.ts';
import { dataBytes } from './data.ts';
import { evaluate, scalar, SCALAR, type Scope, type Value } from './evaluate.ts';
import { encodeInstruction, type Encoded } from './instruction/choose.ts';
import type { Content, Item, Section } from './items.ts';
import type { Messages, Place } from './messages.ts';
import { placeSections } from './sections.ts';

/** Bytes of one item in the image. */
export interface Piece {
  readonly item: Item;
  readonly address: bigint;
  /** Only lengths count for reserved space and for sections that are not in the image. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

export interface Layout {
  readonly pieces: readonly Piece[];
  readonly symbols: ReadonlyMap<string, Value>;
  /** Load address of each section, by number. */
  readonly starts: readonly bigint[];
  /** Address the labels of each section count from. */
  readonly bases: readonly bigint[];
  readonly lengths: readonly number[];
  /** Address of the item of that number; one more entry for the end of the source's last section. */
  readonly addresses: readonly bigint[];
}

export interface LayoutInput {
  readonly items: readonly Item[];
  readonly sections: readonly Section[];
  readonly origin: bigint;
  readonly messages: Messages;
  readonly undefinedSymbol: (name: string, place: Place) => void;
  readonly isDefined: (name: string) => boolean;
}

/** An image larger than this is a mistake (a TIMES with a wrong count). */
export const MAX_IMAGE_BYTES = 16 * 1024 * 1024;
export const IMAGE_REMEDY = 'correct the count; memory behind the image can be used without reserving it';
const MAX_PASSES = 200;
/**
 * In early passes labels further on lag behind, so that a branch may look long only for a while: as for NASM, it is chosen
 * anew in each pass. After this many passes it only grows, which comes to an end.
 */
const FREE_PASSES = 40;
/** Repetitions of an instruction whose bytes depend on its address. */
const MAX_POSITIONAL_REPETITIONS = 20_000;

interface ItemState {
  length: number;
  nearBranch: boolean;
  /** Bytes of an instruction whose values are all numbers written in it. */
  fixed: Uint8Array | undefined;
  /** What the pass before came to. */
  encoded: Encoded | undefined;
}

const NOTHING = new Uint8Array(0);
const UNKNOWN: Value = { number: 0n, section: SCALAR, unknown: true };

/** Gives every item its address and bytes; mistakes are reported. */
export function layOut(input: LayoutInput): Layout {
  const run = new LayoutRun(input);
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    if (!run.pass(false)) return run.finish();
  }
  const last = input.items.at(-1);
  if (last !== undefined) {
    input.messages.error(
      'no-convergence',
      'the addresses of labels depend on each other without end; avoid times or align counts that depend on later labels',
      run.unstable?.place ?? last.place,
    );
  }
  return run.finish();
}

class LayoutRun {
  readonly #input: LayoutInput;
  readonly #states: ItemState[];
  readonly #symbols = new Map<string, Value>();
  readonly #bases: bigint[];
  #starts: readonly bigint[] = [];
  readonly #lengths: number[];
  readonly #addresses: bigint[];
  #pieces: Piece[] = [];
  #final = false;
  #passes = 0;
  /** The item whose length changed last, to name when passes do not end. */
  unstable: Item | undefined;
  // Scope of the item being laid out.
  #here: Value = UNKNOWN;
  #sectionStart: Value = UNKNOWN;
  readonly #scope: Scope;

  constructor(input: LayoutInput) {
    this.#input = input;
    this.#states = input.items.map(() => ({ length: 0, nearBranch: false, fixed: undefined, encoded: undefined }));
    this.#lengths = input.sections.map(() => 0);
    this.#bases = input.sections.map(() => 0n);
    this.#addresses = input.items.map(() => 0n);
    const run = this;
    this.#scope = {
      messages: input.messages,
      symbol: (name) => run.#symbols.get(name) ?? (input.isDefined(name) ? UNKNOWN : undefined),
      get here() {
        return run.#here;
      },
      get sectionStart() {
        return run.#sectionStart;
      },
      undefinedSymbol: (name, place) => {
        if (run.#final) input.undefinedSymbol(name, place);
      },
    };
  }

  finish(): Layout {
    this.pass(true);
    return {
      pieces: this.#pieces,
      symbols: this.#symbols,
      starts: this.#starts,
      bases: this.#bases,
      lengths: this.#lengths,
      addresses: this.#addresses,
    };
  }

  /** One pass; true when something moved, so that another is needed. */
  pass(final: boolean): boolean {
    this.#final = final;
    this.#passes += 1;
    this.#pieces = [];
    const { items, sections } = this.#input;
    const placed = placeSections(sections, this.#lengths, this.#input.origin, final ? this.#input.messages : undefined);
    this.#starts = placed.starts;
    let changed = false;
    sections.forEach((section, index) => {
      const base = section.base === undefined ? placed.bases[index] : evaluate(section.base, this.#scope).number;
      if (base !== this.#bases[index]) {
        this.#bases[index] = base;
        changed = true;
      }
    });
    const offsets = sections.map(() => 0);
    for (let index = 0; index < items.length; index++) {
      if (this.#item(items[index], index, offsets)) changed = true;
    }
    offsets.forEach((length, index) => {
      if (this.#lengths[index] !== length) changed = true;
      this.#lengths[index] = length;
    });
    return changed;
  }

  #item(item: Item, index: number, offsets: number[]): boolean {
    const { content, section } = item;
    const base = this.#bases[section];
    const address = base + BigInt(offsets[section]);
    const relative = this.#input.sections[section].kind === 'absolute' ? SCALAR : section;
    this.#addresses[index] = address;
    this.#here = { number: address, section: relative, unknown: false };
    this.#sectionStart = { number: base, section: relative, unknown: false };
    if (content.kind === 'label') return this.#setSymbol(content.name, this.#here);
    if (content.kind === 'equ') return this.#setSymbol(content.name, evaluate(content.value, this.#scope));
    const state = this.#states[index];
    const bytes = this.#bytes(content, item, state, address, offsets[section]);
    const length = typeof bytes === 'number' ? bytes : bytes.length;
    if (this.#final && length > 0) {
      this.#pieces.push({ item, address, bytes: typeof bytes === 'number' ? NOTHING : bytes, length });
    }
    offsets[section] = offsets[section] + length;
    const moved = length !== state.length;
    state.length = length;
    if (moved) this.unstable = item;
    return moved;
  }

  #setSymbol(name: string, value: Value): boolean {
    const known = this.#symbols.get(name);
    if (
      known !== undefined &&
      known.number === value.number &&
      known.section === value.section &&
      known.unknown === value.unknown
    ) {
      return false;
    }
    this.#symbols.set(name, value);
    return true;
  }

  /** Bytes of the content, or a number of bytes of reserved space. */
  #bytes(content: Content, item: Item, state: ItemState, address: bigint, offset: number): Uint8Array | number {
    switch (content.kind) {
      case 'instruction':
        return this.#instruction(content, state, address, item.section);
      case 'prefixes':
        return content.bytes;
      case 'data':
        return dataBytes(content.elements, content.unit, this.#scope, this.#final, MAX_IMAGE_BYTES);
      case 'reserve':
        return this.#count(evaluate(content.count, this.#scope), content.unit, item.place, 'reserved');
      case 'align': {
        const boundary = evaluate(content.boundary, this.#scope).number;
        if (boundary <= 0n || (boundary & (boundary - 1n)) !== 0n) {
          if (this.#final) {
            this.#input.messages.error(
              'bad-alignment',
              `an alignment must be a power of two, not ${boundary}`,
              item.place,
            );
          }
          return 0;
        }
        const count = (boundary - (BigInt(offset) % boundary)) % boundary;
        const { fill } = content;
        return fill === undefined
          ? this.#count(scalar(count), 1, item.place, 'reserved')
          : this.#repeat(fill, item, state, address, scalar(count));
      }
      case 'fill-to': {
        const from = this.#symbols.get(content.from)?.number ?? 0n;
        const count = evaluate(content.offset, this.#scope).number - (address - from);
        if (count >= 0n) return new Uint8Array(this.#count(scalar(count), 1, item.place, 'filled'));
        if (this.#final) {
          this.#input.messages.error(
            'structure-overrun',
            `the fields before this one are ${-count} bytes too long for the structure`,
            item.place,
          );
        }
        return 0;
      }
      case 'times':
        return this.#repeat(content.content, item, state, address, evaluate(content.count, this.#scope));
      case 'label':
      case 'equ':
        return 0;
      default:
        return unreachable(content);
    }
  }

  #instruction(
    content: Content & { kind: 'instruction' },
    state: ItemState,
    address: bigint,
    section: number,
  ): Uint8Array {
    if (state.fixed !== undefined && !this.#final) return state.fixed;
    const encoded: Encoded | undefined = encodeInstruction(content.statement, {
      scope: this.#scope,
      address,
      section,
      nearBranch: state.nearBranch && this.#passes > FREE_PASSES,
      final: this.#final,
      previous: state.encoded,
    });
    state.encoded = encoded;
    if (encoded === undefined) return NOTHING;
    state.nearBranch = encoded.nearBranch && this.#passes >= FREE_PASSES;
    if (encoded.constant) state.fixed = encoded.bytes;
    return encoded.bytes;
  }

  /** `count` units in bytes, bounded and checked. */
  #count(count: Value, unit: number, place: Place, what: string): number {
    const { messages } = this.#input;
    if (count.section !== SCALAR || count.number < 0n) {
      if (this.#final && !count.unknown) {
        const why = count.section !== SCALAR ? 'it is an address' : `it is ${count.number}`;
        messages.error('bad-count', `the number of units ${what} must be a number of at least 0, but ${why}`, place);
      }
      return 0;
    }
    if (count.number * BigInt(unit) <= BigInt(MAX_IMAGE_BYTES)) return Number(count.number) * unit;
    if (this.#final) {
      messages.error(
        'image-too-large',
        `${count.number * BigInt(unit)} bytes are more than an image may have (${MAX_IMAGE_BYTES}); ${IMAGE_REMEDY}`,
        place,
      );
    }
    return 0;
  }

  #repeat(content: Content, item: Item, state: ItemState, address: bigint, count: Value): Uint8Array | number {
    const { messages } = this.#input;
    if (count.section !== SCALAR || count.number < 0n) {
      if (this.#final && !count.unknown) {
        const why = count.section !== SCALAR ? 'it is an address' : `it is ${count.number}`;
        const remedy = count.number < 0n ? '; what comes before is too long' : '';
        messages.error(
          'bad-count',
          `the count of times must be a number of at least 0, but ${why}${remedy}`,
          item.place,
        );
      }
      return 0;
    }
    if (count.number === 0n) return 0;
    const first = this.#bytes(content, item, state, address, 0);
    if (typeof first === 'number') return this.#count(scalar(count.number * BigInt(first)), 1, item.place, 'repeated');
    const total = this.#count(count, first.length, item.place, 'repeated');
    if (total === 0) return NOTHING;
    // Data is evaluated once, as NASM does; an instruction may be relative to its own address.
    if (content.kind !== 'instruction' || state.fixed !== undefined) {
      const out = new Uint8Array(total);
      if (first.length === 1) return out.fill(first[0]);
      for (let at = 0; at < total; at += first.length) out.set(first, at);
      return out;
    }
    if (count.number > BigInt(MAX_POSITIONAL_REPETITIONS)) {
      if (this.#final) {
        messages.error(
          'bad-count',
          `an instruction whose bytes depend on its address can be repeated at most ${MAX_POSITIONAL_REPETITIONS} times`,
          item.place,
        );
      }
      return first;
    }
    return this.#repeatEach(content, item, state, address, Number(count.number));
  }

  /** Every repetition by itself at its own address; `$` is the address of the first, as for NASM. */
  #repeatEach(content: Content, item: Item, state: ItemState, address: bigint, count: number): Uint8Array {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (let turn = 0; turn < count && length <= MAX_IMAGE_BYTES; turn++) {
      const at = address + BigInt(length);
      const chunk = this.#bytes(content, item, state, at, 0);
      if (typeof chunk === 'number') break;
      chunks.push(chunk);
      length += chunk.length;
    }
    const out = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }
}
