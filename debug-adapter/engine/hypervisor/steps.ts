/**
 * The vocabulary of exit handlers. A handler is a generator: it yields a step, and the code behind that `yield` performs it.
 * So whoever runs it can stop between any two steps, and each change appears only after its own step.
 */
import type { RegisterName } from '../cpu/registers.ts';
import type { VmExit, VmcsFieldKey } from '../vmx/types.ts';
import type { HypervisorContext } from './context.ts';

/** One named step and what it may touch. */
export interface HandlerStep {
  readonly name: string;
  /** One sentence for the stack frame and the stop description. */
  readonly describes: string;
  readonly touches: {
    readonly vmcs: readonly VmcsFieldKey[];
    readonly registers: readonly RegisterName[];
    /** Areas of memory and devices in words; see `TOUCHED_MEMORY`. */
    readonly memory: readonly string[];
  };
}

/** Names used in `touches.memory`. */
export const TOUCHED_MEMORY = {
  ept: 'EPT tables',
  guest: 'guest memory',
  host: 'host tables',
  regions: 'VMXON and VMCS regions',
  bitmaps: 'I/O and MSR bitmaps',
  devices: 'devices',
} as const;

/** Why a step could not complete: it is still the next one. */
export type Interruption =
  /** Nothing to do until a device raises an interrupt: time has to pass, then the step is to be performed again. */
  | { readonly kind: 'wait' }
  /** The guest is halted and nothing can wake it. */
  | { readonly kind: 'halted'; readonly because: string }
  | { readonly kind: 'triple-fault' }
  /** The VM entry failed; the processor has reported why. Performing the step again tries again. */
  | { readonly kind: 'entry-failed' };

/** What an exit handler yields. */
export type Handler = Generator<HandlerStep | Interruption, void, void>;
export type ExitHandler = (hypervisor: HypervisorContext, exit: VmExit) => Handler;

export const isInterruption = (yielded: HandlerStep | Interruption): yielded is Interruption => 'kind' in yielded;

interface Touches {
  readonly vmcs?: readonly VmcsFieldKey[];
  readonly registers?: readonly RegisterName[];
  readonly memory?: readonly string[];
}

/** A step as handlers write it down, once, at module level. */
export function step(name: string, describes: string, touches: Touches = {}): HandlerStep {
  const { vmcs = [], registers = [], memory = [] } = touches;
  return { name, describes, touches: { vmcs, registers, memory } };
}

export const WAIT: Interruption = { kind: 'wait' };
export const TRIPLE_FAULT: Interruption = { kind: 'triple-fault' };
export const ENTRY_FAILED: Interruption = { kind: 'entry-failed' };
