/** Disassembly around an address, as a list with a given number of instructions before it. */
import { disassemble } from '../engine/index.ts';
import type { CodeBits } from '../engine/index.ts';
import { MAX_INSTRUCTION_BYTES } from './processor.ts';
import type { ProcessorView } from './processor.ts';
import type { SymbolTable } from './symbols.ts';

export interface ListedInstruction {
  readonly address: bigint;
  /** Empty where memory cannot be read. */
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly valid: boolean;
}

/** Bytes of data shown on one line. */
const DATA_BYTES = 8;
const LAST_ADDRESS = (1n << 64n) - 1n;
/** Further than this from an address nothing is decoded: a client that asks for it gets lines without text. */
const MAX_DISTANCE = 10_000;

export class Listing {
  private readonly view: ProcessorView;
  private readonly symbols: SymbolTable;

  constructor(view: ProcessorView, symbols: SymbolTable) {
    this.view = view;
    this.symbols = symbols;
  }

  /** `count` lines, the first one `offset` instructions after (or before, if negative) the one at `address`. */
  lines(address: bigint, offset: number, count: number): readonly ListedInstruction[] {
    if (Math.abs(offset) > MAX_DISTANCE) return filler(address + BigInt(offset), count);
    const before = offset < 0 ? this.before(address, -offset) : [];
    const after = this.forward(address, Math.max(0, offset + count));
    return [...before, ...after].slice(offset > 0 ? offset : 0).slice(0, count);
  }

  private forward(address: bigint, count: number): ListedInstruction[] {
    const lines: ListedInstruction[] = [];
    let at = address;
    while (lines.length < count && at <= LAST_ADDRESS) {
      const line = this.at(at);
      lines.push(line);
      at += BigInt(Math.max(1, line.bytes.length));
    }
    return [...lines, ...filler(at, count - lines.length)];
  }

  /** The `count` instructions that end at `address`, in order. */
  private before(address: bigint, count: number): ListedInstruction[] {
    let start = this.startBefore(address, BigInt(count * MAX_INSTRUCTION_BYTES));
    for (;;) {
      const lines = this.between(start, address);
      if (lines.length >= count || start === 0n) return padded(lines.slice(-count), count, address);
      const earlier = this.startBefore(start, BigInt(count * MAX_INSTRUCTION_BYTES));
      if (earlier >= start) return padded(lines, count, address);
      start = earlier;
    }
  }

  /**
   * Where to begin so that instructions end exactly at `address`: a line or symbol the program knows, else the start from
   * which decoding falls into step soonest.
   */
  private startBefore(address: bigint, distance: bigint): bigint {
    const lowest = address > distance ? address - distance : 0n;
    const index = this.symbols.lineIndex(address - 1n);
    const spans = this.symbols.lines;
    let first = index;
    while (first >= 0 && spans[first]!.address > lowest && adjoins(spans[first - 1], spans[first]!)) first--;
    const span = spans[Math.max(0, first)];
    if (
      index >= 0 &&
      span &&
      span.address < address &&
      spans[index]!.address + BigInt(spans[index]!.bytes) >= address
    ) {
      return span.address;
    }
    // x86 code decoded from a wrong byte falls into step within a few instructions: the first good start will do.
    for (let start = lowest; start < address && start < lowest + BigInt(MAX_INSTRUCTION_BYTES); start++) {
      const last = this.between(start, address).at(-1);
      if (last && last.valid && last.bytes.length > 1) return start;
    }
    return lowest;
  }

  private between(start: bigint, end: bigint): ListedInstruction[] {
    const lines: ListedInstruction[] = [];
    for (let at = start; at < end;) {
      const line = this.at(at, end);
      lines.push(line);
      at += BigInt(Math.max(1, line.bytes.length));
    }
    return lines;
  }

  private at(address: bigint, end?: bigint): ListedInstruction {
    const span = this.symbols.lineAt(address);
    if (span && !span.code) {
      const left = Number(span.address + BigInt(span.bytes) - address);
      return this.data(address, Math.min(DATA_BYTES, left, end === undefined ? left : Number(end - address)));
    }
    const bits: CodeBits = span?.bits ?? this.view.mode.bits;
    const bytes = this.view.readMemory(address, MAX_INSTRUCTION_BYTES);
    if (bytes.length === 0) return { address, bytes, text: '??', valid: false };
    const instruction = disassemble(bytes, address, bits, { symbolAt: this.symbols.exactly });
    if (!instruction || (end !== undefined && address + BigInt(instruction.bytes) > end)) return this.data(address, 1);
    return { address, bytes: bytes.slice(0, instruction.bytes), text: instruction.text, valid: true };
  }

  private data(address: bigint, count: number): ListedInstruction {
    const bytes = this.view.readMemory(address, count);
    if (bytes.length === 0) return { address, bytes, text: '??', valid: false };
    const text = `db ${Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, '0')}`).join(', ')}`;
    return { address, bytes, text, valid: true };
  }
}

function adjoins(before: { address: bigint; bytes: number } | undefined, span: { address: bigint }): boolean {
  return before !== undefined && before.address + BigInt(before.bytes) === span.address;
}

/** A client counts lines: fill up with unreadable ones at the front. */
function padded(lines: readonly ListedInstruction[], count: number, end: bigint): ListedInstruction[] {
  const missing = count - lines.length;
  return [...filler((lines[0]?.address ?? end) - BigInt(missing), missing), ...lines];
}

/** Lines that show nothing, one to an address: clients tell lines apart by theirs. Addresses wrap at 64 bits. */
function filler(address: bigint, count: number): ListedInstruction[] {
  return Array.from({ length: count }, (_, index) => ({
    address: BigInt.asUintN(64, address + BigInt(index)),
    bytes: new Uint8Array(),
    text: '??',
    valid: false,
  }));
}
