/** Something that can be written: a register or part of one, memory, a VMCS field. */
import type { AddressSpace, Machine, RegisterName, VmcsFieldKey } from '../engine/index.ts';
import { ProcessorView, savedIn, toLittleEndian } from './processor.ts';
import type { StateSource } from './processor.ts';
import type { OperandBytes } from './expression-parser.ts';
import { registerBits } from './register-names.ts';

export type Place =
  | {
      readonly kind: 'register';
      readonly cpu: number;
      readonly source: StateSource;
      readonly register: RegisterName;
      readonly bit: number;
      readonly bits: number;
    }
  | {
      readonly kind: 'memory';
      readonly cpu: number;
      readonly space: AddressSpace;
      readonly address: bigint;
      readonly bytes: OperandBytes;
    }
  | { readonly kind: 'vmcs'; readonly cpu: number; readonly key: VmcsFieldKey };

/** Writes as a debugger does. Returns why not, in one sentence, where the machine could not hold the value. */
export function writePlace(machine: Machine, place: Place, value: bigint): string | undefined {
  switch (place.kind) {
    case 'register':
      return writeRegisterPart(machine, place, value);
    case 'memory': {
      const bytes = toLittleEndian(value, place.bytes);
      if (machine.writeMemory(place.space, place.address, bytes, place.cpu) === bytes.length) return undefined;
      return `There is no ${place.space} memory to write at 0x${place.address.toString(16)}.`;
    }
    case 'vmcs':
      return machine.setVmcsField(place.cpu, place.key, value);
  }
}

function writeRegisterPart(
  machine: Machine,
  { cpu, source, register, bit, bits }: Extract<Place, { kind: 'register' }>,
  value: bigint,
): string | undefined {
  const limit = 1n << BigInt(bits);
  const fits = value < limit || value >= (1n << 64n) - (limit >> 1n);
  if (!fits) return `0x${value.toString(16)} does not fit in ${bits} bit${bits === 1 ? '' : 's'}.`;
  const view = new ProcessorView(machine, cpu, source);
  const mask = (limit - 1n) << BigInt(bit);
  const whole = (view.register(register) & ~mask) | ((value << BigInt(bit)) & mask);
  const next = whole & ((1n << BigInt(registerBits(register))) - 1n);
  // The machine knows where a guest's registers are while its own hypervisor runs; below a guest program's handler we do.
  const saved = source === 'guest' && machine.handler === undefined ? savedIn(register) : undefined;
  return saved === undefined ? machine.setRegister(cpu, register, next) : machine.setVmcsField(cpu, saved, next);
}
