/** Registers and memory of the processor that called the firmware, in the middle of a stub's OUT in real mode. */
import { LAYOUT } from '../cpu/layout.ts';
import type { CpuState } from '../cpu/state.ts';
import type { GuestAccess } from '../hypervisor/guest-access.ts';
import type { FirmwareContext, FirmwareRegister } from '../loader/firmware/context.ts';
import type { PhysicalMemory } from '../memory/physical.ts';

const REGISTER_NUMBER: { readonly [R in FirmwareRegister]: number } = {
  eax: 0,
  ecx: 1,
  edx: 2,
  ebx: 3,
  esp: 4,
  ebp: 5,
  esi: 6,
  edi: 7,
};
const SEGMENT = { ds: 'DS', es: 'ES', ss: 'SS' } as const;

type CallerAccess = Pick<
  FirmwareContext,
  'register' | 'setRegister' | 'segmentBase' | 'loadSegment' | 'readMemory' | 'writeMemory'
>;

/** The bare machine: the caller is the processor. */
export const processorAccess = (state: CpuState, physical: PhysicalMemory): CallerAccess => ({
  register: (register) => state.gpr32(REGISTER_NUMBER[register]),
  setRegister(register, value) {
    state.words[(LAYOUT.gpr >> 2) + REGISTER_NUMBER[register] * 2] = value;
  },
  segmentBase: (segment) => Number(state.segmentBase(SEGMENT[segment])),
  loadSegment(segment, selector) {
    const name = SEGMENT[segment];
    state.setSegment(name, { ...state.segment(name), selector, base: BigInt(selector) << 4n });
  },
  readMemory: (address, bytes) => physical.peek(address, bytes),
  writeMemory(address, bytes) {
    physical.poke(address, bytes);
  },
});

/** Under the built-in hypervisor: the caller is its guest, whose state is in the VMCS. */
export const guestAccessOf = (guest: GuestAccess): CallerAccess => ({
  register: (register) => guest.register(register),
  setRegister: (register, value) => guest.setRegister(register, value),
  segmentBase: (segment) => guest.segmentBase(segment),
  loadSegment: (segment, selector) => guest.loadSegment(segment, selector),
  readMemory: (address, bytes) => guest.readMemory(address, bytes),
  writeMemory: (address, bytes) => guest.writeMemory(address, bytes),
});
