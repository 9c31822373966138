/** The firmware's view of the processor that called it: real mode, in the middle of a stub's OUT. */
import { LAYOUT } from '../cpu/layout.ts';
import type { CpuState } from '../cpu/state.ts';
import type { FirmwareContext, FirmwareRegister } from '../loader/firmware/context.ts';
import type { PhysicalMemory } from '../memory/physical.ts';
import type { SystemControlA } from '../devices/system-control.ts';

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

export interface FirmwareContextOptions {
  /** Registers and segments of the caller: the processor's own state, or the guest state of a VMCS. */
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  /** Host-physical address of guest-physical 0. */
  readonly guestBase: number;
  readonly systemControlA: SystemControlA;
  readonly teletype: (byte: number) => void;
}

export function firmwareContext(options: FirmwareContextOptions): FirmwareContext {
  const { state, physical, guestBase, systemControlA } = options;
  const name = (segment: 'ds' | 'es' | 'ss') => segment.toUpperCase() as 'DS' | 'ES' | 'SS';
  return {
    register: (register) => state.gpr32(REGISTER_NUMBER[register]),
    setRegister(register, value) {
      state.words[(LAYOUT.gpr >> 2) + REGISTER_NUMBER[register] * 2] = value;
    },
    segmentBase: (segment) => Number(state.segmentBase(name(segment))),
    loadSegment(segment, selector) {
      state.setSegment(name(segment), { ...state.segment(name(segment)), selector, base: BigInt(selector) << 4n });
    },
    readMemory: (address, bytes) => physical.peek(guestBase + address, bytes),
    writeMemory(address, bytes) {
      physical.poke(guestBase + address, bytes);
    },
    get a20() {
      return systemControlA.a20;
    },
    setA20: (on) => systemControlA.setA20(on),
    teletype: options.teletype,
  };
}
