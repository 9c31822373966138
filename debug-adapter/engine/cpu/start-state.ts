/** What the processor's registers hold when a program starts, whoever starts it: the bare machine or a hypervisor. */
import type { SegmentName } from './layout.ts';
import type { Segment } from './state.ts';

export interface StartState {
  readonly rip: bigint;
  readonly rflags: number;
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI; R8..R15 are 0. */
  readonly general: readonly bigint[];
  readonly segments: Readonly<Record<SegmentName, Segment>>;
  readonly gdtr: { readonly base: bigint; readonly limit: number };
  readonly idtr: { readonly base: bigint; readonly limit: number };
  readonly cr0: number;
  readonly cr3: bigint;
  readonly cr4: number;
  readonly efer: number;
}
