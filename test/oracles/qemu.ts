/**
 * QEMU's TCG as a second opinion: runs a boot image on `-cpu max` without a display and returns what the guest printed. The
 * guest's image is a floppy; it ends its run by writing to port F4h (isa-debug-exit).
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface QemuRun {
  /** Every byte the guest sent to COM1, one character per byte. */
  readonly console: string;
  /** Whether the guest ended by itself. */
  readonly ended: boolean;
}

const FLOPPY_BYTES = 1_474_560;

export async function runOnQemu(image: Uint8Array, limitSeconds = 30): Promise<QemuRun> {
  const folder = await mkdtemp(join(tmpdir(), 'hyperstep-qemu-'));
  try {
    const floppy = new Uint8Array(FLOPPY_BYTES);
    floppy.set(image);
    const [disk, com1] = [join(folder, 'floppy.img'), join(folder, 'com1.out')];
    await writeFile(disk, floppy);
    const args = [
      ...['-accel', 'tcg,thread=single', '-cpu', 'max', '-m', '64', '-display', 'none', '-nodefaults', '-no-reboot'],
      ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-serial', `file:${com1}`],
      ...['-drive', `file=${disk},format=raw,if=floppy`, '-boot', 'a'],
    ];
    const code = await new Promise<number | undefined>((resolve) => {
      const child = execFile('qemu-system-x86_64', args, { timeout: limitSeconds * 1000, killSignal: 'SIGKILL' });
      child.on('close', (status) => resolve(status ?? undefined));
    });
    const console = await readFile(com1, 'latin1').catch(() => '');
    // isa-debug-exit makes the status odd: twice the value written, plus 1.
    return { console, ended: code !== undefined && (code & 1) === 1 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
