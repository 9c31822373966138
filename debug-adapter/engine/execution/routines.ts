/** Routines of meanings as functions of the interpreter's module. */
import type { Routine, RoutineBuilder, Value } from '../instructions/builder.ts';
import { I64, type FunctionWriter } from '../wasm/function.ts';
import type { ModuleWriter } from '../wasm/module.ts';
import { ValueBuilder, type RoutineTable } from './value-builder.ts';

class RoutineWriter extends ValueBuilder implements RoutineBuilder {
  private readonly routine: Routine;

  constructor(f: FunctionWriter, routines: RoutineTable, routine: Routine) {
    super(f, routines);
    this.routine = routine;
  }

  give(...results: readonly Value[]): void {
    if (results.length !== this.routine.results)
      throw new Error(`Invariant broken: ${this.routine.name} gives ${this.routine.results} results`);
    for (const result of results) this.f.get(result);
    this.f.op('return');
  }
}

/** Emits each routine into a module when a meaning first calls it. */
export class ModuleRoutines implements RoutineTable {
  private readonly module: ModuleWriter;
  private readonly emitted = new Map<Routine, number>();

  constructor(module: ModuleWriter) {
    this.module = module;
  }

  index(routine: Routine): number {
    const known = this.emitted.get(routine);
    if (known !== undefined) return known;
    const parameters = Array.from({ length: routine.parameters }, () => I64 as typeof I64);
    const results = Array.from({ length: routine.results }, () => I64 as typeof I64);
    const { index, body } = this.module.define({ parameters, results });
    this.emitted.set(routine, index);
    const values = parameters.map((_, local) => local as Value);
    routine.body(new RoutineWriter(body, this, routine), values);
    body.op('unreachable');
    return index;
  }
}
