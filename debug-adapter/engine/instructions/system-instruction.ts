/** Instructions whose meaning is TypeScript: rare, privileged or table-walking. Both tiers call the same function. */
import type { Cpu } from '../cpu/context.ts';
import type { DecodedInstruction } from '../isa/decode.ts';

/**
 * Executes one instruction. On entry `cpu.state.rip` is its address and `cpu.nextRip` the one behind it; a branch calls
 * `cpu.setNextRip`. Returning commits: RIP becomes `nextRip`. Throws `GuestFault` (nothing committed), `VmExitTaken` or `MachineStop`.
 */
export type SystemInstruction = (cpu: Cpu, instruction: DecodedInstruction) => void;
