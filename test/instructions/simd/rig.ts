/** A machine in 64-bit mode with everything on that vector instructions need, one instruction at a time. */
import { CR4 } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { UD } from '../../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { MXCSR_RESET } from '../../../debug-adapter/engine/cpu/xsave.ts';
import { SIMD_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/simd/index.ts';
import { decode } from '../../../debug-adapter/engine/isa/decode.ts';
import { TestMachine, type Result } from '../../cpu/harness.ts';

/** Where RSI and RDI point. */
export const MEMORY_AT = 0x20000;

export class VectorMachine extends TestMachine {
  constructor(cpl: 0 | 3 = 0, ...places: ConstructorParameters<typeof TestMachine>) {
    super(...places);
    this.prepare(cpl);
  }
  /** As a new machine is. */
  protected prepare(cpl: 0 | 3): void {
    this.longMode(cpl);
    this.state.set32(LAYOUT.mxcsr, MXCSR_RESET);
    this.state.set32(LAYOUT.x87Status, 0);
    this.state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE));
    this.state.set64(LAYOUT.xcr0, 7n);
    this.state.setGpr(6, BigInt(MEMORY_AT));
    this.state.setGpr(7, BigInt(MEMORY_AT));
  }
  /** Executes the vector instruction given as hex bytes. */
  run(hex: string): Result {
    return this.runBytes(Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')));
  }
  runBytes(bytes: Uint8Array): Result {
    const instruction = decode(bytes, 0, bytes.length, 0n, this.state.codeBits);
    if (instruction.invalid) return { kind: 'fault', vector: UD, error: undefined, linear: undefined };
    const meaning = SIMD_INSTRUCTIONS.get(instruction.code);
    if (meaning === undefined)
      throw new Error(`${Buffer.from(bytes).toString('hex')} is no vector instruction (code ${instruction.code})`);
    this.cpu.beginInstruction(instruction.length);
    return this.attempt(() => {
      meaning(this.cpu, instruction);
    });
  }
  get vectors(): Uint8Array {
    return new Uint8Array(this.state.words.buffer, this.state.base + LAYOUT.vectors, 512);
  }
  setSingle(register: number, lane: number, bits: number): void {
    this.state.set32(LAYOUT.vectors + 32 * register + 4 * lane, bits);
  }
  single(register: number, lane: number): number {
    return this.state.get32(LAYOUT.vectors + 32 * register + 4 * lane) >>> 0;
  }
}
