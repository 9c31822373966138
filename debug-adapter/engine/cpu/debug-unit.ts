/**
 * Hardware breakpoints: which addresses and ports DR0 to DR3 name, and whether an access meets one (SDM Vol. 3B, "Debug
 * Registers" 17.2, "Recognizing Breakpoints" 17.2.5). What is armed is derived from the registers whenever they change, so that
 * nothing is asked while nothing is armed.
 */
import { CR4, DR6_BREAKPOINTS, DR6_CAUSES, DR6_FIXED } from './control-bits.ts';
import { LAYOUT } from './layout.ts';
import type { CpuState } from './state.ts';

/** What an instruction does at an address. */
export type BreakpointAccess = 'execute' | 'write' | 'read' | 'io';

/** DR7.R/Wn: the accesses that a breakpoint waits for; I/O only with CR4.DE. */
const ACCESSES: readonly (readonly BreakpointAccess[])[] = [['execute'], ['write'], ['io'], ['read', 'write']];
/** DR7.LENn in bytes. */
const LENGTHS = [1, 2, 8, 4] as const;
const COUNT = 4;
const PAGE_MASK = 0xfffn;

interface Breakpoint {
  readonly accesses: readonly BreakpointAccess[];
  /** The bytes or ports that it covers: aligned to its length, whatever the low bits of the register. */
  readonly first: bigint;
  readonly last: bigint;
  /** DR7.Ln or DR7.Gn. */
  readonly enabled: boolean;
}

/** What DR7, CR4 and DR0 to DR3 say; none where DR7 enables none. */
function breakpointsOf(dr7: number, cr4: number, address: (index: number) => bigint): readonly Breakpoint[] {
  if ((dr7 & 0xff) === 0) return [];
  return Array.from({ length: COUNT }, (_, index) => {
    const accesses = ACCESSES[(dr7 >>> (16 + 4 * index)) & 3];
    const exists = !accesses.includes('io') || (cr4 & CR4.DE) !== 0;
    const length = accesses.includes('execute') ? 1 : LENGTHS[(dr7 >>> (18 + 4 * index)) & 3];
    const first = address(index) & ~BigInt(length - 1);
    return {
      accesses: exists ? accesses : [],
      first,
      last: first + BigInt(length - 1),
      enabled: ((dr7 >>> (2 * index)) & 3) !== 0,
    };
  });
}

/** An access as breakpoints see it; of one byte where an instruction is fetched. */
export interface AddressedAccess {
  readonly access: BreakpointAccess;
  readonly address: bigint;
  readonly bytes: number;
}

/**
 * DR6.B0 to B3 for an access: 0 unless it meets an enabled breakpoint, and then also those of disabled breakpoints that it
 * meets (SDM Vol. 3B, 17.2.3).
 */
function conditionsAmong(breakpoints: readonly Breakpoint[], { access, address, bytes }: AddressedAccess): number {
  const last = address + BigInt(bytes - 1);
  let met = 0;
  let counts = false;
  breakpoints.forEach((point, index) => {
    if (!point.accesses.includes(access) || address > point.last || last < point.first) return;
    met |= 1 << index;
    counts ||= point.enabled;
  });
  return counts ? met : 0;
}

/** The same for a processor whose DR7 and CR4 are kept elsewhere (in a VMCS); DR0 to DR3 are the processor's. */
export const breakpointConditions = (state: CpuState, dr7: number, cr4: number, access: AddressedAccess): number =>
  conditionsAmong(breakpointsOf(dr7, cr4, addressIn(state)), access);

const addressIn =
  (state: CpuState) =>
  (index: number): bigint =>
    state.get64(LAYOUT.dr0 + 8 * index);

/**
 * DR6 after a debug exception with these causes: B0 to B3 are its own, the other causes stay until software clears them (SDM
 * Vol. 3B, "Debug Status Register (DR6)" 17.2.3).
 */
export const debugStatus = (dr6: bigint, causes: number): bigint =>
  (dr6 & ~BigInt(DR6_BREAKPOINTS)) | BigInt((causes & DR6_CAUSES) >>> 0) | BigInt(DR6_FIXED);

export class DebugUnit {
  /** Whether an enabled breakpoint waits for the fetch of an instruction, for data, for a port. */
  execute = false;
  data = false;
  io = false;
  private breakpoints: readonly Breakpoint[] = [];
  private readonly state: CpuState;

  constructor(state: CpuState) {
    this.state = state;
  }

  /** To be called when DR0 to DR3, DR7 or CR4.DE may have changed; false where nothing was armed before and nothing is now. */
  refresh(): boolean {
    const { state } = this;
    const armedBefore = this.breakpoints.length !== 0;
    this.breakpoints = breakpointsOf(state.low(LAYOUT.dr7), state.get32(LAYOUT.cr4), addressIn(state));
    if (!armedBefore && this.breakpoints.length === 0) return false;
    const waits = (...accesses: readonly BreakpointAccess[]): boolean =>
      this.breakpoints.some((point) => point.enabled && accesses.some((access) => point.accesses.includes(access)));
    this.execute = waits('execute');
    this.data = waits('read', 'write');
    this.io = waits('io');
    return true;
  }

  private enabled(...accesses: readonly BreakpointAccess[]): readonly Breakpoint[] {
    return this.breakpoints.filter(
      (point) => point.enabled && accesses.some((access) => point.accesses.includes(access)),
    );
  }
  /** Where in their pages the instructions lie that breakpoints wait for. */
  get executeOffsets(): ReadonlySet<number> {
    return new Set(this.enabled('execute').map(({ first }) => Number(first & PAGE_MASK)));
  }
  /** Pages of the data that breakpoints wait for. */
  get dataPages(): readonly bigint[] {
    return this.enabled('read', 'write').map(({ first }) => first & ~PAGE_MASK);
  }

  /** DR6.B0 to B3 for an access. */
  conditions(access: BreakpointAccess, address: bigint, bytes: number): number {
    return conditionsAmong(this.breakpoints, { access, address, bytes });
  }
}
