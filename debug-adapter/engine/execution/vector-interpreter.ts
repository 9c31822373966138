/** The `VectorBuilder` of the interpreter: registers live in the state, memory is used where the TLB answers for all of it. */
import { CR0, CR4 } from '../cpu/control-bits.ts';
import { VM } from '../cpu/flags.ts';
import { LAYOUT } from '../cpu/layout.ts';
import { ERROR_SUMMARY, TOP_MASK } from '../cpu/x87-state.ts';
import type { Bytes, Test, Value } from '../instructions/builder.ts';
import type {
  ExtractOpName,
  Lanes,
  LanesOpName,
  MaskOpName,
  ReplaceOpName,
  ShiftOpName,
  SplatOpName,
  VectorBuilder,
} from '../instructions/simd/emitted/vector-builder.ts';
import { ALL_VALID, MMX_SIGN_EXPONENT } from '../instructions/simd/mmx.ts';
import { VECTOR_BYTES } from '../instructions/simd/vector.ts';
import { alignedBytes, sourcesOf, type VectorTraits } from '../instructions/simd/traits.ts';
import type { VectorForm } from '../instructions/simd/forms.ts';
import { TLB_ENTRY } from '../memory/tlb.ts';
import { I32, V128, type FunctionWriter, type SaturatingOpName } from '../wasm/function.ts';
import { LOAD, STORE } from './flag-builder.ts';
import { InterpreterBuilder, type Exits, type SlowCalls } from './interpreter-builder.ts';
import { RECORD } from './record.ts';

/** Register slots of a record as `lowerVector` fills them. */
export const VECTOR_SLOT = { destination: 0, first: 1, last: 2 } as const;

const PART_BYTES = 16;
/** XCR0: SSE and AVX state. */
const SSE_AND_AVX = 6;

/** One handler: a form, where its operands are, its immediate, and whether it runs outside 64-bit mode. */
export interface VectorCase {
  readonly form: VectorForm;
  readonly traits: VectorTraits;
  /** Index of the operand in memory. */
  readonly memory: number | undefined;
  readonly immediate: number;
  readonly legacyCode: boolean;
}

export class VectorInterpreter extends InterpreterBuilder implements VectorBuilder {
  readonly form: VectorForm;
  readonly imm: number;
  readonly parts: 1 | 2;
  readonly fromMemory: boolean;
  private readonly case: VectorCase;
  private readonly lastIndex: number;
  private loaded: readonly Lanes[] | undefined;

  constructor(
    f: FunctionWriter,
    cpu: number,
    record: number,
    exits: Exits,
    slow: SlowCalls,
    tlbBase: number,
    which: VectorCase,
  ) {
    super(f, cpu, record, exits, slow, tlbBase);
    this.case = which;
    this.form = which.form;
    this.imm = which.immediate;
    this.parts = which.form.length === 32 ? 2 : 1;
    this.lastIndex = sourcesOf(which.form).last;
    this.fromMemory = which.memory !== undefined && which.memory === this.lastIndex;
  }

  /** Gives up where the instruction is not plainly available: simd/gates.ts says what it is then. */
  checkGates(): void {
    const f = this.f;
    const { vex } = this.form;
    if (this.form.mmx) {
      this.word(LAYOUT.cr0);
      f.i32(CR0.TS | CR0.EM);
      f.op('i32_and');
      this.word(LAYOUT.x87Status);
      f.i32(ERROR_SUMMARY);
      f.op('i32_and');
      f.op('i32_or');
      f.if(() => this.defer());
      return;
    }
    const required = vex ? CR4.OSXSAVE : CR4.OSFXSR;
    this.word(LAYOUT.cr4);
    f.i32(required);
    f.op('i32_and');
    f.i32(required);
    f.op('i32_xor');
    this.word(LAYOUT.cr0);
    const inProtectedMode = vex && this.case.legacyCode ? CR0.PE : 0;
    f.i32(CR0.TS | (vex ? 0 : CR0.EM) | inProtectedMode);
    f.op('i32_and');
    f.i32(inProtectedMode);
    f.op('i32_xor');
    f.op('i32_or');
    if (vex) {
      this.word(LAYOUT.xcr0);
      f.i32(SSE_AND_AVX);
      f.op('i32_and');
      f.i32(SSE_AND_AVX);
      f.op('i32_xor');
      f.op('i32_or');
      if (this.case.legacyCode) {
        this.word(LAYOUT.rflagsSystem);
        f.i32(VM);
        f.op('i32_and');
        f.op('i32_or');
      }
    }
    f.if(() => this.defer());
  }
  private word(at: number): void {
    this.f.get(this.cpu);
    this.f.memory('i32_load', at);
  }

