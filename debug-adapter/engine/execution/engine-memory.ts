/** The map of the engine's linear memory: one WebAssembly memory per machine, sized once, never grown. */
import { CPU_STATE_BYTES } from '../cpu/layout.ts';
import { PAGE_BYTES } from '../memory/physical.ts';
import { TLB_BYTES } from '../memory/tlb.ts';
import { PSEUDO_HANDLER } from './handlers.ts';
import { RECORD, RECORD_BYTES } from './record.ts';

/** Processors that a machine can have. */
export const MAX_CPUS = 8;
/** Bytes of one code page: a record address for each of its 4096 offsets. */
export const CODE_PAGE_BYTES = PAGE_BYTES * 4;
const CODE_PAGES = 512;
export const RECORD_COUNT = 131_072;

const WASM_PAGE = 65_536;
const CPU_STATES_AT = PAGE_BYTES;
const LINK_NEXT_AT = CPU_STATES_AT + MAX_CPUS * CPU_STATE_BYTES;
const LINK_TARGET_AT = LINK_NEXT_AT + RECORD_BYTES;
const TLB_AT = WASM_PAGE;
const CODE_TABLE_AT = TLB_AT + TLB_BYTES;

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Code pages a frame may have: for 16-, 32- and 64-bit code. */
export const CODE_MODES = 3;

export interface EngineMap {
  readonly cpuStates: number;
  readonly linkNext: number;
  readonly linkTarget: number;
  readonly tlb: number;
  /** Three i32 for each frame: its code pages for 16-, 32- and 64-bit code, 0 where none. */
  readonly codeTable: number;
  readonly codePages: number;
  readonly codePageCount: number;
  readonly records: number;
  /** Byte offset of frame 0. */
  readonly pool: number;
  readonly frames: number;
  readonly wasmPages: number;
}

/** Lays out a memory with room for `frames` frames of guest memory. */
export function engineMap(frames: number): EngineMap {
  const codePages = alignUp(CODE_TABLE_AT + frames * 12, PAGE_BYTES);
  const records = codePages + CODE_PAGES * CODE_PAGE_BYTES;
  const pool = alignUp(records + RECORD_COUNT * RECORD_BYTES, PAGE_BYTES);
  return {
    cpuStates: CPU_STATES_AT,
    linkNext: LINK_NEXT_AT,
    linkTarget: LINK_TARGET_AT,
    tlb: TLB_AT,
    codeTable: CODE_TABLE_AT,
    codePages,
    codePageCount: CODE_PAGES,
    records,
    pool,
    frames,
    wasmPages: Math.ceil((pool + frames * PAGE_BYTES) / WASM_PAGE),
  };
}

/** A fresh memory with the pseudo records in place. */
export function createEngineMemory(map: EngineMap): WebAssembly.Memory {
  const memory = new WebAssembly.Memory({ initial: map.wasmPages, maximum: map.wasmPages });
  const view = new DataView(memory.buffer);
  view.setUint16(map.linkNext + RECORD.handler, PSEUDO_HANDLER.LINK_NEXT, true);
  view.setUint16(map.linkTarget + RECORD.handler, PSEUDO_HANDLER.LINK_TARGET, true);
  return memory;
}
