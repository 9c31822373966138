/** What every loader must know besides the file. */
export interface LoadOptions {
  /** Guest memory in bytes: segments must fit. */
  readonly memoryBytes: number;
  /** Words after the file name on a Multiboot command line; the whole command line of a Linux kernel. */
  readonly commandArguments?: string;
  /** Initial RAM disk of a Linux kernel. */
  readonly initrd?: Uint8Array;
}
