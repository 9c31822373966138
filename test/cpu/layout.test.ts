/** The processor state and the decoded record are plain memory: two fields at one place would be a silent disaster. */
import assert from 'node:assert/strict';
import {
  CPU_STATE_BYTES,
  LAYOUT,
  SEGMENT_BYTES,
  SEGMENT_LAYOUT,
  SEGMENT_NAMES,
  STRADDLE_BYTES,
} from '../../debug-adapter/engine/cpu/layout.ts';
import { REGISTERS, type RegisterRow } from '../../debug-adapter/engine/cpu/registers.ts';
import {
  CODE_PAGE_BYTES,
  createEngineMemory,
  engineMap,
  RECORD_COUNT,
} from '../../debug-adapter/engine/execution/engine-memory.ts';
import { RECORD, RECORD_BYTES } from '../../debug-adapter/engine/execution/record.ts';
import { TLB_BYTES } from '../../debug-adapter/engine/memory/tlb.ts';

type LayoutName = keyof typeof LAYOUT;

/** Bytes of the fields that are not 8 bytes wide. */
const STATE_WIDTHS: Partial<Record<LayoutName, number>> = {
  gpr: 16 * 8,
  segments: SEGMENT_NAMES.length * SEGMENT_BYTES,
  pdpte: 4 * 8,
  msrStorage: 72 * 8,
  x87Registers: 8 * 16,
  vectors: 16 * 32,
  straddle: STRADDLE_BYTES,
  ...Object.fromEntries(
    (
      [
        ...['rflagsSystem', 'cpl', 'codeBits', 'tlbTag', 'tlbMix', 'attention', 'budget', 'activity'],
        ...['interruptibility', 'vmxMode', 'record', 'boundary', 'debugHits', 'pkru', 'gdtrLimit', 'idtrLimit'],
        ...['x87Control', 'x87Status', 'x87Tags', 'x87Opcode', 'x87CodeSelector', 'x87DataSelector', 'mxcsr'],
      ] as LayoutName[]
    ).map((name) => [name, 4]),
  ),
};

const RECORD_WIDTHS: Readonly<Record<keyof typeof RECORD, number>> = {
  handler: 2,
  length: 1,
  flags: 1,
  registers: 3 * 2,
  base: 2,
  index: 2,
  shift: 1,
  segmentNumber: 1,
  displacement: 8,
  immediate: 8,
  mask: 8,
  next: 4,
  target: 4,
  pageOffset: 2,
  segment: 2,
  decoded: 4,
  savedHandler: 2,
  thirdSource: 2,
  page: 4,
  crossHost: 4,
  crossHandler: 2,
  lateHandler: 2,
  targetMask: 8,
};

interface Field {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

function assertApart(fields: readonly Field[], within: number): void {
  const sorted = [...fields].sort((a, b) => a.at - b.at);
  sorted.forEach((field, i) => {
    const next = sorted[i + 1];
    const end = field.at + field.bytes;
    if (next === undefined) assert.ok(end <= within, `${field.name} ends at ${end}, beyond ${within}`);
    else assert.ok(end <= next.at, `${field.name} (${field.at}..${end}) reaches into ${next.name} at ${next.at}`);
    assert.equal(field.at % Math.min(field.bytes, 8), 0, `${field.name} at ${field.at} is not aligned`);
  });
}

const fieldsOf = (table: Readonly<Record<string, number>>, bytesOf: (name: string) => number): readonly Field[] =>
  Object.entries(table).map(([name, at]) => ({ name, at, bytes: bytesOf(name) }));

describe('layout of the processor state', () => {
  it('gives every field a place of its own', () => {
    assertApart(
      fieldsOf(LAYOUT, (name) => STATE_WIDTHS[name as LayoutName] ?? 8),
      CPU_STATE_BYTES,
    );
  });

  it('gives every part of a segment register a place of its own', () => {
    assertApart(
      fieldsOf(SEGMENT_LAYOUT, (name) => (name === 'base' ? 8 : 4)),
      SEGMENT_BYTES,
    );
  });

  it('has a place as wide as the register for every register the debugger names', () => {
    for (const [name, row] of Object.entries(REGISTERS) as [string, RegisterRow][]) {
      if (row.at === undefined || row.group === 'general') continue;
      const field = Object.entries(LAYOUT).find(([, at]) => at === row.at);
      assert.ok(field, `${name} lies at ${row.at}, where the layout has nothing`);
      assert.equal(STATE_WIDTHS[field[0] as LayoutName] ?? 8, row.bits / 8, name);
    }
  });

  it('keeps general registers apart, in encoding order', () => {
    const order = [
      'RAX',
      'RCX',
      'RDX',
      'RBX',
      'RSP',
      'RBP',
      'RSI',
      'RDI',
      ...[8, 9, 10, 11, 12, 13, 14, 15].map((n) => `R${n}`),
    ];
    const at = order.map((name) => (REGISTERS as Record<string, RegisterRow>)[name]!.at);
    assert.deepEqual(
      at,
      order.map((_, i) => LAYOUT.gpr + 8 * i),
    );
  });
});

describe('layout of a decoded record', () => {
  it('gives every field a place of its own', () => {
    assertApart(
      fieldsOf(RECORD, (name) => (name === 'registers' ? 2 : RECORD_WIDTHS[name as keyof typeof RECORD])),
      RECORD_BYTES,
    );
    // Three register operands of two bytes each; alignment is theirs, not the whole's.
    assert.ok(RECORD.registers + RECORD_WIDTHS.registers <= RECORD.base);
  });

  it('has `target` right behind `next`: a conditional branch picks by index', () => {
    assert.equal(RECORD.target, RECORD.next + 4);
  });
});

describe('map of the engine memory', () => {
  it('keeps its areas apart and inside the memory', () => {
    const frames = 300;
    const map = engineMap(frames);
    assertApart(
      [
        { name: 'processor', at: map.cpuStates, bytes: CPU_STATE_BYTES },
        { name: 'linkNext', at: map.linkNext, bytes: RECORD_BYTES },
        { name: 'linkTarget', at: map.linkTarget, bytes: RECORD_BYTES },
        { name: 'TLB', at: map.tlb, bytes: TLB_BYTES },
        { name: 'code table', at: map.codeTable, bytes: frames * 12 },
        { name: 'code pages', at: map.codePages, bytes: map.codePageCount * CODE_PAGE_BYTES },
        { name: 'records', at: map.records, bytes: RECORD_COUNT * RECORD_BYTES },
        { name: 'pool', at: map.pool, bytes: frames * 4096 },
      ],
      map.wasmPages * 65536,
    );
    assert.equal(map.pool % 4096, 0);
    assert.equal(createEngineMemory(map).buffer.byteLength, map.wasmPages * 65536);
  });
});
