/** IN, OUT, INS, OUTS (SDM Vol. 3C, exit qualification for I/O instructions, table 27-5). */
import type { AddressedAccess } from '../../cpu/debug-unit.ts';
import { GENERAL_REGISTERS } from '../../cpu/registers.ts';
import { DF } from '../../cpu/flags.ts';
import { LAYOUT, SEGMENT_NAMES, type SegmentName } from '../../cpu/layout.ts';
import type { VmExit } from '../../vmx/types.ts';
import type { HypervisorContext } from '../context.ts';
import { isFault } from '../guest-memory.ts';
import { step, TOUCHED_MEMORY, type ExitHandler, type Handler } from '../steps.ts';
import { advanceAndResume, faultAndResume, resumeGuest } from './common.ts';

const RAX = 0;
const RCX = 1;
const RSI = 6;
const RDI = 7;

/** One port access as the qualification describes it. */
interface PortAccess {
  readonly port: number;
  readonly bytes: 1 | 2 | 4;
  readonly direction: 'in' | 'out';
  readonly string: boolean;
  readonly rep: boolean;
}

function portAccess(qualification: number): PortAccess {
  return {
    port: qualification >>> 16,
    bytes: ((qualification & 7) + 1) as 1 | 2 | 4,
    direction: (qualification & 8) !== 0 ? 'in' : 'out',
    string: (qualification & 16) !== 0,
    rep: (qualification & 32) !== 0,
  };
}

const DECODE = step(
  'read the exit qualification',
  'Port, width and direction of the access are in the exit qualification.',
);
const READ_PORT = step('read from the port', 'Have the device behind the port answer.', {
  memory: [TOUCHED_MEMORY.devices],
});
const WRITE_RAX = step('write RAX', 'Put the value into AL, AX or EAX.', { registers: ['RAX'] });
const WRITE_PORT = step('write to the port', 'Give the device behind the port the value of AL, AX or EAX.', {
  memory: [TOUCHED_MEMORY.devices],
});
const CALL_FIRMWARE = step(
  'call the firmware',
  "The port belongs to the firmware: it serves the call from the guest's registers.",
  {
    registers: GENERAL_REGISTERS.filter((name) => name !== 'RSP'),
    vmcs: ['GUEST_DS_SELECTOR', 'GUEST_DS_BASE', 'GUEST_ES_SELECTOR', 'GUEST_ES_BASE'],
    memory: [TOUCHED_MEMORY.guest, TOUCHED_MEMORY.devices],
  },
);

export const handleIoInstruction: ExitHandler = function* (hypervisor, exit) {
  yield DECODE;
  const access = portAccess(Number(exit.qualification));
  if (access.string) yield* stringAccess(hypervisor, exit, access);
  else if (access.direction === 'in') yield* input(hypervisor, access);
  else yield* output(hypervisor, access);
};

function* input(hypervisor: HypervisorContext, access: PortAccess): Handler {
  const { port, bytes } = access;
  yield READ_PORT;
  const value = hypervisor.ports.read(port, bytes);
  yield WRITE_RAX;
  hypervisor.guest.mergeGeneral(RAX, bytes, value);
  yield* advanceAndResume(hypervisor, [ofPort(access)]);
}

function* output(hypervisor: HypervisorContext, access: PortAccess): Handler {
  const { port, bytes } = access;
  yield port === hypervisor.firmwarePort ? CALL_FIRMWARE : WRITE_PORT;
  hypervisor.ports.write(port, bytes, truncated(hypervisor.cpu.state.gpr32(RAX), bytes));
  yield* advanceAndResume(hypervisor, [ofPort(access)]);
}

const ofPort = ({ port, bytes }: PortAccess): AddressedAccess => ({ access: 'io', address: BigInt(port), bytes });

const truncated = (value: number, bytes: 1 | 2 | 4): number =>
  bytes === 4 ? value : value & (bytes === 2 ? 0xffff : 0xff);

