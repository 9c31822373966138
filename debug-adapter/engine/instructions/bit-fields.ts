/** PDEP, PEXT and CRC32: loops over the bits of their operands, in TypeScript. SALC, which is in no manual, with them. */
import { Code } from 'iced-x86';
import { CF } from '../cpu/flags.ts';
import { registerInfo } from '../isa/registers.ts';
import { RAX } from './builder.ts';
import type { SystemInstruction } from './system-instruction.ts';

/** SDM Vol. 2B, "PDEP—Parallel Bits Deposit": the low bits of the source go where the mask has ones. */
function depositBits(source: bigint, mask: bigint): bigint {
  let result = 0n;
  let rest = source;
  for (let left = mask; left !== 0n; left &= left - 1n, rest >>= 1n) if ((rest & 1n) !== 0n) result |= left & -left;
  return result;
}

/** SDM Vol. 2B, "PEXT—Parallel Bits Extract": the bits where the mask has ones, gathered at the low end. */
function extractBits(source: bigint, mask: bigint): bigint {
  let result = 0n;
  let at = 1n;
  for (let left = mask; left !== 0n; left &= left - 1n, at <<= 1n) if ((source & left & -left) !== 0n) result |= at;
  return result;
}

const moveBits =
  (bytes: 4 | 8, move: typeof depositBits): SystemInstruction =>
  (cpu, instruction) => {
    const source = cpu.readOperand(instruction, 1, bytes);
    const mask = cpu.readOperand(instruction, 2, bytes);
    cpu.writeOperand(instruction, 0, bytes, move(source, mask));
  };

/** The polynomial 11EDC6F41h with its bits reflected, as the accumulation over reflected data takes it. */
const CRC32C = 0x82f6_3b78;

/** SDM Vol. 2A, "CRC32—Accumulate CRC32 Value". */
const accumulate =
  (bytes: 1 | 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    const target = registerInfo(instruction.op0Register)!.number;
    let data = cpu.readOperand(instruction, 1, bytes);
    let crc = cpu.state.gpr32(target) | 0;
    for (let i = 0; i < bytes; i++, data >>= 8n) {
      crc ^= Number(data & 0xffn);
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) !== 0 ? CRC32C : 0);
    }
    cpu.state.setGpr(target, BigInt(crc >>> 0));
  };

/** SALC (D6h): AL becomes FFh where CF is set, else 0. Every Intel processor has it outside 64-bit mode; the SDM is silent. */
const setFromCarry: SystemInstruction = (cpu) => {
  const { state } = cpu;
  state.setGpr(RAX, (state.gpr(RAX) & ~0xffn) | ((state.rflags & CF) !== 0 ? 0xffn : 0n));
};

/** By iced `Code`. */
export const BIT_FIELD_INSTRUCTIONS: readonly (readonly [number, SystemInstruction])[] = [
  [Code.VEX_Pdep_r32_r32_rm32, moveBits(4, depositBits)],
  [Code.VEX_Pdep_r64_r64_rm64, moveBits(8, depositBits)],
  [Code.VEX_Pext_r32_r32_rm32, moveBits(4, extractBits)],
  [Code.VEX_Pext_r64_r64_rm64, moveBits(8, extractBits)],
  [Code.Crc32_r32_rm8, accumulate(1)],
  [Code.Crc32_r32_rm16, accumulate(2)],
  [Code.Crc32_r32_rm32, accumulate(4)],
  [Code.Crc32_r64_rm8, accumulate(1)],
  [Code.Crc32_r64_rm64, accumulate(8)],
  [Code.Salc, setFromCarry],
];