  /** Outside 64-bit mode operands of every size are checked against their segment. */
  protected override asksForMode(): boolean {
    return this.case.legacyCode;
  }

  private vector(): Lanes {
    const local = this.temp(V128);
    this.f.set(local);
    return local as Lanes;
  }
  private partOf(slot: 0 | 1 | 2, part: number): Lanes {
    this.registerAddress(slot);
    // Behind the 64 bits of an MMX register lies what is not part of it.
    if (this.form.mmx) this.f.simdMemory('v128_load64_zero');
    else this.f.simdMemory('v128_load', PART_BYTES * part);
    return this.vector();
  }
  first(part: number): Lanes {
    return this.partOf(VECTOR_SLOT.first, part);
  }
  third(part: number): Lanes {
    this.f.get(this.cpu);
    this.f.get(this.record);
    this.f.memory('i32_load16_u', RECORD.thirdSource);
    this.f.op('i32_add');
    this.f.simdMemory('v128_load', PART_BYTES * part);
    return this.vector();
  }
  last(part: number): Lanes {
    if (!this.fromMemory) return this.partOf(VECTOR_SLOT.last, part);
    this.loaded ??= this.loadLast();
    return this.loaded[part];
  }
  private loadLast(): readonly Lanes[] {
    const f = this.f;
    const { memoryBytes } = this.form.operands[this.lastIndex];
    const host = this.hostToRead(memoryBytes);
    const load = (offset: number): Lanes => {
      f.get(host);
      switch (memoryBytes) {
        case 4:
          f.simdMemory('v128_load32_zero');
          break;
        case 8:
          f.simdMemory('v128_load64_zero');
          break;
        case 16:
        case 32:
          f.simdMemory('v128_load', offset);
          break;
        default:
          f.memory(memoryBytes === 1 ? 'i64_load8_u' : 'i64_load16_u');
          return this.withLane('i64x2_replace_lane', this.constantLanes(0n, 0n), 0, this.value());
      }
      return this.vector();
    };
    return Array.from({ length: Math.max(1, memoryBytes / PART_BYTES) }, (_, part) => load(PART_BYTES * part));
  }
  lastValue(): Value {
    const { bytes, memoryBytes } = this.form.operands[this.lastIndex];
    const size = (this.fromMemory ? memoryBytes : bytes) as Bytes;
    if (!this.fromMemory) return this.read({ kind: 'register', slot: VECTOR_SLOT.last, bytes: size });
    this.f.get(this.hostToRead(size));
    this.f.memory(LOAD[size]);
    return this.value();
  }

