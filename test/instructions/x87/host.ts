/** Cases of x87 instructions, executed by the host processor (host.c) and by our machine, and what differs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { X87_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/x87/index.ts';
import { decode, type DecodedInstruction } from '../../../debug-adapter/engine/isa/decode.ts';
import { CODE, TestMachine } from '../../cpu/harness.ts';

const SOURCE = fileURLToPath(new URL('host.c', import.meta.url));
const IMAGE_BYTES = 108;
const OPERAND_BYTES = 16;
const CODE_BYTES = 16;
const REQUEST_BYTES = IMAGE_BYTES + OPERAND_BYTES + 8 + CODE_BYTES + 8;
const REPLY_BYTES = IMAGE_BYTES + OPERAND_BYTES + 4 + 8;
const ENVIRONMENT_BYTES = 28;
const REGISTER_BYTES = 10;

/** One instruction and what it finds. `registers` are ST(0) to ST(7) as 80-bit numbers. */
export interface Case {
  readonly code: string;
  readonly control: number;
  readonly status: number;
  readonly tags: number;
  readonly registers: readonly bigint[];
  readonly operand: bigint;
  readonly flags: number;
  readonly rcx: bigint;
}

/** What it leaves, `flags` being the arithmetic flags. */
export interface After {
  readonly control: number;
  readonly status: number;
  readonly tags: number;
  readonly registers: readonly bigint[];
  readonly operand: bigint;
  readonly flags: number;
  readonly rcx: bigint;
}

const ARITHMETIC_FLAGS = 0x8d5;
const ALWAYS_SET = 0x202;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

function imageOf({ control, status, tags, registers }: Case): Buffer {
  const image = Buffer.alloc(IMAGE_BYTES);
  image.writeUInt32LE(control, 0);
  image.writeUInt32LE(status, 4);
  image.writeUInt32LE(tags, 8);
  registers.forEach((value, index) => {
    const at = ENVIRONMENT_BYTES + REGISTER_BYTES * index;
    image.writeBigUInt64LE(value & MASK_64, at);
    image.writeUInt16LE(Number(value >> 64n), at + 8);
  });
  return image;
}
const wide = (bytes: Buffer, at: number, count: number): bigint =>
  BigInt(
    `0x${Buffer.from(bytes.subarray(at, at + count))
      .reverse()
      .toString('hex')}`,
  );

function operandOf(value: bigint): Buffer {
  const operand = Buffer.alloc(OPERAND_BYTES);
  operand.writeBigUInt64LE(value & MASK_64, 0);
  operand.writeBigUInt64LE(value >> 64n, 8);
  return operand;
}

function encode(test: Case): Buffer {
  const request = Buffer.alloc(REQUEST_BYTES);
  const code = Buffer.from(test.code.replaceAll(' ', ''), 'hex');
  imageOf(test).copy(request, 0);
  operandOf(test.operand).copy(request, IMAGE_BYTES);
  const rest = IMAGE_BYTES + OPERAND_BYTES;
  request.writeUInt32LE(test.flags | ALWAYS_SET, rest);
  request.writeUInt32LE(code.length, rest + 4);
  code.copy(request, rest + 8);
  request.writeBigUInt64LE(test.rcx, rest + 8 + CODE_BYTES);
  return request;
}

function afterOf(image: Buffer, operand: bigint, flags: number, rcx: bigint): After {
  return {
    control: image.readUInt16LE(0),
    status: image.readUInt16LE(4),
    tags: image.readUInt16LE(8),
    registers: Array.from({ length: 8 }, (_, i) => wide(image, ENVIRONMENT_BYTES + REGISTER_BYTES * i, REGISTER_BYTES)),
    operand,
    flags: flags & ARITHMETIC_FLAGS,
    rcx,
  };
}

