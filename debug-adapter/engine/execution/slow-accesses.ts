/**
 * Memory accesses that the TLB does not answer, as functions of the interpreter's module. Most go on to TypeScript. Stores
 * beside decoded code do not: pages of code take no plain stores, and small programs keep their data next to their code.
 */
import { LAYOUT } from '../cpu/layout.ts';
import { TLB_ENTRY, TLB_PAGE_CODE } from '../memory/tlb.ts';
import { I32, I64, type FunctionWriter, type MemoryOpName } from '../wasm/function.ts';
import type { ModuleWriter, Signature } from '../wasm/module.ts';
import { CODE_MODES } from './engine-memory.ts';
import { PSEUDO_HANDLER } from './handlers.ts';
import type { InterpreterOptions } from './interpreter-lookup.ts';
import { RECORD, SLOW } from './record.ts';
import { emitTlbProbe } from './tlb-probe.ts';

/** Function indices. Each takes (cpu, record, linear address, `what`), `write` also the value; each returns a SLOW code. */
export interface SlowAccesses {
  /** Leaves what it read in the transfer slot. */
  readonly read: number;
  readonly write: number;
  /** Reads what is about to be written. */
  readonly modify: number;
  /** Another signature: see `emitBesideCode`. */
  readonly besideCode: number;
}

/** The number of bytes in `what`; above it are flags for TypeScript. */
const WHAT_BYTES = 0xff;
/** An instruction reaches at most this far behind its first byte. */
const LONGEST_REACH = 14;

const SIZES: readonly (readonly [bytes: number, load: MemoryOpName, store: MemoryOpName])[] = [
  [1, 'i64_load8_u', 'i64_store8'],
  [2, 'i64_load16_u', 'i64_store16'],
  [4, 'i64_load32_u', 'i64_store32'],
  [8, 'i64_load', 'i64_store'],
];

const [CPU, ACCESS_RECORD, LINEAR, WHAT, VALUE] = [0, 1, 2, 3, 4];

export function emitSlowAccesses(module: ModuleWriter, options: InterpreterOptions): SlowAccesses {
  const imported: Signature = { parameters: [I32, I32, I32, I32], results: [I32] };
  const slowRead = module.importFunction('slowRead', imported);
  const slowWrite = module.importFunction('slowWrite', imported);
  const slowModify = module.importFunction('slowModify', imported);
  const besideCode = emitBesideCode(module, options);
  const parameters = [I32, I32, I64, I32] as const;

  const read = module.define({ parameters, results: [I32] });
  askTypeScript(read.body, slowRead);

  const modify = module.define({ parameters, results: [I32] });
  doBesideCode(modify.body, besideCode, (f, host, [, load]) => {
    f.get(CPU);
    f.get(host);
    f.memory(load);
    f.memory('i64_store', LAYOUT.transfer);
  });
  askTypeScript(modify.body, slowModify);

  const write = module.define({ parameters: [...parameters, I64], results: [I32] });
  doBesideCode(write.body, besideCode, (f, host, [, , store]) => {
    f.get(host);
    f.get(VALUE);
    f.memory(store);
  });
  write.body.get(CPU);
  write.body.get(VALUE);
  write.body.memory('i64_store', LAYOUT.transfer);
  askTypeScript(write.body, slowWrite);

  return { read: read.index, modify: modify.index, write: write.index, besideCode };
}

/** Stores RIP, because the access may fault or take a VM exit, and calls an import; what it returns is the result. */
function askTypeScript(f: FunctionWriter, imported: number): void {
  f.get(CPU);
  f.get(CPU);
  f.memory('i64_load', LAYOUT.pageRip);
  f.get(ACCESS_RECORD);
  f.memory('i64_load16_u', RECORD.pageOffset);
  f.op('i64_add');
  f.memory('i64_store', LAYOUT.rip);
  f.get(ACCESS_RECORD);
  f.get(LINEAR);
  f.op('i32_wrap_i64');
  f.get(LINEAR);
  f.i64(32n);
  f.op('i64_shr_u');
  f.op('i32_wrap_i64');
  f.get(WHAT);
  f.call(imported);
}

