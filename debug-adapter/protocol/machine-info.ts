/** `hyperstep/machineInfo`: what is running. */
import type { LaunchMode } from './launch.ts';
import type { Hex } from './values.ts';

export interface MachineInfoBody {
  readonly program: string;
  readonly mode: LaunchMode;
  readonly memoryBytes: number;
  readonly instructions: number;
  readonly vmExits: number;
  readonly running: boolean;
  readonly processors: readonly ProcessorInfo[];
  /** Names an address box may offer, sorted by address; at most a thousand. */
  readonly symbols: readonly {
    readonly name: string;
    readonly address: Hex;
    readonly kind: 'code' | 'data' | 'constant';
  }[];
}

export interface ProcessorInfo {
  readonly threadId: number;
  readonly operation: 'real' | 'virtual-8086' | 'protected' | 'compatibility' | '64-bit';
  readonly cpl: number;
  readonly paging: 'off' | '32-bit' | 'PAE' | '4-level' | '5-level';
  readonly vmx: 'off' | 'root' | 'non-root';
  readonly activity: 'active' | 'hlt' | 'shutdown' | 'wait-for-sipi';
  readonly hasVmcs: boolean;
}
