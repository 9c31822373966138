/** Accesses to control and debug registers (SDM Vol. 3C, exit qualifications, tables 27-3 and 27-4), and INVLPG. */
import { GENERAL_REGISTERS } from '../../cpu/registers.ts';
import { unreachable } from '../../base/unreachable.ts';
import { CR0, DR6_BD, DR6_CAUSES, DR6_FIXED, DR7_FIXED, DR7_GD, DR7_WRITABLE } from '../../cpu/control-bits.ts';
import { DB, GP } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import type { HypervisorContext } from '../context.ts';
import {
  CONTROL_REGISTER_FIELDS,
  seenControlRegister,
  writeGuestCr0,
  writeGuestCr3,
  writeGuestCr4,
  type ControlRegisterWrite,
} from '../guest-control-registers.ts';
import { VPID } from '../host-layout.ts';
import { step, type ExitHandler, type HandlerStep } from '../steps.ts';
import { advanceAndResume, faultAndResume } from './common.ts';

const DECODE = step('read the exit qualification', 'Register, direction and operand are in the exit qualification.');

const controlStep = (cr: number, what: string): HandlerStep =>
  step(`write CR${cr}`, what, { vmcs: CONTROL_REGISTER_FIELDS, registers: ['CR8'] });
const WRITE_CR0 = controlStep(
  0,
  'Check the value, keep the bits that the hypervisor owns, show the guest its own in the read shadow, follow PE, PG and LMA.',
);
const WRITE_CR3 = controlStep(3, "Put the value into GUEST_CR3 and drop the guest's cached translations.");
const WRITE_CR4 = controlStep(4, 'Check the value, keep VMXE, show the guest its own value in the read shadow.');
const WRITE_CR8 = controlStep(8, 'Set the task priority; the hypervisor itself does not use it.');
const READ_REGISTER = step('write the general register', "Give the guest the register's value.", {
  registers: GENERAL_REGISTERS,
  vmcs: ['GUEST_RSP'],
});

/** Bits 5:4 of the qualification. */
const ACCESS = { movTo: 0, movFrom: 1, clts: 2, lmsw: 3 } as const;
const LMSW_BITS = CR0.PE | CR0.MP | CR0.EM | CR0.TS;

export const handleCrAccess: ExitHandler = function* (hypervisor, exit) {
  const { guest } = hypervisor;
  yield DECODE;
  const qualification = Number(exit.qualification);
  const cr = qualification & 15;
  const access = (qualification >> 4) & 3;
  const register = (qualification >> 8) & 15;
  if (access === ACCESS.movFrom) {
    yield READ_REGISTER;
    const value = cr === 3 ? guest.read('GUEST_CR3') : hypervisor.cpu.state.get64(LAYOUT.cr8);
    if (guest.code64) guest.setGeneral(register, value);
    else guest.setGeneral32(register, Number(value & 0xffff_ffffn));
    yield* advanceAndResume(hypervisor);
    return;
  }
  yield stepFor(cr);
  const outcome =
    access === ACCESS.movTo
      ? writeControlRegister(hypervisor, cr, operand(hypervisor, register))
      : writeGuestCr0(hypervisor, changedMachineStatus(hypervisor, access, (qualification >> 16) & 0xffff));
  if (outcome === 'refused') yield* faultAndResume(hypervisor, GP);
  else yield* advanceAndResume(hypervisor);
};

const stepFor = (cr: number): HandlerStep =>
  cr === 0 ? WRITE_CR0 : cr === 3 ? WRITE_CR3 : cr === 4 ? WRITE_CR4 : WRITE_CR8;

/** MOV to and from control and debug registers have 64-bit operands in 64-bit mode, 32-bit ones elsewhere. */
const operand = ({ guest }: HypervisorContext, register: number): bigint =>
  guest.code64 ? guest.general(register) : guest.general(register) & 0xffff_ffffn;

/** CR0 after CLTS or LMSW; LMSW can set PE but not clear it. */
function changedMachineStatus({ guest }: HypervisorContext, access: number, source: number): bigint {
  const old = seenControlRegister(guest, 0);
  const value = access === ACCESS.clts ? old & ~CR0.TS : (old & ~LMSW_BITS) | (source & LMSW_BITS) | (old & CR0.PE);
  return BigInt(value >>> 0);
}

