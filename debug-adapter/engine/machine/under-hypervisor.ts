/** A guest under the built-in hypervisor, as the machine steps it. */
import { LAYOUT } from '../cpu/layout.ts';
import type { StartState } from '../cpu/start-state.ts';
import type { CpuState } from '../cpu/state.ts';
import type { Power } from './power.ts';
import type { HandlerState, VmExitRecord } from './types.ts';

export class GuestUnderHypervisor {
  constructor(_power: Power, _memoryBytes: number, _start: StartState) {
    throw new Error('hypervisor pending');
  }
  get handler(): HandlerState | undefined {
    return undefined;
  }
  begin(_record: VmExitRecord): void {}
  step(): 'waits' | 'done' {
    return 'done';
  }
  finish(): 'waits' | 'done' {
    return 'done';
  }
  guestState(): CpuState | undefined {
    return undefined;
  }
  keepGuestState(_s: CpuState): void {}
}
void LAYOUT;
