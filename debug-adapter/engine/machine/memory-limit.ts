/** How much guest memory a machine can have. */
import { EXTENDED_MEMORY } from '../base/memory-map.ts';
import { engineMap } from '../execution/engine-memory.ts';
import { GUEST_BASE } from '../hypervisor/host-layout.ts';
import { PAGE_BYTES } from '../memory/physical.ts';

/** A WebAssembly memory has at most 2^16 pages (WebAssembly Core Specification, "Memory Types"). */
const MAX_WASM_PAGES = 65_536;
const MIB = 1024 ** 2;

/** Frames that a machine needs: the guest's memory, the firmware's below 1 MiB, and the built-in hypervisor's. */
export const machineFrames = (memoryBytes: number): number =>
  Math.ceil((memoryBytes + EXTENDED_MEMORY + GUEST_BASE) / PAGE_BYTES);

/** The most `MachineOptions.memoryBytes` may be, in whole MiB: guest memory and the engine's tables share one memory. */
export const MAX_MEMORY_BYTES = ((): number => {
  let most = 4096 * MIB;
  while (engineMap(machineFrames(most)).wasmPages > MAX_WASM_PAGES) most -= MIB;
  return most;
})();
