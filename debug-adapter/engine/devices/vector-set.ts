/** A set of interrupt vectors as the 256-bit registers ISR, TMR and IRR hold it: eight words of 32 vectors. */
export class VectorSet {
  #words = new Array<number>(8).fill(0);

  has(vector: number): boolean {
    return ((this.word(vector >> 5) >>> (vector & 31)) & 1) !== 0;
  }

  set(vector: number, member: boolean): void {
    const bit = 1 << (vector & 31);
    const word = this.word(vector >> 5);
    this.#words[vector >> 5] = (member ? word | bit : word & ~bit) >>> 0;
  }

  /** Highest vector, which has the highest priority; -1 where the set is empty. */
  get highest(): number {
    for (let index = 7; index >= 0; index--) {
      const word = this.word(index);
      if (word !== 0) return index * 32 + 31 - Math.clz32(word);
    }
    return -1;
  }

  /** Vectors 32 * index to 32 * index + 31. */
  word(index: number): number {
    return this.#words[index] ?? 0;
  }

  clear(): void {
    this.#words.fill(0);
  }

  save(): readonly number[] {
    return [...this.#words];
  }

  load(words: readonly number[]): void {
    this.#words = [...words];
  }
}
