/** Everything of a machine that can be seen from outside, for comparing two of them. */
import { createHash } from 'node:crypto';
import { REGISTER_NAMES, type Machine } from '../../debug-adapter/engine/index.ts';

const PIECE = 1 << 20;

/** A digest of memory from 0 to the first address where there is none; untouched memory reads as zero. */
function memoryDigest(machine: Machine): string {
  const hash = createHash('sha256');
  for (let at = 0n; ; at += BigInt(PIECE)) {
    const bytes = machine.inspect.readMemory('host-physical', at, PIECE, 0);
    hash.update(bytes);
    if (bytes.length < PIECE) return hash.digest('hex');
  }
}

export const snapshot = (machine: Machine) => ({
  registers: Object.fromEntries(REGISTER_NAMES.map((name) => [name, machine.inspect.register(0, name)])),
  segments: machine.inspect.segments(0),
  mode: machine.inspect.mode(0),
  memory: memoryDigest(machine),
  vmcs: machine.inspect.vmcs(0),
  devices: machine.inspect.devices(),
  exits: [...machine.exits],
  exitCounts: [...machine.exitCounts],
  handler: machine.handler,
  instructionsRetired: machine.instructionsRetired,
});
