/** LDMXCSR, STMXCSR, VZEROUPPER, VZEROALL; MOVNTI and the fences, which need no vector state. */
import { GP, GuestFault } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { codeByName } from '../../isa/codes.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { requireAvx, requireSse } from './gates.ts';
import { MXCSR_MASK } from '../../cpu/xsave.ts';
import { VECTOR_BYTES } from './vector.ts';

const loadMxcsr =
  (vex: boolean): SystemInstruction =>
  (cpu, instruction) => {
    if (vex) requireAvx(cpu);
    else requireSse(cpu);
    const value = Number(cpu.readOperand(instruction, 0, 4));
    if ((value & ~MXCSR_MASK) !== 0) throw new GuestFault(GP, 0, 'reserved MXCSR bits');
    cpu.state.set32(LAYOUT.mxcsr, value);
  };
const storeMxcsr =
  (vex: boolean): SystemInstruction =>
  (cpu, instruction) => {
    if (vex) requireAvx(cpu);
    else requireSse(cpu);
    cpu.writeOperand(instruction, 0, 4, BigInt(cpu.state.get32(LAYOUT.mxcsr)));
  };

/** Clears the bytes from `from` on of the registers that the mode can name. */
const zero =
  (from: 0 | 16): SystemInstruction =>
  (cpu) => {
    requireAvx(cpu);
    const { state } = cpu;
    const registers = state.codeBits === 64 ? 16 : 8;
    for (let i = 0; i < registers; i++) {
      const at = LAYOUT.vectors + i * VECTOR_BYTES;
      state.words.fill(0, (at + from) >> 2, (at + VECTOR_BYTES) >> 2);
    }
  };

const storeGeneral =
  (bytes: 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    cpu.writeOperand(instruction, 0, bytes, cpu.readOperand(instruction, 1, bytes));
  };
/** Fences whose ModR/M byte names another register field than the assembler's do the same: nothing, accesses are in order. */
const FENCES = Object.fromEntries(
  [
    ['Lfence_E', 9],
    ['Mfence_F', 1],
    ['Sfence_F', 9],
  ].flatMap(([stem, first]) =>
    Array.from(
      { length: 16 - (first as number) },
      (_, i) => `${stem}${((first as number) + i).toString(16).toUpperCase()}`,
    )
      .filter((name) => codeByName(name) !== undefined)
      .map((name): [string, SystemInstruction] => [name, () => {}]),
  ),
);

/** By the name of the iced `Code`. */
export const STATE_INSTRUCTIONS: Readonly<Record<string, SystemInstruction>> = {
  ...FENCES,
  Movnti_m32_r32: storeGeneral(4),
  Movnti_m64_r64: storeGeneral(8),
  Ldmxcsr_m32: loadMxcsr(false),
  VEX_Vldmxcsr_m32: loadMxcsr(true),
  Stmxcsr_m32: storeMxcsr(false),
  VEX_Vstmxcsr_m32: storeMxcsr(true),
  VEX_Vzeroupper: zero(16),
  VEX_Vzeroall: zero(0),
};
