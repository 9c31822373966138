/** The processor state of a meaning, and its flags: the lazy words and the conditions made of them (cpu/flags.ts). */
import { DF } from '../cpu/flags.ts';
import { LAYOUT } from '../cpu/layout.ts';
import { CONDITIONS, type Bytes, type Condition, type Test, type Value } from '../instructions/builder.ts';
import type { FunctionWriter, MemoryOpName } from '../wasm/function.ts';
import { ValueBuilder, type RoutineTable } from './value-builder.ts';

export const LOAD: { readonly [B in Bytes]: MemoryOpName } = {
  1: 'i64_load8_u',
  2: 'i64_load16_u',
  4: 'i64_load32_u',
  8: 'i64_load',
};
export const STORE: { readonly [B in Bytes]: MemoryOpName } = {
  1: 'i64_store8',
  2: 'i64_store16',
  4: 'i64_store32',
  8: 'i64_store',
};

export abstract class FlagBuilder extends ValueBuilder {
  /** Local with the address of the processor state. */
  protected readonly cpu: number;

  constructor(f: FunctionWriter, cpu: number, routines: RoutineTable) {
    super(f, routines);
    this.cpu = cpu;
  }

  protected stateQuad(at: number): Value {
    this.f.get(this.cpu);
    this.f.memory('i64_load', at);
    return this.value();
  }
  protected setStateQuad(at: number, value: Value): void {
    this.f.get(this.cpu);
    this.f.get(value);
    this.f.memory('i64_store', at);
  }
  /** Pushes the address of a part of the state minus its constant offset. */
  private stateAddress(displacement: Value | undefined): void {
    this.f.get(this.cpu);
    if (displacement === undefined) return;
    this.f.get(displacement);
    this.f.op('i32_wrap_i64');
    this.f.op('i32_add');
  }
  state(at: number, bytes: Bytes, displacement?: Value): Value {
    this.stateAddress(displacement);
    this.f.memory(LOAD[bytes], at);
    return this.value();
  }
  setState(at: number, bytes: Bytes, value: Value, displacement?: Value): void {
    this.stateAddress(displacement);
    this.f.get(value);
    this.f.memory(STORE[bytes], at);
  }
  flagsResult(): Value {
    return this.stateQuad(LAYOUT.flagsResult);
  }
  flagsAux(): Value {
    return this.stateQuad(LAYOUT.flagsAux);
  }
  setFlags(result: Value, aux: Value): void {
    this.setStateQuad(LAYOUT.flagsResult, result);
    this.setStateQuad(LAYOUT.flagsAux, aux);
  }
  setFlagsAux(aux: Value): void {
    this.setStateQuad(LAYOUT.flagsAux, aux);
  }

  condition(condition: Condition): Test {
    const number = CONDITIONS.indexOf(condition);
    const positive = this.positiveCondition(CONDITIONS[number & ~1]);
    return (number & 1) === 0 ? positive : this.not(positive);
  }
  private positiveCondition(condition: Condition): Test {
    const negative = (v: Value) => this.compare('lt_s', v, this.constant(0n));
    switch (condition) {
      case 'o': {
        const aux = this.flagsAux();
        return negative(this.binary('xor', aux, this.with('shl', aux, 1n)));
      }
      case 'b':
        return negative(this.flagsAux());
      case 'e':
        return this.isZero(this.flagsResult());
      case 'be':
        return this.or(negative(this.flagsAux()), this.isZero(this.flagsResult()));
      case 's':
        return negative(this.signWord(this.flagsAux()));
      case 'p': {
        const low = this.binary('xor', this.flagsResult(), this.with('shr_u', this.flagsAux(), 8n));
        const bits = this.unary('popcnt', this.with('and', low, 0xffn));
        return this.isZero(this.with('and', bits, 1n));
      }
      case 'l':
        return negative(this.lessWord());
      case 'le':
        return this.or(negative(this.lessWord()), this.isZero(this.flagsResult()));
      default:
        throw new Error(`Invariant broken: ${condition} is not a positive condition`);
    }
  }
  /** Bit 63 is SF. */
  private signWord(aux: Value): Value {
    return this.binary('xor', this.flagsResult(), this.with('shl', aux, 63n));
  }
  /** Bit 63 is SF xor OF. */
  private lessWord(): Value {
    const aux = this.flagsAux();
    const overflow = this.binary('xor', aux, this.with('shl', aux, 1n));
    return this.binary('xor', this.signWord(aux), overflow);
  }

  directionDown(): Test {
    this.f.get(this.cpu);
    this.f.memory('i32_load', LAYOUT.rflagsSystem);
    this.f.i32(DF);
    this.f.op('i32_and');
    return this.test();
  }
  setDirection(down: boolean): void {
    this.f.get(this.cpu);
    this.f.get(this.cpu);
    this.f.memory('i32_load', LAYOUT.rflagsSystem);
    this.f.i32(down ? DF : ~DF);
    this.f.op(down ? 'i32_or' : 'i32_and');
    this.f.memory('i32_store', LAYOUT.rflagsSystem);
  }
}
