/** One processor of a machine with everything that is its own. */
import type { Processor } from '../cpu/cpu.ts';
import { ACTIVITY } from '../cpu/control-bits.ts';
import { LAYOUT } from '../cpu/layout.ts';
import type { CpuState } from '../cpu/state.ts';
import type { Executor } from '../execution/executor.ts';
import type { Vmx } from '../vmx/index.ts';

export class ProcessorUnit {
  readonly index: number;
  readonly state: CpuState;
  cpu!: Processor;
  vmx!: Vmx;
  executor!: Executor;
  /** Ticks that passed while it was halted or paused. */
  idleTicks = 0;
  /** Tick at which a device wants attention; 0: to be found out. */
  due = 0;
  /** It has executed PAUSE. */
  paused = false;

  constructor(state: CpuState) {
    this.index = state.index;
    this.state = state;
  }

  /** Once there is a board to build them on. */
  plug(cpu: Processor, vmx: Vmx, executor: Executor): void {
    this.cpu = cpu;
    this.vmx = vmx;
    this.executor = executor;
  }

  /** Its time, in ticks since power-on: instructions retired, and time spent waiting. */
  get now(): number {
    return this.state.retired + this.idleTicks;
  }

  get active(): boolean {
    return this.state.get32(LAYOUT.activity) === ACTIVITY.active;
  }
}
