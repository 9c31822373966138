/** MXCSR while an instruction runs (SDM Vol. 1, "MXCSR Control and Status Register" 10.2.3). */
import { MXCSR_RESET } from '../../cpu/xsave.ts';

export const MXCSR = { IE: 1, DE: 2, ZE: 4, OE: 8, UE: 16, PE: 32, DAZ: 64, FTZ: 1 << 15 } as const;
const FLAGS = 0x3f;
const MASKS_SHIFT = 7;
/** Exceptions found before computing: they hide those found after it (SDM Vol. 1, appendix E.4.2). */
const PRE_COMPUTATION = MXCSR.IE | MXCSR.DE | MXCSR.ZE;

/** Rounding control (SDM Vol. 1, table 4-8). */
export const ROUND = { nearest: 0, down: 1, up: 2, truncate: 3 } as const;
export type Rounding = 0 | 1 | 2 | 3;

/** Control bits in force and the exceptions raised so far by the instruction that runs. */
class FloatControl {
  rounding: Rounding = ROUND.nearest;
  daz = false;
  ftz = false;
  /** Underflow is masked. */
  underflowMasked = true;
  overflowMasked = true;
  /** Exceptions raised by this instruction. */
  flags = 0;
  /** Raising PE again would change nothing: exactness need not be known. */
  precisionKnown = false;
  private value = MXCSR_RESET;

  begin(mxcsr: number): void {
    this.value = mxcsr;
    this.rounding = ((mxcsr >> 13) & 3) as Rounding;
    this.daz = (mxcsr & MXCSR.DAZ) !== 0;
    this.ftz = (mxcsr & MXCSR.FTZ) !== 0;
    this.underflowMasked = (mxcsr & (MXCSR.UE << MASKS_SHIFT)) !== 0;
    this.overflowMasked = (mxcsr & (MXCSR.OE << MASKS_SHIFT)) !== 0;
    this.flags = 0;
    this.precisionKnown = (mxcsr & MXCSR.PE) !== 0 && (mxcsr & (MXCSR.PE << MASKS_SHIFT)) !== 0;
  }
  raise(flags: number): void {
    this.flags |= flags;
  }
  /** The exceptions raised that are not masked. */
  get unmasked(): number {
    return this.flags & ~(this.value >> MASKS_SHIFT) & FLAGS;
  }
  /** Between the steps of an instruction that computes one after the other: keeps the flags so far; true where the rest is not done. */
  endStep(): boolean {
    if (this.unmasked !== 0) return true;
    this.value |= this.flags;
    this.flags = 0;
    return false;
  }
  /** MXCSR afterwards. */
  end(): number {
    const reported = (this.unmasked & PRE_COMPUTATION) !== 0 ? this.flags & PRE_COMPUTATION : this.flags;
    return this.value | reported;
  }
}

/** The one instruction that runs at a time. */
export const control = new FloatControl();
