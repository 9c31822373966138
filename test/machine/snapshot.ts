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

const processorSnapshot = ({ inspect }: Machine, cpu: number) => ({
  registers: Object.fromEntries(REGISTER_NAMES.map((name) => [name, inspect.register(cpu, name)])),
  segments: inspect.segments(cpu),
  mode: inspect.mode(cpu),
  vmcs: inspect.vmcs(cpu),
});

export const snapshot = (machine: Machine) => ({
  processors: Array.from({ length: machine.cpuCount }, (_, cpu) => processorSnapshot(machine, cpu)),
  memory: memoryDigest(machine),
  devices: machine.inspect.devices(),
  exits: [...machine.exits],
  exitCounts: [...machine.exitCounts],
  handler: machine.handler,
  instructionsRetired: machine.instructionsRetired,
});
