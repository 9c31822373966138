/**
 * The guest's registers and memory for host code that answers it in the middle of an exit, in real mode: the firmware.
 * Segment registers and ESP are in the VMCS, the other general registers in the processor.
 */
import type { Guest } from './guest.ts';
import type { GuestMemory } from './guest-memory.ts';

const REGISTER_NUMBER = { eax: 0, ecx: 1, edx: 2, ebx: 3, esp: 4, ebp: 5, esi: 6, edi: 7 } as const;
type RegisterName32 = keyof typeof REGISTER_NUMBER;
type DataSegment = 'ds' | 'es' | 'ss';

const UPPER_HALF = 0xffff_ffff_0000_0000n;
const KEYS = { ds: 'DS', es: 'ES', ss: 'SS' } as const;

export class GuestAccess {
  private readonly guest: Guest;
  private readonly memory: GuestMemory;

  constructor(guest: Guest, memory: GuestMemory) {
    this.guest = guest;
    this.memory = memory;
  }

  /** Low 32 bits, unsigned. */
  register(name: RegisterName32): number {
    return Number(this.guest.general(REGISTER_NUMBER[name]) & 0xffff_ffffn);
  }
  /** Sets the low 32 bits and leaves the others. */
  setRegister(name: RegisterName32, value: number): void {
    const number = REGISTER_NUMBER[name];
    this.guest.setGeneral(number, (this.guest.general(number) & UPPER_HALF) | BigInt(value >>> 0));
  }
  segmentBase(name: DataSegment): number {
    return this.guest.low(`GUEST_${KEYS[name]}_BASE`);
  }
  /** Loads a segment register as real mode does: limit and rights stay. */
  loadSegment(name: 'ds' | 'es', selector: number): void {
    this.guest.writeLow(`GUEST_${KEYS[name]}_SELECTOR`, selector & 0xffff);
    this.guest.writeLow(`GUEST_${KEYS[name]}_BASE`, (selector & 0xffff) << 4);
  }
  /** Guest-physical; fewer bytes where memory ends. */
  readMemory(address: number, bytes: number): Uint8Array {
    return this.memory.peek(address, bytes);
  }
  /** Guest-physical; ROM keeps its contents. */
  writeMemory(address: number, bytes: Uint8Array): void {
    this.memory.write(address, bytes);
  }
}