const LOCATE = step(
  'find the string element',
  "Translate its linear address with the guest's segments and page tables.",
  {
    memory: [TOUCHED_MEMORY.ept, TOUCHED_MEMORY.guest],
  },
);
const LOAD = step('load the element', 'Read the string element from guest memory.');
const STORE = step('store the element', 'Write the string element into guest memory.', {
  memory: [TOUCHED_MEMORY.guest],
});
const WRITE_ELEMENT = step('write to the port', 'Give the device behind the port the element.', {
  memory: [TOUCHED_MEMORY.devices],
});
const MOVE_OUTS = step('move RSI', 'Move RSI to the next element and count RCX down under REP.', {
  registers: ['RSI', 'RCX'],
});
const MOVE_INS = step('move RDI', 'Move RDI to the next element and count RCX down under REP.', {
  registers: ['RDI', 'RCX'],
});
const REPEAT = step(
  'stay on the instruction',
  'RCX is not 0 yet: the guest executes the instruction again for the next element.',
  {
    vmcs: ['GUEST_PENDING_DEBUG'],
  },
);

/** Instruction information of INS and OUTS (table 27-8). */
function stringOperand(
  information: number,
  direction: 'in' | 'out',
): { readonly bits: 16 | 32 | 64; readonly segment: SegmentName } {
  const bits = ([16, 32, 64] as const)[(information >> 7) & 7];
  const segment = direction === 'in' ? 'ES' : SEGMENT_NAMES[(information >> 15) & 7];
  if (bits === undefined || segment === undefined)
    throw new Error('Invariant broken: instruction information of INS or OUTS');
  return { bits, segment };
}

/** One element for each exit, so that interrupts and single steps come between elements as they do on the processor. */
function* stringAccess(hypervisor: HypervisorContext, exit: VmExit, access: PortAccess): Handler {
  const { guest, memory, ports } = hypervisor;
  const { bytes, direction, port } = access;
  const { bits, segment } = stringOperand(guest.low('EXIT_INSTR_INFO'), direction);
  const pointer = direction === 'in' ? RDI : RSI;
  const count = BigInt.asUintN(bits, guest.general(RCX));
  if (access.rep && count === 0n) {
    yield* advanceAndResume(hypervisor);
    return;
  }
  yield LOCATE;
  const offset = BigInt.asUintN(bits, guest.general(pointer));
  const element = memory.locate(segment, offset, exit.guestLinear, bytes, direction === 'in' ? 'write' : 'read');
  if (isFault(element)) {
    const { vector, errorCode, linear } = element;
    yield* faultAndResume(hypervisor, vector, errorCode, () => {
      if (linear !== undefined) hypervisor.cpu.state.set64(LAYOUT.cr2, linear);
    });
    return;
  }
  if (direction === 'in') {
    yield READ_PORT;
    const value = ports.read(port, bytes);
    yield STORE;
    memory.writeBytes(element, value);
    hypervisor.cpu.accessed?.(exit.guestLinear, bytes, 'write');
  } else {
    yield LOAD;
    const value = memory.readBytes(element);
    hypervisor.cpu.accessed?.(exit.guestLinear, bytes, 'read');
    yield WRITE_ELEMENT;
    ports.write(port, bytes, value);
  }
  const accesses: readonly AddressedAccess[] = [
    ofPort(access),
    { access: direction === 'in' ? 'write' : 'read', address: exit.guestLinear, bytes },
  ];
  yield direction === 'in' ? MOVE_INS : MOVE_OUTS;
  const stride = BigInt((guest.flags & DF) !== 0 ? -bytes : bytes);
  writeAddress(hypervisor, pointer, bits, offset + stride);
  if (access.rep) writeAddress(hypervisor, RCX, bits, count - 1n);
  if (access.rep && count !== 1n) {
    yield REPEAT;
    guest.trapIfSingleStepping();
    guest.meetBreakpoints(accesses);
    yield* resumeGuest(hypervisor);
  } else yield* advanceAndResume(hypervisor, accesses);
}

/** Writes a register that holds an address or count: 16 bits leave the rest, 32 bits clear the upper half. */
function writeAddress(hypervisor: HypervisorContext, register: number, bits: 16 | 32 | 64, value: bigint): void {
  const { guest } = hypervisor;
  const written = BigInt.asUintN(bits, value);
  guest.setGeneral(register, bits === 16 ? (guest.general(register) & ~0xffffn) | written : written);
}