function writeControlRegister(hypervisor: HypervisorContext, cr: number, value: bigint): ControlRegisterWrite {
  switch (cr) {
    case 0:
      return writeGuestCr0(hypervisor, value);
    case 3:
      return writeGuestCr3(hypervisor, value);
    case 4:
      return writeGuestCr4(hypervisor, value);
    case 8:
      if (value >> 4n !== 0n) return 'refused';
      hypervisor.cpu.state.set64(LAYOUT.cr8, value);
      return 'written';
    default:
      throw new Error(`Invariant broken: exit for access to CR${cr}`);
  }
}

type DebugRegister = 0 | 1 | 2 | 3 | 6 | 7;
const DR_AT = { 0: LAYOUT.dr0, 1: LAYOUT.dr1, 2: LAYOUT.dr2, 3: LAYOUT.dr3, 6: LAYOUT.dr6 } as const;

const WRITE_DR = step('write the debug register', 'DR7 is in the VMCS, the others are still in the processor.', {
  vmcs: ['GUEST_DR7'],
  registers: ['DR0', 'DR1', 'DR2', 'DR3', 'DR6'],
});

const GENERAL_DETECT = step('general detect', 'The guest guards its debug registers with DR7.GD: it gets #DB.', {
  vmcs: ['GUEST_DR7'],
  registers: ['DR6'],
});

export const handleDrAccess: ExitHandler = function* (hypervisor, exit) {
  const { guest } = hypervisor;
  yield DECODE;
  const qualification = Number(exit.qualification);
  const register = (qualification >> 8) & 15;
  const dr = debugRegister(qualification & 7);
  const dr7 = guest.low('GUEST_DR7');
  if ((dr7 & DR7_GD) !== 0) {
    // The exit came before the guest's own guard; injecting leaves both registers to us.
    yield GENERAL_DETECT;
    const { state } = hypervisor.cpu;
    state.set64(LAYOUT.dr6, state.get64(LAYOUT.dr6) | BigInt(DR6_BD));
    guest.writeLow('GUEST_DR7', dr7 & ~DR7_GD);
    yield* faultAndResume(hypervisor, DB);
    return;
  }
  if ((qualification & 16) !== 0) {
    yield READ_REGISTER;
    const value = dr === 7 ? guest.read('GUEST_DR7') : hypervisor.cpu.state.get64(DR_AT[dr]);
    if (guest.code64) guest.setGeneral(register, value);
    else guest.setGeneral32(register, Number(value & 0xffff_ffffn));
    yield* advanceAndResume(hypervisor);
    return;
  }
  yield WRITE_DR;
  if (writeDebugRegister(hypervisor, dr, operand(hypervisor, register)) === 'refused')
    yield* faultAndResume(hypervisor, GP);
  else yield* advanceAndResume(hypervisor);
};

/** DR4 and DR5 are DR6 and DR7 while CR4.DE is 0; with DE the processor raises #UD before the exit. */
function debugRegister(number: number): DebugRegister {
  switch (number) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 6:
    case 7:
      return number;
    case 4:
      return 6;
    default:
      return 7;
  }
}

function writeDebugRegister({ guest, cpu }: HypervisorContext, dr: DebugRegister, value: bigint): ControlRegisterWrite {
  const low = Number(value & 0xffff_ffffn);
  switch (dr) {
    case 0:
    case 1:
    case 2:
    case 3:
      cpu.state.set64(DR_AT[dr], value);
      return 'written';
    case 6:
      if (value >> 32n !== 0n) return 'refused';
      cpu.state.set64(LAYOUT.dr6, BigInt(((low & DR6_CAUSES) | DR6_FIXED) >>> 0));
      return 'written';
    case 7:
      if (value >> 32n !== 0n) return 'refused';
      guest.writeLow('GUEST_DR7', (low & DR7_WRITABLE) | DR7_FIXED);
      return 'written';
    default:
      return unreachable(dr, 'debug register');
  }
}

const INVALIDATE = step('INVVPID', "Drop the guest's cached translations: more than the one page, as INVVPID may.");

export const handleInvlpg: ExitHandler = function* (hypervisor) {
  yield INVALIDATE;
  hypervisor.vmx.invvpidSingle(VPID);
  yield* advanceAndResume(hypervisor);
};
