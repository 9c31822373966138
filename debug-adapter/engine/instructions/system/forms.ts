/** How the tables of system instructions are written, and the checks that most of them begin with. */
import type { Cpu, InterceptedInstruction } from '../../cpu/context.ts';
import { CR4 } from '../../cpu/control-bits.ts';
import { GP, GuestFault, raise, UD } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { isNonRoot, isProtected, isVirtual8086 } from '../../cpu/modes.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';

/** One iced `Code` and what it does. */
export type Form = readonly [code: number, meaning: SystemInstruction];

/** The same meaning for several forms. */
export const forms = (codes: readonly number[], meaning: SystemInstruction): readonly Form[] =>
  codes.map((code) => [code, meaning]);

export const undefinedOpcode = (because: string): never => {
  throw new GuestFault(UD, undefined, because);
};

export function requireCpl0(cpu: Cpu): void {
  if (cpu.state.cpl !== 0) raise(GP, 0, 'privileged instruction above CPL 0');
}

/** Instructions that do not exist in real-address and virtual-8086 mode. */
export function requireProtectedMode(cpu: Cpu): void {
  if (!isProtected(cpu.state) || isVirtual8086(cpu.state)) undefinedOpcode('not recognised outside protected mode');
}

/** SGDT, SIDT, SLDT, STR and SMSW under CR4.UMIP. */
export function checkUmip(cpu: Cpu): void {
  if (cpu.state.cpl !== 0 && (cpu.state.get32(LAYOUT.cr4) & CR4.UMIP) !== 0)
    raise(GP, 0, 'user-mode instruction prevention (CR4.UMIP)');
}

/** Asks for a VM exit in VMX non-root operation; returns where there is none. */
export function intercept(cpu: Cpu, what: InterceptedInstruction, instruction: DecodedInstruction): void {
  if (isNonRoot(cpu.state)) cpu.intercepts.instruction(what, instruction);
}

/** Nothing at all: caches, ordering and hints have no visible effect in this machine. */
export const nothing: SystemInstruction = () => {};