/** Executes every case on the host processor. */
export function runOnHost(cases: readonly Case[]): After[] {
  const folder = mkdtempSync(join(tmpdir(), 'hyperstep-x87-'));
  try {
    const program = join(folder, 'host');
    execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-o', program, SOURCE]);
    const output = execFileSync(program, { input: Buffer.concat(cases.map(encode)), maxBuffer: 1 << 30 });
    return cases.map((_, index) => {
      const reply = output.subarray(index * REPLY_BYTES, (index + 1) * REPLY_BYTES);
      const rest = IMAGE_BYTES + OPERAND_BYTES;
      const operand = wide(reply, IMAGE_BYTES, OPERAND_BYTES);
      return afterOf(reply, operand, reply.readUInt32LE(rest), reply.readBigUInt64LE(rest + 4));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const IMAGE_AT = 0x4000;
const OPERAND_AT = 0x5000;
const RCX = 1;
const RSI = 6;
const RDI = 7;
const FRSTOR = 'dd 27';
const FNSAVE = 'dd 37';

/** Our machine, ready to run cases in 64-bit user mode. */
export class OurMachine {
  readonly machine = new TestMachine().longMode(3);
  private readonly decoded = new Map<string, DecodedInstruction>();

  private execute(code: string): void {
    let instruction = this.decoded.get(code);
    if (instruction === undefined) {
      const bytes = Uint8Array.from(Buffer.from(code.replaceAll(' ', ''), 'hex'));
      instruction = decode(bytes, 0, bytes.length, 0n, 64);
      this.decoded.set(code, instruction);
      bytes.forEach((byte, i) => this.machine.write(CODE + i, byte, 1));
    }
    const meaning = X87_INSTRUCTIONS.get(instruction.code);
    if (meaning === undefined) throw new Error(`no meaning for ${code}`);
    const { cpu, state } = this.machine;
    state.rip = BigInt(CODE);
    const bytes = Buffer.from(code.replaceAll(' ', ''), 'hex');
    bytes.forEach((byte, i) => this.machine.physical.write(CODE + i, 1, byte));
    cpu.beginInstruction(instruction.length);
    meaning(cpu, instruction);
  }

  run(test: Case): After {
    const { state } = this.machine;
    const memory = this.machine;
    const image = imageOf(test);
    for (let at = 0; at < IMAGE_BYTES; at += 4) memory.write(IMAGE_AT + at, image.readUInt32LE(at), 4);
    memory.write(OPERAND_AT, test.operand & MASK_64);
    memory.write(OPERAND_AT + 8, test.operand >> 64n);
    state.setGpr(RDI, BigInt(IMAGE_AT));
    state.setGpr(RSI, BigInt(OPERAND_AT));
    state.setGpr(RCX, test.rcx);
    state.rflags = test.flags | ALWAYS_SET;
    this.execute(FRSTOR);
    this.execute(test.code);
    this.execute(FNSAVE);
    const saved = Buffer.alloc(IMAGE_BYTES);
    for (let at = 0; at < IMAGE_BYTES; at += 4) saved.writeUInt32LE(Number(memory.read(IMAGE_AT + at, 4)), at);
    const operand = memory.read(OPERAND_AT) | (memory.read(OPERAND_AT + 8) << 64n);
    return afterOf(saved, operand, state.rflags, state.gpr(RCX));
  }
}

const hex = (value: bigint | number): string => value.toString(16);
/** What differs, one line; undefined where nothing does. */
export function difference(host: After, ours: After): string | undefined {
  const parts: string[] = [];
  const compare = (name: string, a: bigint | number, b: bigint | number): void => {
    if (a !== b) parts.push(`${name} host ${hex(a)} ours ${hex(b)}`);
  };
  compare('control', host.control, ours.control);
  compare('status', host.status, ours.status);
  compare('tags', host.tags, ours.tags);
  host.registers.forEach((value, i) => compare(`st${i}`, value, ours.registers[i]!));
  compare('operand', host.operand, ours.operand);
  compare('flags', host.flags, ours.flags);
  compare('rcx', host.rcx, ours.rcx);
  return parts.length === 0 ? undefined : parts.join(', ');
}

export const describeCase = (test: Case): string =>
  `${test.code} control ${hex(test.control)} status ${hex(test.status)} tags ${hex(test.tags)} ` +
  `st0 ${hex(test.registers[0]!)} st1 ${hex(test.registers[1]!)} st2 ${hex(test.registers[2]!)} operand ${hex(test.operand)}`;
