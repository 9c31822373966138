/** What a program's code says about how it wants to be run. */
import { disassemble } from '../engine/index.ts';
import type { LineSpan, Program } from '../engine/index.ts';

/**
 * Whether assembled source executes VMXON, which the built-in hypervisor does not offer its guests. Says no for programs
 * without source lines: their bytes cannot be told from data.
 */
export function ownsMachine(program: Program): boolean {
  return program.lines.some((span) => span.code && span.bytes <= 16 && isVmxon(program, span));
}

function isVmxon(program: Program, span: LineSpan): boolean {
  const bytes = bytesAt(program, span);
  return (
    bytes !== undefined && bytes.includes(0xc7) && disassemble(bytes, span.address, span.bits)?.mnemonic === 'vmxon'
  );
}

/** A boot sector's image begins at 7C00h, where the firmware puts its first sector. */
const BOOT_ADDRESS = 0x7c00;

function bytesAt(program: Program, { address, bytes }: LineSpan): Uint8Array | undefined {
  const places =
    program.boot.kind === 'boot-sector' ? [{ address: BOOT_ADDRESS, bytes: program.boot.disk }] : program.segments;
  for (const place of places) {
    const offset = Number(address) - place.address;
    if (offset >= 0 && offset + bytes <= place.bytes.length) return place.bytes.subarray(offset, offset + bytes);
  }
  return undefined;
}
