/** MOV, PUSH and POP of segment registers; LDS LES LFS LGS LSS (SDM Vol. 2A and 2B). */
import { Code, OpKind } from 'iced-x86';
import type { SegmentName } from '../../cpu/layout.ts';
import { operandRegister, segmentName, writeRegister } from '../../cpu/operands.ts';
import { Stack } from '../../cpu/stack.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { storeSelector } from './descriptor-tables.ts';
import { farPointer } from './far-transfers.ts';
import { forms, undefinedOpcode, type Form } from './forms.ts';

const moveFrom =
  (bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) =>
    storeSelector(cpu, instruction, bytes, BigInt(cpu.state.selector(segmentName(instruction.op1Register))));

const moveTo: SystemInstruction = (cpu, instruction) => {
  const name = segmentName(instruction.op0Register);
  if (name === 'CS') undefinedOpcode('MOV to CS');
  const selector = Number(cpu.readOperand(instruction, 1, 2));
  cpu.loadSegment(name, selector);
  if (name === 'SS') cpu.blockInterrupts('MOV SS');
};

/** With a 32-bit operand only the low half of the stack slot is written, as processors do (SDM Vol. 2B, "PUSH"). */
const push =
  (name: SegmentName, bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu) => {
    const stack = Stack.current(cpu);
    stack.pushSelector(bytes, cpu.state.selector(name));
    stack.commit();
  };

const pop =
  (name: SegmentName, bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu) => {
    const stack = Stack.current(cpu);
    const selector = Number(stack.pop(bytes) & 0xffffn);
    cpu.loadSegment(name, selector);
    stack.commit();
    if (name === 'SS') cpu.blockInterrupts('MOV SS');
  };

const loadFar =
  (name: SegmentName, bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    if (instruction.op1Kind !== OpKind.Memory) undefinedOpcode('far pointer in a register');
    const { selector, offset } = farPointer(cpu, instruction, 1, bytes);
    cpu.loadSegment(name, selector);
    writeRegister(cpu.state, operandRegister(instruction, 0), offset);
  };

export const SEGMENT_REGISTERS: readonly Form[] = [
  [Code.Mov_rm16_Sreg, moveFrom(2)],
  [Code.Mov_r32m16_Sreg, moveFrom(4)],
  [Code.Mov_r64m16_Sreg, moveFrom(8)],
  ...forms([Code.Mov_Sreg_rm16, Code.Mov_Sreg_r32m16, Code.Mov_Sreg_r64m16], moveTo),
  [Code.Pushw_ES, push('ES', 2)],
  [Code.Pushd_ES, push('ES', 4)],
  [Code.Pushw_CS, push('CS', 2)],
  [Code.Pushd_CS, push('CS', 4)],
  [Code.Pushw_SS, push('SS', 2)],
  [Code.Pushd_SS, push('SS', 4)],
  [Code.Pushw_DS, push('DS', 2)],
  [Code.Pushd_DS, push('DS', 4)],
  [Code.Pushw_FS, push('FS', 2)],
  [Code.Pushd_FS, push('FS', 4)],
  [Code.Pushq_FS, push('FS', 8)],
  [Code.Pushw_GS, push('GS', 2)],
  [Code.Pushd_GS, push('GS', 4)],
  [Code.Pushq_GS, push('GS', 8)],
  [Code.Popw_ES, pop('ES', 2)],
  [Code.Popd_ES, pop('ES', 4)],
  [Code.Popw_SS, pop('SS', 2)],
  [Code.Popd_SS, pop('SS', 4)],
  [Code.Popw_DS, pop('DS', 2)],
  [Code.Popd_DS, pop('DS', 4)],
  [Code.Popw_FS, pop('FS', 2)],
  [Code.Popd_FS, pop('FS', 4)],
  [Code.Popq_FS, pop('FS', 8)],
  [Code.Popw_GS, pop('GS', 2)],
  [Code.Popd_GS, pop('GS', 4)],
  [Code.Popq_GS, pop('GS', 8)],
  [Code.Les_r16_m1616, loadFar('ES', 2)],
  [Code.Les_r32_m1632, loadFar('ES', 4)],
  [Code.Lds_r16_m1616, loadFar('DS', 2)],
  [Code.Lds_r32_m1632, loadFar('DS', 4)],
  [Code.Lss_r16_m1616, loadFar('SS', 2)],
  [Code.Lss_r32_m1632, loadFar('SS', 4)],
  [Code.Lss_r64_m1664, loadFar('SS', 8)],
  [Code.Lfs_r16_m1616, loadFar('FS', 2)],
  [Code.Lfs_r32_m1632, loadFar('FS', 4)],
  [Code.Lfs_r64_m1664, loadFar('FS', 8)],
  [Code.Lgs_r16_m1616, loadFar('GS', 2)],
  [Code.Lgs_r32_m1632, loadFar('GS', 4)],
  [Code.Lgs_r64_m1664, loadFar('GS', 8)],
];
