/** Memory for tests of walks: a pool with RAM from 0, and tables written by hand. */
import {
  newPagingRegisters,
  type PagingFacts,
  type PagingRegisters,
} from '../../debug-adapter/engine/memory/paging.ts';
import { PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';

const FACTS: PagingFacts = { physicalBits: 40, pse36: true, gigabytePages: true };

export interface TestMemory {
  readonly physical: PhysicalMemory;
  readonly registers: PagingRegisters;
  /** Writes a little-endian entry of 4 or 8 bytes. */
  entry(address: number, value: bigint, bytes?: 4 | 8): void;
  read(address: number, bytes?: 4 | 8): bigint;
}

/** 4 MiB of RAM at 0 unless told otherwise. */
export function testMemory(pages = 1024): TestMemory {
  const memory = new WebAssembly.Memory({ initial: Math.ceil((pages * 4096) / 65536) });
  const nothing = {
    read: (address: number): number => {
      throw new Error(`device read at ${address.toString(16)}`);
    },
    write: (): void => {},
  };
  const physical = new PhysicalMemory(memory, 0, pages, 0x10_0000, nothing);
  physical.setPages(0, pages, 'ram');
  return {
    physical,
    registers: newPagingRegisters(FACTS),
    entry(address, value, bytes = 8) {
      if (bytes === 8) physical.write64(address, value);
      else physical.write(address, 4, Number(value));
    },
    read: (address, bytes = 8) => (bytes === 8 ? physical.read64(address) : BigInt(physical.read(address, 4))),
  };
}