  writeLanes(...parts: readonly Lanes[]): void {
    const f = this.f;
    if (this.form.operands[0].kind === 'mmx' && this.case.memory !== 0) {
      this.writeMmx(this.laneOf('i64x2_extract_lane', parts[0], 0));
      return;
    }
    if (this.case.memory !== 0) {
      parts.forEach((lanes, part) => {
        this.registerAddress(VECTOR_SLOT.destination);
        f.get(lanes);
        f.simdMemory('v128_store', PART_BYTES * part);
      });
      if (!this.form.vex || parts.length === 2) return;
      this.registerAddress(VECTOR_SLOT.destination);
      f.v128(0n, 0n);
      f.simdMemory('v128_store', PART_BYTES);
      return;
    }
    const { memoryBytes } = this.form.operands[0];
    if (memoryBytes < PART_BYTES) {
      this.writeValue(this.laneOf('i64x2_extract_lane', parts[0], 0));
      return;
    }
    this.storeToOperand(memoryBytes, (host) => {
      for (let part = 0; part < memoryBytes / PART_BYTES; part++) {
        f.get(host);
        f.get(parts[part]);
        f.simdMemory('v128_store', PART_BYTES * part);
      }
    });
  }
  writeValue(value: Value): void {
    const { bytes, memoryBytes } = this.form.operands[0];
    if (this.case.memory !== 0) {
      this.write({ kind: 'register', slot: VECTOR_SLOT.destination, bytes: bytes as Bytes }, value);
    } else
      this.storeToOperand(memoryBytes, (host) => {
        this.f.get(host);
        this.f.get(value);
        this.f.memory(STORE[memoryBytes as Bytes]);
      });
    if (this.form.mmx) this.enterMmx();
  }
  /** Sign and exponent become ones, as ../instructions/simd/mmx.ts says. */
  private writeMmx(value: Value): void {
    this.registerAddress(VECTOR_SLOT.destination);
    this.f.get(value);
    this.f.memory('i64_store');
    this.registerAddress(VECTOR_SLOT.destination);
    this.f.i32(MMX_SIGN_EXPONENT);
    this.f.memory('i32_store', 8);
    this.enterMmx();
  }
  private enterMmx(): void {
    const f = this.f;
    f.get(this.cpu);
    f.i32(ALL_VALID);
    f.memory('i32_store', LAYOUT.x87Tags);
    f.get(this.cpu);
    this.word(LAYOUT.x87Status);
    f.i32(~TOP_MASK);
    f.op('i32_and');
    f.memory('i32_store', LAYOUT.x87Status);
  }
  clearRegisters(from: 0 | 16): void {
    for (let i = 0; i < (this.case.legacyCode ? 8 : 16); i++)
      for (let at: number = from; at < VECTOR_BYTES; at += PART_BYTES) {
        this.f.get(this.cpu);
        this.f.v128(0n, 0n);
        this.f.simdMemory('v128_store', LAYOUT.vectors + VECTOR_BYTES * i + at);
      }
  }

  /** Linear address of the memory operand, which must be aligned as the form asks. */
  private alignedLinear(bytes: number, access: 'read' | 'write'): Value {
    const f = this.f;
    const linear = this.linearOfOperand(bytes, access);
    const alignment = alignedBytes(this.form, this.case.traits, this.case.memory!);
    if (alignment > 1) {
      f.get(linear);
      f.op('i32_wrap_i64');
      f.i32(alignment - 1);
      f.op('i32_and');
      f.if(() => this.defer());
    }
    return linear;
  }
  /** Where it is in the engine memory, 0 where the TLB does not answer. */
  private plainHost(linear: Value, bytes: number, access: 'read' | 'write'): number {
    const host = this.temp(I32);
    this.fast(linear, bytes, TLB_ENTRY[access], host);
    return host;
  }
  /** Sets `host` to what a function of (cpu, linear address, bytes) gives. */
  private askForHost(host: number, linear: Value, bytes: number, functionIndex: number): void {
    const f = this.f;
    f.get(this.cpu);
    f.get(linear);
    f.i32(bytes);
    f.call(functionIndex);
    f.set(host);
  }
  private deferUnless(local: number): void {
    this.f.get(local);
    this.f.op('i32_eqz');
    this.f.if(() => this.defer());
  }

