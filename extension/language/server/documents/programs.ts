/** The programs among the open documents, assembled, and what is wrong with each file. */
import type { Assembly, Diagnostic, ReadInclude } from '../assembly.ts';
import type { Sources } from './sources.ts';

export type Assemble = (file: string, source: string, readInclude: ReadInclude) => Assembly;

/** A part of a program by its name: alone it may lack what is defined before it, so it is not judged alone. */
const isPart = (file: string): boolean => /\.(inc|mac)$/i.test(file);

const keyOf = ({ line, column, code, message }: Diagnostic): string => `${line}:${column}:${code}:${message}`;

export class Programs {
  readonly #sources: Sources;
  readonly #assemble: Assemble;
  readonly #open = new Set<string>();
  readonly #assemblies = new Map<string, Assembly>();

  constructor(sources: Sources, assemble: Assemble) {
    this.#sources = sources;
    this.#assemble = assemble;
  }

  open(file: string): void {
    this.#open.add(file);
    this.assemble(file);
  }

  close(file: string): void {
    this.#open.delete(file);
    this.#assemblies.delete(file);
  }

  /** A file's text is another one: every program it belongs to is assembled again. */
  changed(file: string): void {
    const programs = [...this.#assemblies].filter(([, { includedFiles }]) => includedFiles.includes(file));
    for (const [program] of programs) this.assemble(program);
    if (this.#open.has(file)) this.assemble(file);
  }

  /** Files changed on disk: a program may find an include now that it did not find before. */
  changedOnDisk(): void {
    for (const file of this.#open) this.assemble(file);
  }

  private assemble(file: string): void {
    const source = this.#sources.read(file, file);
    if (source === undefined) {
      this.#assemblies.delete(file);
      return;
    }
    const readInclude: ReadInclude = (name, from) => this.#sources.include(name, from, file);
    this.#assemblies.set(file, this.#assemble(file, source, readInclude));
  }

  /** The program a file is best seen as: itself, but for a part the first open program that includes it. */
  assemblyOf(file: string): Assembly | undefined {
    const including = [...this.#assemblies.values()].find(({ includedFiles }) => includedFiles.includes(file));
    const own = this.#assemblies.get(file);
    return isPart(file) ? (including ?? own) : (own ?? including);
  }

  /**
   * Diagnostics by file, for every file of every open program. A file that another open program includes is judged as part of
   * that one: alone it may lack what is defined before it.
   */
  diagnostics(): Map<string, Diagnostic[]> {
    const included = new Set(
      [...this.#assemblies].flatMap(([program, { includedFiles }]) => includedFiles.filter((file) => file !== program)),
    );
    const found = new Map<string, Map<string, Diagnostic>>();
    for (const file of this.#open) found.set(file, new Map());
    for (const [program, { diagnostics, includedFiles }] of this.#assemblies) {
      if (included.has(program) || isPart(program)) continue;
      for (const file of [program, ...includedFiles]) if (!found.has(file)) found.set(file, new Map());
      for (const diagnostic of diagnostics) found.get(diagnostic.file)?.set(keyOf(diagnostic), diagnostic);
    }
    return new Map([...found].map(([file, byKey]) => [file, [...byKey.values()]]));
  }
}
