/** Writes the few real-mode instructions that the firmware's handlers are made of; each method is one instruction. */

export class RealModeCode {
  readonly #bytes: number[] = [];
  /** Offset of the first byte in the firmware segment, for near jumps. */
  readonly #origin: number;

  constructor(origin: number) {
    this.#origin = origin;
  }

  /** Offset of the next instruction. */
  get here(): number {
    return this.#origin + this.#bytes.length;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  pushAx = (): this => this.#emit(0x50);
  popAx = (): this => this.#emit(0x58);
  pushDs = (): this => this.#emit(0x1e);
  popDs = (): this => this.#emit(0x1f);
  pushFlags = (): this => this.#emit(0x9c);
  iret = (): this => this.#emit(0xcf);
  cli = (): this => this.#emit(0xfa);
  sti = (): this => this.#emit(0xfb);
  hlt = (): this => this.#emit(0xf4);
  pushWord = (value: number): this => this.#emit(0x68, ...word(value));
  /** ADD SP, imm8 */
  addSp = (bytes: number): this => this.#emit(0x83, 0xc4, bytes);
  movAl = (value: number): this => this.#emit(0xb0, value);
  incAh = (): this => this.#emit(0xfe, 0xc4);
  testAh = (mask: number): this => this.#emit(0xf6, 0xc4, mask);
  testAl = (mask: number): this => this.#emit(0xa8, mask);
  outAl = (port: number): this => this.#emit(0xe6, port);
  inAl = (port: number): this => this.#emit(0xe4, port);
  interrupt = (vector: number): this => this.#emit(0xcd, vector);
  /** INC dword [address] */
  incDword = (address: number): this => this.#emit(0x66, 0xff, 0x06, ...word(address));
  /** CMP dword [address], imm32 */
  cmpDword = (address: number, value: number): this => this.#emit(0x66, 0x81, 0x3e, ...word(address), ...dword(value));
  /** MOV dword [address], imm32 */
  movDword = (address: number, value: number): this => this.#emit(0x66, 0xc7, 0x06, ...word(address), ...dword(value));
  /** MOV byte [address], imm8 */
  movByte = (address: number, value: number): this => this.#emit(0xc6, 0x06, ...word(address), value);
  callFar = (segment: number, offset: number): this => this.#emit(0x9a, ...word(offset), ...word(segment));
  jumpFar = (segment: number, offset: number): this => this.#emit(0xea, ...word(offset), ...word(segment));
  jump = (target: number): this => this.#emit(0xe9, ...word(target - (this.here + 3)));

  /** JNZ rel16 */
  jumpIfNotZero = (target: number): this => this.#emit(0x0f, 0x85, ...word(target - (this.here + 4)));

  /** JNZ over what `skipped` writes. */
  unlessNotZero = (skipped: (code: this) => void): this => this.#jumpOver(0x75, skipped);
  /** JB over what `skipped` writes. */
  unlessBelow = (skipped: (code: this) => void): this => this.#jumpOver(0x72, skipped);

  #jumpOver(opcode: number, skipped: (code: this) => void): this {
    this.#emit(opcode, 0);
    const start = this.#bytes.length;
    skipped(this);
    const distance = this.#bytes.length - start;
    if (distance > 127) throw new Error('Invariant broken: a short jump does not reach over the firmware code');
    this.#bytes[start - 1] = distance;
    return this;
  }

  #emit(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }
}

const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
const dword = (value: number): number[] => [...word(value), ...word(value >>> 16)];