  /** A local with the place of the memory operand in the engine memory; gives up where it is not plainly there. */
  private hostToRead(bytes: number): number {
    const linear = this.alignedLinear(bytes, 'read');
    const host = this.plainHost(linear, bytes, 'read');
    this.f.get(host);
    this.f.op('i32_eqz');
    this.f.if(() => {
      this.askForHost(host, linear, bytes, this.slow.straddleRead);
      this.deferUnless(host);
    });
    return host;
  }
  private storeToOperand(bytes: number, store: (host: number) => void): void {
    const f = this.f;
    const linear = this.alignedLinear(bytes, 'write');
    const host = this.plainHost(linear, bytes, 'write');
    f.get(host);
    f.if(
      () => store(host),
      () => {
        this.askForHost(host, linear, bytes, this.slow.besideCode);
        f.get(host);
        f.if(
          () => store(host),
          () => {
            this.askForHost(host, linear, bytes, this.slow.straddleWrite);
            this.deferUnless(host);
            store(host);
            f.get(this.cpu);
            f.get(linear);
            f.call(this.slow.straddleCommit);
          },
        );
      },
    );
  }

  constantLanes(low: bigint, high: bigint): Lanes {
    this.f.v128(low, high);
    return this.vector();
  }
  lanes(op: LanesOpName, ...operands: readonly Lanes[]): Lanes {
    for (const operand of operands) this.f.get(operand);
    this.f.simd(op);
    return this.vector();
  }
  shiftLanes(op: ShiftOpName, a: Lanes, count: number): Lanes {
    this.f.get(a);
    this.f.i32(count);
    this.f.simd(op);
    return this.vector();
  }
  shiftLanesBy(op: ShiftOpName, a: Lanes, count: Value): Lanes {
    this.f.get(a);
    this.f.get(count);
    this.f.op('i32_wrap_i64');
    this.f.simd(op);
    return this.vector();
  }
  maskOf(op: MaskOpName, a: Lanes): Test {
    this.f.get(a);
    this.f.simd(op);
    return this.test();
  }
  shuffle(a: Lanes, c: Lanes, bytes: readonly number[]): Lanes {
    this.f.get(a);
    this.f.get(c);
    this.f.shuffle(bytes);
    return this.vector();
  }
  laneOf(op: ExtractOpName, a: Lanes, lane: number): Value {
    this.f.get(a);
    this.f.lane(op, lane);
    if (op !== 'i64x2_extract_lane') this.f.op('i64_extend_i32_u');
    return this.value();
  }
  withLane(op: ReplaceOpName, a: Lanes, lane: number, value: Value): Lanes {
    this.f.get(a);
    this.f.get(value);
    if (op !== 'i64x2_replace_lane') this.f.op('i32_wrap_i64');
    this.f.lane(op, lane);
    return this.vector();
  }
  splat(op: SplatOpName, value: Value): Lanes {
    this.f.get(value);
    if (op !== 'i64x2_splat') this.f.op('i32_wrap_i64');
    this.f.simd(op);
    return this.vector();
  }
  assignLanes(target: Lanes, value: Lanes): void {
    this.f.get(value);
    this.f.set(target);
  }
  truncateLow(op: SaturatingOpName, a: Lanes): Value {
    this.f.get(a);
    this.f.lane(op === 'i64_trunc_sat_f32_s' ? 'f32x4_extract_lane' : 'f64x2_extract_lane', 0);
    this.f.saturating(op);
    return this.value();
  }
  convertToLow(format: 'f32x4' | 'f64x2', value: Value): Lanes {
    this.f.get(value);
    this.f.op(format === 'f32x4' ? 'f32_convert_i64_s' : 'f64_convert_i64_s');
    this.f.simd(`${format}_splat`);
    return this.vector();
  }

  mxcsr(): Value {
    this.f.get(this.cpu);
    this.f.memory('i64_load32_u', LAYOUT.mxcsr);
    return this.value();
  }
  setMxcsr(value: Value): void {
    this.f.get(this.cpu);
    this.f.get(value);
    this.f.memory('i64_store32', LAYOUT.mxcsr);
  }
  deferIf(test: Test): void {
    this.f.get(test);
    this.f.if(() => this.defer());
  }
}
