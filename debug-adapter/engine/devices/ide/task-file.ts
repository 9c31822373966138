/** The command block registers of an IDE channel and the addresses they hold (ATA/ATAPI-6, "I/O registers", 7). */
import type { Geometry } from './identify.ts';

/** Offsets of the registers that hold a command's parameters. */
export const PARAMETER = { features: 1, count: 2, low: 3, middle: 4, high: 5 } as const;

/** Device register: bit 6 LBA, bit 4 device, bits 3:0 head or LBA bits 27:24. */
const DEVICE_LBA = 0x40;
export const DEVICE_ONE = 0x10;

export interface TaskFileState {
  /** By offset, 0 to 6. */
  readonly current: readonly number[];
  /** What the registers held before their last write, for 48-bit addresses. */
  readonly previous: readonly number[];
}

export class TaskFile {
  #current = new Array<number>(7).fill(0);
  #previous = new Array<number>(7).fill(0);

  get device(): number {
    return this.current(6);
  }

  current(offset: number): number {
    return this.#current[offset] ?? 0;
  }

  previous(offset: number): number {
    return this.#previous[offset] ?? 0;
  }

  write(offset: number, value: number): void {
    this.#previous[offset] = this.current(offset);
    this.#current[offset] = value;
  }

  /** What a device leaves after a reset or EXECUTE DEVICE DIAGNOSTIC: the signature of a disk (9.12). */
  setSignature(): void {
    this.#current = [0, 0, 1, 1, 0, 0, 0];
    this.#previous = new Array<number>(7).fill(0);
  }

  /** Number of sectors that the command asks for. */
  sectorCount(extended: boolean): number {
    const count = this.current(PARAMETER.count);
    return extended ? count + 256 * this.previous(PARAMETER.count) || 65_536 : count || 256;
  }

  /** First sector; undefined where the geometry has none such. */
  address(extended: boolean, geometry: Geometry): number | undefined {
    const [low, middle, high] = [PARAMETER.low, PARAMETER.middle, PARAMETER.high].map((at) => this.current(at));
    const bits24 = (low ?? 0) + (middle ?? 0) * 2 ** 8 + (high ?? 0) * 2 ** 16;
    if (extended) {
      const upper = [PARAMETER.low, PARAMETER.middle, PARAMETER.high].map((at) => this.previous(at));
      return bits24 + upper.reduce((sum, byte, index) => sum + byte * 2 ** (24 + 8 * index), 0);
    }
    const head = this.device & 15;
    if ((this.device & DEVICE_LBA) !== 0) return bits24 + head * 2 ** 24;
    const [sector, cylinder] = [low ?? 0, Math.floor(bits24 / 256)];
    if (sector === 0 || sector > geometry.sectors || head >= geometry.heads) return undefined;
    return (cylinder * geometry.heads + head) * geometry.sectors + sector - 1;
  }

  /** Leaves a sector's address in the registers, as a command that failed there does. */
  setAddress(lba: number, extended: boolean, geometry: Geometry): void {
    const put = (low: number, middle: number, high: number) => {
      this.#current[PARAMETER.low] = low;
      this.#current[PARAMETER.middle] = middle;
      this.#current[PARAMETER.high] = high;
    };
    const byte = (index: number): number => Math.floor(lba / 2 ** (8 * index)) % 256;
    const setHead = (head: number) => (this.#current[6] = (this.device & 0xf0) | head);
    if (!extended && (this.device & DEVICE_LBA) === 0) {
      const track = Math.floor(lba / geometry.sectors);
      const cylinder = Math.floor(track / geometry.heads);
      put((lba % geometry.sectors) + 1, cylinder & 0xff, (cylinder >> 8) & 0xff);
      setHead(track % geometry.heads);
      return;
    }
    put(byte(0), byte(1), byte(2));
    if (extended)
      [PARAMETER.low, PARAMETER.middle, PARAMETER.high].forEach((at, index) => (this.#previous[at] = byte(3 + index)));
    else setHead(byte(3) & 15);
  }

  setCount(value: number): void {
    this.#current[PARAMETER.count] = value;
  }

  save(): TaskFileState {
    return { current: [...this.#current], previous: [...this.#previous] };
  }

  load(state: TaskFileState): void {
    this.#current = [...state.current];
    this.#previous = [...state.previous];
  }
}
