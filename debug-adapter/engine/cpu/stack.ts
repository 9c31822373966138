/**
 * A stack being pushed to or popped from by one instruction or event: the pointer is committed once, at the end, so that a
 * fault in between leaves RSP as it was. May be another stack than the current one (privilege changes).
 */
import type { Cpu } from './context.ts';
import { GuestFault, SS_FAULT } from './guest-fault.ts';
import { LAYOUT } from './layout.ts';
import { isCanonicalNow } from './modes.ts';
import { ACCESS_RIGHTS, type Segment } from './state.ts';

const RSP = 4;
export const MASK_16 = 0xffffn;
export const MASK_32 = 0xffff_ffffn;
export const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** Mask of the stack pointer that a stack segment selects outside 64-bit mode. */
export const stackMaskOf = (segment: Segment): bigint =>
  (segment.accessRights & ACCESS_RIGHTS.DB) !== 0 ? MASK_32 : MASK_16;

export class Stack {
  pointer: bigint;
  private readonly cpu: Cpu;
  /** Undefined in 64-bit mode: no base, no limit. */
  private readonly segment: Segment | undefined;
  private readonly mask: bigint;
  private readonly privilege: 'current' | 'system';
  private readonly errorCode: number;

  /**
   * @param privilege `system` for the stack of a more privileged level
   * @param errorCode of #SS where the stack has no room
   */
  constructor(
    cpu: Cpu,
    pointer: bigint,
    segment: Segment | undefined,
    mask: bigint,
    privilege: 'current' | 'system' = 'current',
    errorCode = 0,
  ) {
    this.cpu = cpu;
    this.pointer = pointer & mask;
    this.segment = segment;
    this.mask = mask;
    this.privilege = privilege;
    this.errorCode = errorCode;
  }

  /** SS:RSP as they are. */
  static current(cpu: Cpu): Stack {
    const state = cpu.state;
    const segment = state.codeBits === 64 ? undefined : state.segment('SS');
    return new Stack(cpu, state.gpr(RSP), segment, state.get64(LAYOUT.stackMask));
  }

  push(bytes: 2 | 4 | 8, value: bigint): void {
    const pointer = (this.pointer - BigInt(bytes)) & this.mask;
    const linear = this.linear(pointer, bytes);
    if (this.privilege === 'system') this.cpu.writeSystem(linear, bytes, value);
    else this.cpu.writeLinear(linear, bytes, value);
    this.pointer = pointer;
  }

  /** Moves by `bytes` and writes the low 16 bits of the slot only, all of it where it has 8 bytes. */
  pushSelector(bytes: 2 | 4 | 8, selector: number): void {
    if (bytes !== 4) {
      this.push(bytes, BigInt(selector));
      return;
    }
    const pointer = (this.pointer - 4n) & this.mask;
    this.cpu.writeLinear(this.linear(pointer, 2), 2, BigInt(selector));
    this.pointer = pointer;
  }

  /** Raises what writing at the pointer would raise; changes nothing. */
  checkWritable(bytes: 2 | 4 | 8): void {
    this.cpu.checkWritable(this.linear(this.pointer, bytes), bytes);
  }

  pop(bytes: 2 | 4 | 8): bigint {
    const linear = this.linear(this.pointer, bytes);
    const value = this.privilege === 'system' ? this.cpu.readSystem(linear, bytes) : this.cpu.readLinear(linear, bytes);
    this.pointer = (this.pointer + BigInt(bytes)) & this.mask;
    return value;
  }

  /** Moves the pointer over bytes that are not read. */
  skip(bytes: number): void {
    this.pointer = (this.pointer + BigInt(bytes)) & this.mask;
  }

  /** Makes the pointer RSP; bits above a 16-bit pointer stay. */
  commit(): void {
    const state = this.cpu.state;
    state.setGpr(RSP, (state.gpr(RSP) & ~this.mask) | this.pointer);
  }

  private linear(offset: bigint, bytes: number): bigint {
    const segment = this.segment;
    if (segment === undefined) {
      const { state } = this.cpu;
      if (!isCanonicalNow(state, offset) || !isCanonicalNow(state, offset + BigInt(bytes - 1)))
        throw new GuestFault(SS_FAULT, this.errorCode, 'stack address is not canonical');
      return offset;
    }
    const expandDown = (segment.accessRights & 0xc) === 4;
    const first = expandDown ? segment.limit + 1 : 0;
    const last = expandDown ? Number(stackMaskOf(segment)) : segment.limit;
    const start = Number(offset);
    const usable = (segment.accessRights & ACCESS_RIGHTS.UNUSABLE) === 0;
    if (!usable || start < first || start + bytes - 1 > last)
      throw new GuestFault(SS_FAULT, this.errorCode, 'stack segment limit');
    return (segment.base + offset) & MASK_32;
  }
}
