/** Values, tests and joins of a meaning as WebAssembly locals: the part of the builder that knows no processor state. */
import type { BinaryOp, Bytes, CompareOp, Computation, Routine, Test, Value } from '../instructions/builder.ts';
import { I32, I64, type FunctionWriter, type OpName, type ValueType } from '../wasm/function.ts';

const MASK: { readonly [B in Bytes]: bigint } = { 1: 0xffn, 2: 0xffffn, 4: 0xffff_ffffn, 8: -1n };

/** The routines of a module, each emitted when it is first asked for. */
export interface RoutineTable {
  /** Function index. */
  index(routine: Routine): number;
}

/** Of a module whose meanings call none. */
export const NO_ROUTINES: RoutineTable = {
  index: ({ name }) => {
    throw new Error(`Invariant broken: ${name} cannot be called here`);
  },
};

export abstract class ValueBuilder implements Computation {
  protected readonly f: FunctionWriter;
  private readonly routines: RoutineTable;
  /** Offset of the memory operand, computed once; forgotten where control flow joins. */
  protected offset: Value | undefined;
  private temporaries: number[] = [];

  constructor(f: FunctionWriter, routines: RoutineTable) {
    this.f = f;
    this.routines = routines;
  }

  /** Gives the temporaries back; call after each meaning. */
  end(): void {
    for (const local of this.temporaries) this.f.release(local);
    this.temporaries = [];
    this.offset = undefined;
  }

  protected temp(type: ValueType): number {
    const local = this.f.local(type);
    this.temporaries.push(local);
    return local;
  }
  /** Pops the i64 on the stack into a new value. */
  protected value(): Value {
    const local = this.temp(I64);
    this.f.set(local);
    return local as Value;
  }
  protected test(): Test {
    const local = this.temp(I32);
    this.f.set(local);
    return local as Test;
  }

  constant(value: bigint): Value {
    this.f.i64(value);
    return this.value();
  }
  binary(op: BinaryOp, a: Value, b: Value): Value {
    this.f.get(a);
    this.f.get(b);
    this.f.op(`i64_${op}` as OpName);
    return this.value();
  }
  with(op: BinaryOp, a: Value, constant: bigint): Value {
    this.f.get(a);
    this.f.i64(constant);
    this.f.op(`i64_${op}` as OpName);
    return this.value();
  }
  unary(op: 'clz' | 'ctz' | 'popcnt', a: Value): Value {
    this.f.get(a);
    this.f.op(`i64_${op}` as OpName);
    return this.value();
  }
  estimateRoot(a: Value): Value {
    this.f.get(a);
    this.f.op('f64_convert_i64_u');
    this.f.op('f64_sqrt');
    this.f.op('i64_trunc_f64_u');
    return this.value();
  }
  compare(op: CompareOp, a: Value, b: Value): Test {
    this.f.get(a);
    this.f.get(b);
    this.f.op(`i64_${op}` as OpName);
    return this.test();
  }
  isZero(a: Value): Test {
    this.f.get(a);
    this.f.op('i64_eqz');
    return this.test();
  }
  not(test: Test): Test {
    this.f.get(test);
    this.f.op('i32_eqz');
    return this.test();
  }
  or(a: Test, b: Test): Test {
    this.f.get(a);
    this.f.get(b);
    this.f.op('i32_or');
    return this.test();
  }
  and(a: Test, b: Test): Test {
    this.f.get(a);
    this.f.get(b);
    this.f.op('i32_and');
    return this.test();
  }
  select(test: Test, then: Value, otherwise: Value): Value {
    this.f.get(then);
    this.f.get(otherwise);
    this.f.get(test);
    this.f.op('select');
    return this.value();
  }
  truncate(a: Value, bytes: Bytes): Value {
    return bytes === 8 ? a : this.with('and', a, MASK[bytes]);
  }
  signExtend(a: Value, bytes: Bytes): Value {
    if (bytes === 8) return a;
    this.f.get(a);
    this.f.op(bytes === 4 ? 'i64_extend32_s' : bytes === 2 ? 'i64_extend16_s' : 'i64_extend8_s');
    return this.value();
  }
  asValue(test: Test): Value {
    this.f.get(test);
    this.f.op('i64_extend_i32_u');
    return this.value();
  }
  assign(target: Value, value: Value): void {
    this.f.get(value);
    this.f.set(target);
  }
  if(test: Test, then: () => void, otherwise?: () => void): void {
    // What one arm computes must not be reused by the other or behind it.
    const offset = this.offset;
    const arm = (body: () => void) => () => {
      this.offset = offset;
      body();
    };
    this.f.get(test);
    this.f.if(arm(then), otherwise ? arm(otherwise) : undefined);
    this.offset = offset;
  }
  call(routine: Routine, parameters: readonly Value[]): readonly Value[] {
    if (parameters.length !== routine.parameters)
      throw new Error(`Invariant broken: ${routine.name} takes ${routine.parameters} parameters`);
    for (const parameter of parameters) this.f.get(parameter);
    this.f.call(this.routines.index(routine));
    const results = Array.from({ length: routine.results }, () => this.temp(I64) as Value);
    for (const result of [...results].reverse()) this.f.set(result);
    return results;
  }
}