/** Makes the access and returns where the bytes lie in a page of code but are no code. */
function doBesideCode(
  f: FunctionWriter,
  besideCode: number,
  access: (f: FunctionWriter, host: number, size: (typeof SIZES)[number]) => void,
): void {
  const bytes = f.local(I32);
  const host = f.local(I32);
  f.get(WHAT);
  f.i32(WHAT_BYTES);
  f.op('i32_and');
  f.set(bytes);
  f.get(CPU);
  f.get(LINEAR);
  f.get(bytes);
  f.call(besideCode);
  f.tee(host);
  f.if(() => {
    for (const size of SIZES) {
      f.get(bytes);
      f.i32(size[0]);
      f.op('i32_eq');
      f.if(() => {
        access(f, host, size);
        f.i32(SLOW.DONE);
        f.op('return');
      });
    }
  });
}

/**
 * (cpu, linear address, bytes) to the offset of the bytes in the engine memory, or 0 unless they may be written, lie in one
 * page of code, and belong to no decoded instruction but stale ones. Bytes at the start of a page may belong to one that crosses into it.
 */
function emitBesideCode(module: ModuleWriter, { tlbBase, poolBase, codeTable }: InterpreterOptions): number {
  const { index, body: f } = module.define({ parameters: [I32, I64, I32], results: [I32] });
  const [cpu, linear, bytes] = [0, 1, 2];
  const [entry, offset, host, at, end, table, page, record] = Array.from({ length: 8 }, () => f.local(I32)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const giveUpIf = () => {
    f.if(() => {
      f.i32(0);
      f.op('return');
    });
  };
  // What may be written may be read: writing alone is withheld from pages of code.
  emitTlbProbe(f, { cpu, linear, entry }, tlbBase + TLB_ENTRY.read, () => {
    f.get(bytes);
    f.i32(1);
    f.op('i32_sub');
    f.op('i64_extend_i32_u');
  });
  f.op('i32_eqz');
  giveUpIf();
  f.get(entry);
  f.memory('i32_load', tlbBase + TLB_ENTRY.page);
  f.i32(TLB_PAGE_CODE);
  f.op('i32_and');
  f.op('i32_eqz');
  giveUpIf();
  f.get(linear);
  f.op('i32_wrap_i64');
  f.i32(0xfff);
  f.op('i32_and');
  f.tee(offset);
  f.i32(LONGEST_REACH + 1);
  f.op('i32_lt_u');
  giveUpIf();
  f.get(entry);
  f.memory('i32_load', tlbBase + TLB_ENTRY.host);
  f.set(host);
  f.get(offset);
  f.get(bytes);
  f.op('i32_add');
  f.set(end);
  f.get(host);
  f.i32(poolBase);
  f.op('i32_sub');
  f.i32(12);
  f.op('i32_shr_u');
  f.i32(4 * CODE_MODES);
  f.op('i32_mul');
  f.set(table);
  for (let mode = 0; mode < CODE_MODES; mode++) {
    f.get(table);
    f.memory('i32_load', codeTable + 4 * mode);
    f.tee(page);
    f.if(() => {
      f.get(offset);
      f.i32(LONGEST_REACH);
      f.op('i32_sub');
      f.set(at);
      f.loop((next) => {
        f.get(page);
        f.get(at);
        f.i32(2);
        f.op('i32_shl');
        f.op('i32_add');
        f.memory('i32_load');
        f.tee(record);
        f.if(() => {
          f.get(at);
          f.get(record);
          f.memory('i32_load8_u', RECORD.length);
          f.op('i32_add');
          f.get(offset);
          f.op('i32_gt_u');
          f.get(record);
          f.memory('i32_load16_u', RECORD.savedHandler);
          f.i32(PSEUDO_HANDLER.STALE);
          f.op('i32_ne');
          f.op('i32_and');
          giveUpIf();
        });
        f.get(at);
        f.i32(1);
        f.op('i32_add');
        f.tee(at);
        f.get(end);
        f.op('i32_lt_u');
        f.brIf(next);
      });
    });
  }
  f.get(host);
  f.get(offset);
  f.op('i32_add');
  return index;
}
