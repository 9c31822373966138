/** RDRAND RDSEED RDPID, MONITOR MWAIT, cache line write-backs, and the opcodes that are NOPs until a feature gives them a meaning. */
import { Code, Register } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { ARITHMETIC_FLAGS, CF } from '../../cpu/flags.ts';
import { GP, raise } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { linearAddress, segmentName } from '../../cpu/operands.ts';
import { codeByName } from '../../isa/codes.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { forms, intercept, nothing, undefinedOpcode, type Form } from './forms.ts';

const RAX = 0;
const RCX = 1;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** Marsaglia's xorshift with the multiplication of Vigna's xorshift64*: full period, no bad seeds but zero. */
function nextRandom(cpu: Cpu): bigint {
  let x = cpu.state.get64(LAYOUT.random);
  x ^= x >> 12n;
  x ^= (x << 25n) & MASK_64;
  x ^= x >> 27n;
  cpu.state.set64(LAYOUT.random, x);
  return (x * 0x2545_f491_4f6c_dd1dn) & MASK_64;
}

/** There is always a number ready: CF is set, the other five flags are cleared (SDM Vol. 2B, "RDRAND" and "RDSEED"). */
const random =
  (kind: 'rdrand' | 'rdseed', bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    intercept(cpu, { kind }, instruction);
    cpu.writeOperand(instruction, 0, bytes, BigInt.asUintN(bytes * 8, nextRandom(cpu)));
    cpu.state.rflags = (cpu.state.rflags & ~ARITHMETIC_FLAGS) | CF;
  };

/** SDM Vol. 2B, "RDPID—Read Processor ID". */
const readProcessorId =
  (bytes: 4 | 8): SystemInstruction =>
  (cpu, instruction) =>
    cpu.writeOperand(instruction, 0, bytes, cpu.state.get64(LAYOUT.tscAux));

/**
 * Reads its byte at DS:rAX, so that faults appear; nothing need be armed, as MWAIT never waits (SDM Vol. 2B, "MONITOR—Set Up
 * Monitor Address"). The address is no operand that the decoder knows of.
 */
const monitor =
  (addressBytes: 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    const { state } = cpu;
    if (state.cpl !== 0) undefinedOpcode('MONITOR above CPL 0');
    intercept(cpu, { kind: 'monitor' }, instruction);
    if (state.gpr32(RCX) !== 0) raise(GP, 0, 'MONITOR with extensions in ECX');
    const { segmentPrefix } = instruction;
    const segment = segmentPrefix === Register.None ? 'DS' : segmentName(segmentPrefix);
    cpu.readLinear(linearAddress(state, segment, BigInt.asUintN(8 * addressBytes, state.gpr(RAX)), 1, 'read'), 1);
  };

/** Waits no longer than PAUSE does, which is one of the ways in which a processor may leave the wait (SDM Vol. 2B, "MWAIT—Monitor Wait"). */
const mwait: SystemInstruction = (cpu, instruction) => {
  if (cpu.state.cpl !== 0) undefinedOpcode('MWAIT above CPL 0');
  intercept(cpu, { kind: 'mwait' }, instruction);
  if (cpu.state.gpr32(RCX) !== 0) raise(GP, 0, 'MWAIT with extensions in ECX');
  cpu.pause();
};

/** Touches its line as a read does. */
const touchLine: SystemInstruction = (cpu, instruction) => void cpu.readOperand(instruction, 0, 1);

/** Memory is not accessed (SDM Vol. 2B, "NOP"; appendix A.3, opcodes 0F0D and 0F18 to 0F1F). */
const RESERVED_NOPS: readonly number[] = [
  ...['0D', '18', '19', '1A', '1B', '1C', '1D', '1E', '1F'].flatMap((opcode) =>
    [16, 32, 64].map((bits) => codeByName(`Reservednop_rm${bits}_r${bits}_0F${opcode}`)!),
  ),
  ...[3, 4, 5, 6, 7].map((reg) => codeByName(`Prefetchreserved${reg}_m8`)!),
  Code.Cldemote_m8,
  Code.Prefetchit0_m8,
  Code.Prefetchit1_m8,
  // Without shadow stacks they are among the reserved NOPs.
  Code.Rdsspd_r32,
  Code.Rdsspq_r64,
];

/** BSWAP of 16 bits is undefined by the SDM; processors clear the register. */
const swapWord: SystemInstruction = (cpu, instruction) => cpu.writeOperand(instruction, 0, 2, 0n);

export const EXTENSIONS: readonly Form[] = [
  [Code.Rdrand_r16, random('rdrand', 2)],
  [Code.Rdrand_r32, random('rdrand', 4)],
  [Code.Rdrand_r64, random('rdrand', 8)],
  [Code.Rdseed_r16, random('rdseed', 2)],
  [Code.Rdseed_r32, random('rdseed', 4)],
  [Code.Rdseed_r64, random('rdseed', 8)],
  [Code.Rdpid_r32, readProcessorId(4)],
  [Code.Rdpid_r64, readProcessorId(8)],
  [Code.Monitorw, monitor(2)],
  [Code.Monitord, monitor(4)],
  [Code.Monitorq, monitor(8)],
  [Code.Mwait, mwait],
  ...forms([Code.Clflush_m8, Code.Clflushopt_m8, Code.Clwb_m8], touchLine),
  [Code.Bswap_r16, swapWord],
  ...forms(RESERVED_NOPS, nothing),
];
