/**
 * Handlers that are emitted when a guest turns out to need them: vector instructions have thousands of forms, shapes and
 * immediates, of which a program uses a few dozen. Each becomes a small module of its own, compiled for exactly one form with
 * its immediate known, whose function goes into the table of the interpreter. Where the table is full, instructions keep their
 * TypeScript meaning: slower, and otherwise the same.
 */
import { OpKind } from 'iced-x86';
import type { CodeBits } from '../base/program.ts';
import { operandKind } from '../cpu/operands.ts';
import { EMITTED_VECTORS } from '../instructions/simd/index.ts';
import type { DecodedInstruction } from '../isa/decode.ts';
import { I32, I64 } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import type { EngineMap } from './engine-memory.ts';
import type { SlowCalls } from './interpreter-builder.ts';
import { OUTLINED, OUTLINED_CPU, OUTLINED_RECORD, outlinedExits } from './outlined.ts';
import { VectorInterpreter, type VectorCase } from './vector-interpreter.ts';

/** Places of the table. */
export const MOST_LATE_HANDLERS = 1024;
/** Executions of a form in TypeScript after which it is emitted: what runs once is not worth a module. */
const WORTHWHILE = 100;

/** What the interpreter's module lends to those of its late handlers, under these names. */
export type Lent = Readonly<Record<keyof SlowCalls, WebAssembly.ExportValue>>;
const SIGNATURES: { readonly [K in keyof SlowCalls]: Parameters<ModuleWriter['define']>[0] } = {
  read: { parameters: [I32, I32, I64, I32], results: [I32] },
  write: { parameters: [I32, I32, I64, I32, I64], results: [I32] },
  modify: { parameters: [I32, I32, I64, I32], results: [I32] },
  besideCode: { parameters: [I32, I64, I32], results: [I32] },
  segmentCheck: { parameters: [I32, I64, I32, I32], results: [I32] },
  straddleRead: { parameters: [I32, I64, I32], results: [I32] },
  straddleWrite: { parameters: [I32, I64, I32], results: [I32] },
  straddleCommit: { parameters: [I32, I64], results: [] },
};

const LENT = Object.keys(SIGNATURES) as readonly (keyof SlowCalls)[];

/** Compiled handlers by what they depend on, as interpreters are kept: see emitted-loop.ts. */
const modules = new Map<string, WebAssembly.Module>();

export class LateHandlers {
  private readonly map: EngineMap;
  private readonly table: WebAssembly.Table;
  private readonly imports: WebAssembly.Imports;
  private readonly worthwhile: number;
  private readonly executions = new Map<number, number>();
  private readonly numbers = new Map<string, number>();

  constructor(
    memory: WebAssembly.Memory,
    map: EngineMap,
    table: WebAssembly.Table,
    lent: Lent,
    worthwhile = WORTHWHILE,
  ) {
    this.map = map;
    this.table = table;
    this.imports = { env: { memory, ...Object.fromEntries(LENT.map((name) => [name, lent[name]])) } };
    this.worthwhile = worthwhile;
  }

  /** Place in the table of an instruction that is executed in TypeScript; undefined where it stays there. */
  handlerOf(instruction: DecodedInstruction, bits: CodeBits): number | undefined {
    const { code } = instruction;
    if (!EMITTED_VECTORS.has(code)) return undefined;
    const executions = (this.executions.get(code) ?? 0) + 1;
    this.executions.set(code, executions);
    return executions < this.worthwhile ? undefined : this.place(instruction, bits);
  }

  /** The same without emitting anything: undefined also where the form is not emitted yet. */
  knownHandlerOf(instruction: DecodedInstruction, bits: CodeBits): number | undefined {
    return EMITTED_VECTORS.has(instruction.code) ? this.numbers.get(keyOf(caseOf(instruction, bits))) : undefined;
  }

  private place(instruction: DecodedInstruction, bits: CodeBits): number | undefined {
    const which = caseOf(instruction, bits);
    const key = keyOf(which);
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const number = this.numbers.size;
    if (number === this.table.length) return undefined;
    const { exports } = new WebAssembly.Instance(this.compiled(key, which), this.imports);
    this.table.set(number, exports['handler']);
    this.numbers.set(key, number);
    return number;
  }

  private compiled(key: string, which: VectorCase): WebAssembly.Module {
    const { wasmPages, tlb } = this.map;
    const whole = [wasmPages, tlb, key].join(' ');
    let module = modules.get(whole);
    if (module !== undefined) return module;
    if (modules.size === MOST_LATE_HANDLERS) modules.clear();
    modules.set(whole, (module = new WebAssembly.Module(emitVectorHandler(wasmPages, tlb, which))));
    return module;
  }
}

function caseOf(instruction: DecodedInstruction, bits: CodeBits): VectorCase {
  const { form, traits } = EMITTED_VECTORS.get(instruction.code)!;
  const memory = form.operands.findIndex((_, index) => operandKind(instruction, index) === OpKind.Memory);
  return {
    form,
    traits,
    memory: memory < 0 ? undefined : memory,
    immediate: form.operands.at(-1)?.kind === 'immediate' ? instruction.immediateLo & 0xff : 0,
    legacyCode: bits !== 64,
  };
}
const keyOf = ({ form, memory, immediate, legacyCode }: VectorCase): string =>
  [form.code, memory, immediate, legacyCode].join(' ');

/** A module that exports one function, `handler`. */
function emitVectorHandler(memoryPages: number, tlbBase: number, which: VectorCase): Uint8Array {
  const module = new ModuleWriter(memoryPages);
  const slow = Object.fromEntries(
    LENT.map((name) => [name, module.importFunction(name, SIGNATURES[name])]),
  ) as unknown as SlowCalls;
  const { body: f } = module.define(OUTLINED, 'handler');
  const exits = outlinedExits(f, which.form.mnemonic);
  const builder = new VectorInterpreter(f, OUTLINED_CPU, OUTLINED_RECORD, exits, slow, tlbBase, which);
  builder.checkGates();
  EMITTED_VECTORS.get(which.form.code)!.meaning(builder);
  exits.finish();
  builder.end();
  f.op('unreachable');
  return module.toBytes();
}
