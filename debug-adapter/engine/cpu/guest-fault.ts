/**
 * A fault raised inside an instruction that is written in TypeScript. Emitted code reports faults by returned codes; these
 * instructions are rare, touch memory many times and would otherwise check a code after every access. Thrown as a plain
 * object, never as an `Error` (measured: 0.3 against 3 microseconds).
 */
export class GuestFault {
  readonly vector: number;
  /** Undefined for exceptions without one. */
  readonly errorCode: number | undefined;
  /** Linear address of a page fault. */
  readonly linear: bigint | undefined;
  /** Why, for people: `stack segment limit`, `PDE not present` ... */
  readonly because: string;
  constructor(vector: number, errorCode?: number, because = '', linear?: bigint) {
    this.vector = vector;
    this.errorCode = errorCode;
    this.linear = linear;
    this.because = because;
  }
}

/** Thrown by an instruction after a VM exit has replaced the state: nothing of the instruction may be committed any more. */
export class VmExitTaken {}

/** Thrown to stop the machine by name at the current instruction: unimplemented instruction, MSR, port or control. */
export class MachineStop {
  /** What is missing, as a noun phrase: `instruction MOVAPS xmm1, xmm2/m128`. */
  readonly what: string;
  /** Set where nothing is missing but the program reached for a place that does not exist. */
  readonly nowhere: Nowhere | undefined;
  constructor(what: string, nowhere?: Nowhere) {
    this.what = what;
    this.nowhere = nowhere;
  }
}

/** A physical address with neither memory nor a device, and what the program wanted there. */
export interface Nowhere {
  readonly address: number;
  readonly access: 'fetch' | 'read' | 'write';
}

/** Exception vectors (SDM Vol. 3A, "Exception and Interrupt Vectors" 6.2, table 6-1). */
export const DE = 0;
export const DB = 1;
export const NMI = 2;
export const BP = 3;
export const OF_TRAP = 4;
export const BR = 5;
export const UD = 6;
export const NM = 7;
export const DOUBLE_FAULT = 8;
export const TS = 10;
export const NP = 11;
export const SS_FAULT = 12;
export const GP = 13;
export const PF = 14;
export const MF = 16;
export const AC_FAULT = 17;
export const XM = 19;
export const VE = 20;

const EXCEPTION_NAMES: Readonly<Record<number, string>> = {
  0: '#DE',
  1: '#DB',
  2: 'NMI',
  3: '#BP',
  4: '#OF',
  5: '#BR',
  6: '#UD',
  7: '#NM',
  8: '#DF',
  10: '#TS',
  11: '#NP',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  16: '#MF',
  17: '#AC',
  18: '#MC',
  19: '#XM',
  20: '#VE',
};

/** `#PF`, or `INT 21h` for vectors that are not architectural exceptions. */
export const vectorName = (vector: number): string =>
  EXCEPTION_NAMES[vector] ?? `INT ${vector.toString(16).toUpperCase()}h`;

const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
/** Whether the exception pushes an error code in protected mode (SDM Vol. 3A, "Error Code" 6.13). */
export const hasErrorCode = (vector: number): boolean => WITH_ERROR_CODE.has(vector);

export const raise = (vector: number, errorCode?: number, because?: string): never => {
  throw new GuestFault(vector, errorCode, because);
};
