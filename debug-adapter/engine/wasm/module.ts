/** Assembles a WebAssembly module: types, imports (functions, one memory), functions, a table, exports. Knows no x86. */
import { ByteWriter } from './bytes.ts';
import { FunctionWriter, type ValueType } from './function.ts';

const FUNCREF = 0x70;

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

interface Defined {
  readonly type: number;
  readonly body: FunctionWriter;
}

export class ModuleWriter {
  private readonly types: Signature[] = [];
  private readonly importedFunctions: { readonly name: string; readonly type: number }[] = [];
  private readonly defined: Defined[] = [];
  private readonly exported: { readonly index: number; readonly exportName: string }[] = [];
  private readonly memoryPages: number;
  private table: { readonly length: number; readonly exportName: string } | undefined;

  /** The module imports `env.memory` of at least this many 64 KiB pages. */
  constructor(memoryPages: number) {
    this.memoryPages = memoryPages;
  }

  /** The number of a signature, for `callIndirect`. */
  type(signature: Signature): number {
    const same = (a: readonly ValueType[], b: readonly ValueType[]) =>
      a.length === b.length && a.every((t, i) => t === b[i]);
    const known = this.types.findIndex(
      (t) => same(t.parameters, signature.parameters) && same(t.results, signature.results),
    );
    return known >= 0 ? known : this.types.push(signature) - 1;
  }

  /** Gives the module a table of functions, all absent, which its host fills. */
  defineTable(length: number, exportName: string): void {
    this.table = { length, exportName };
  }

  /** Imports `env.<name>`; all imports come before the first definition. Returns the function index. */
  importFunction(name: string, signature: Signature): number {
    if (this.defined.length > 0) throw new Error('Invariant broken: function imported after a definition');
    return this.importedFunctions.push({ name, type: this.type(signature) }) - 1;
  }

  /** Defines a function; its body may still be written until `toBytes`. */
  define(signature: Signature, exportName?: string): { readonly index: number; readonly body: FunctionWriter } {
    const body = new FunctionWriter(signature.parameters.length);
    const index = this.importedFunctions.length + this.defined.push({ type: this.type(signature), body }) - 1;
    if (exportName !== undefined) this.exportFunction(index, exportName);
    return { index, body };
  }

  exportFunction(index: number, exportName: string): void {
    this.exported.push({ index, exportName });
  }

  toBytes(): Uint8Array {
    const out = new ByteWriter();
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
    const section = (id: number, write: (content: ByteWriter) => void) => {
      const content = new ByteWriter();
      write(content);
      out.byte(id);
      out.sized(content);
    };
    section(1, (w) => {
      w.unsigned(this.types.length);
      for (const { parameters, results } of this.types) {
        w.byte(0x60);
        w.unsigned(parameters.length);
        for (const type of parameters) w.byte(type);
        w.unsigned(results.length);
        for (const type of results) w.byte(type);
      }
    });
    section(2, (w) => {
      w.unsigned(this.importedFunctions.length + 1);
      for (const { name, type } of this.importedFunctions) {
        w.name('env');
        w.name(name);
        w.byte(0x00);
        w.unsigned(type);
      }
      w.name('env');
      w.name('memory');
      w.byte(0x02);
      w.byte(0x00);
      w.unsigned(this.memoryPages);
    });
    section(3, (w) => {
      w.unsigned(this.defined.length);
      for (const { type } of this.defined) w.unsigned(type);
    });
    const { table } = this;
    if (table !== undefined)
      section(4, (w) => {
        w.unsigned(1);
        w.byte(FUNCREF);
        w.byte(0x00);
        w.unsigned(table.length);
      });
    section(7, (w) => {
      const { exported } = this;
      w.unsigned(exported.length + (table === undefined ? 0 : 1));
      if (table !== undefined) {
        w.name(table.exportName);
        w.byte(0x01);
        w.unsigned(0);
      }
      for (const { exportName, index } of exported) {
        w.name(exportName);
        w.byte(0x00);
        w.unsigned(index);
      }
    });
    section(10, (w) => {
      w.unsigned(this.defined.length);
      for (const { body } of this.defined) {
        const content = new ByteWriter();
        const locals = body.localDeclarations;
        content.unsigned(locals.length);
        for (const type of locals) {
          content.unsigned(1);
          content.byte(type);
        }
        content.append(body.code);
        content.byte(0x0b);
        w.sized(content);
      }
    });
    return out.toBytes();
  }
}
