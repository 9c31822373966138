/** Events beyond the Debug Adapter Protocol. */
import type { ExitCount, ExitRow } from './exits.ts';

/** Why the machine stopped, by the engine's kinds; `entry` is the stop before the first instruction. */
export type StopKind =
  | 'entry'
  | 'step'
  | 'pause'
  | 'breakpoint'
  | 'watchpoint'
  | 'vm-exit'
  | 'handler-step'
  | 'exception'
  | 'vm-entry-failure'
  | 'triple-fault'
  | 'unimplemented'
  | 'nowhere'
  | 'halted'
  | 'power-off';

export interface StoppedBody {
  readonly threadId: number;
  readonly kind: StopKind;
  readonly instructions: number;
  /** The exit that stopped it, or whose handler is running. */
  readonly exit?: ExitRow;
  /** Step of the built-in hypervisor's handler that runs next. */
  readonly handlerStep?: string;
  readonly exits: { readonly total: number; readonly counts: readonly ExitCount[] };
}

export interface CustomEvents {
  /** Sent before the protocol's own `stopped` event: a view that refreshes on either shows the same machine. */
  'hyperstep/stopped': StoppedBody;
  /** The machine runs again: what views show may be out of date. */
  'hyperstep/resumed': { readonly threadId: number };
}
