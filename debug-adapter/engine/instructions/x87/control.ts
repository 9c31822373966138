/** FINIT FCLEX FLDCW FSTCW FSTSW, the environment, FFREE and the stack pointer, WAIT. */
import { Code } from 'iced-x86';
import { CR0 } from '../../cpu/control-bits.ts';
import { GuestFault, NM } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { BUSY, C1, ERROR_SUMMARY, EXCEPTIONS, initializeX87, setX87Control, STACK_FAULT } from '../../cpu/x87-state.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { forms, type Form } from '../system/forms.ts';
import { loadEnvironment, restoreAll, saveAll, storeEnvironment } from './environment-image.ts';
import { notWaiting, reportPendingX87, stackIndex, waiting, waitingControl, type FpuInstruction } from './fpu.ts';

const clearExceptions: FpuInstruction = (fpu) => fpu.setStatus(EXCEPTIONS | STACK_FAULT | ERROR_SUMMARY | BUSY, 0);

const loadControl: FpuInstruction = ({ cpu, state }, instruction) =>
  setX87Control(state, Number(cpu.readOperand(instruction, 0, 2)));
const storeControl: FpuInstruction = (fpu, instruction) => fpu.cpu.writeOperand(instruction, 0, 2, BigInt(fpu.control));
const storeStatus: FpuInstruction = (fpu, instruction) => fpu.cpu.writeOperand(instruction, 0, 2, BigInt(fpu.status));

const free =
  (pops: 0 | 1): FpuInstruction =>
  (fpu, instruction) => {
    fpu.setStatus(C1, 0);
    fpu.free(stackIndex(instruction.op0Register));
    fpu.pop(pops);
  };
const rotate =
  (by: 1 | -1): FpuInstruction =>
  (fpu) => {
    fpu.setStatus(C1, 0);
    fpu.rotate(by);
  };

/** WAIT looks at CR0.MP and CR0.TS together, and not at CR0.EM (SDM Vol. 3A, "Device-Not-Available Exception" 6.15). */
const wait: SystemInstruction = (cpu) => {
  const both = CR0.MP | CR0.TS;
  if ((cpu.state.get32(LAYOUT.cr0) & both) === both)
    throw new GuestFault(NM, undefined, 'WAIT with CR0.MP and CR0.TS set');
  reportPendingX87(cpu);
};

export const CONTROL: readonly Form[] = [
  [Code.Fninit, notWaiting(({ state }) => initializeX87(state))],
  [Code.Fnclex, notWaiting(clearExceptions)],
  [Code.Fnstcw_m2byte, notWaiting(storeControl)],
  ...forms([Code.Fnstsw_m2byte, Code.Fnstsw_AX], notWaiting(storeStatus)),
  [Code.Fldcw_m2byte, waitingControl(loadControl)],
  [Code.Fnstenv_m14byte, notWaiting(storeEnvironment(2))],
  [Code.Fnstenv_m28byte, notWaiting(storeEnvironment(4))],
  [Code.Fldenv_m14byte, waitingControl(loadEnvironment(2))],
  [Code.Fldenv_m28byte, waitingControl(loadEnvironment(4))],
  [Code.Fnsave_m94byte, notWaiting(saveAll(2))],
  [Code.Fnsave_m108byte, notWaiting(saveAll(4))],
  [Code.Frstor_m94byte, waitingControl(restoreAll(2))],
  [Code.Frstor_m108byte, waitingControl(restoreAll(4))],
  [Code.Ffree_sti, waiting(free(0))],
  [Code.Ffreep_sti, waiting(free(1))],
  [Code.Fincstp, waiting(rotate(1))],
  [Code.Fdecstp, waiting(rotate(-1))],
  [Code.Fnop, waiting(() => {})],
  // Interrupt enables of the 8087 and protected mode of the 80287: accepted and ignored (SDM Vol. 3B, "x87 FPU" 22.18).
  ...forms(
    [Code.Fneni, Code.Fndisi, Code.Fnsetpm],
    notWaiting(() => {}),
  ),
  [Code.Wait, wait],
];
