/** Linux kernel images: what is read from the header, where everything is put, and both ways in on the machine. */
import assert from 'node:assert/strict';
import type { Program } from '../../debug-adapter/engine/base/program.ts';
import { loadProgram } from '../../debug-adapter/engine/loader/load.ts';
import { programOf, runToStop, start } from '../machine/guest.ts';

const MIB = 1 << 20;
const OPTIONS = { memoryBytes: 16 * MIB };

interface Image {
  readonly version?: number;
  readonly setup?: Uint8Array;
  readonly kernel?: Uint8Array;
  readonly loadFlags?: number;
  readonly preferred?: number;
  readonly initBytes?: number;
  readonly commandLineBytes?: number;
  readonly initrdLimit?: number;
}

/** A bzImage with four sectors of setup code, whose code (offset 200h) is a jump over the header. */
function image(change: Image = {}): Uint8Array {
  const kernel = change.kernel ?? Uint8Array.of(0xf4);
  const bytes = new Uint8Array(5 * 512 + kernel.length);
  const view = new DataView(bytes.buffer);
  bytes.set([4], 0x1f1);
  view.setUint16(0x1fe, 0xaa55, true);
  // JMP short to 270h; the distance also says where the header ends.
  bytes.set([0xeb, 0x6e], 0x200);
  bytes.set(Buffer.from('HdrS'), 0x202);
  view.setUint16(0x206, change.version ?? 0x20f, true);
  view.setUint8(0x211, change.loadFlags ?? 1);
  view.setUint32(0x214, 0x10_0000, true);
  view.setUint32(0x22c, change.initrdLimit ?? 0x7fff_ffff, true);
  view.setUint32(0x238, change.commandLineBytes ?? 2047, true);
  view.setBigUint64(0x258, BigInt(change.preferred ?? 0x20_0000), true);
  view.setUint32(0x260, change.initBytes ?? 0x1_0000, true);
  bytes.set(change.setup ?? [0xf4], 0x270);
  bytes.set(kernel, 5 * 512);
  return bytes;
}

const code = (bits: 16 | 32, origin: number, source: string): Uint8Array => {
  const { segments } = programOf('k.asm', `bits ${bits}\norg ${origin}\n${source}\n`);
  assert.ok(segments[0]);
  return segments[0].bytes;
};

function loaded(bytes: Uint8Array, more: { commandArguments?: string; initrd?: Uint8Array } = {}): Program {
  const { program, diagnostics } = loadProgram('bzImage', bytes, { ...OPTIONS, ...more });
  assert.deepEqual(diagnostics, []);
  assert.ok(program);
  return program;
}

const at = (program: Program, address: number) => program.segments.find((segment) => segment.address === address);

describe('Linux kernel image', () => {
  it('is placed where the header prefers, with the memory it asks for', () => {
    const program = loaded(image(), { commandArguments: 'quiet' });
    assert.deepEqual(program.boot, { kind: 'linux', entry: 0x20_0000, parameters: 0x1_0000, gdt: 0x1_1000 });
    assert.deepEqual(at(program, 0x20_0000), { address: 0x20_0000, bytes: Uint8Array.of(0xf4), zeroBytes: 0xffff });
    assert.equal(Buffer.from(at(program, 0x1_e000)!.bytes).toString(), 'quiet');
  });

  it('gets boot_params with header, command line, memory map and screen', () => {
    const { bytes } = at(loaded(image()), 0x1_0000)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    assert.equal(view.getUint16(0x206, true), 0x20f);
    assert.equal(view.getUint8(0x210), 0xff);
    assert.equal(view.getUint32(0x214, true), 0x20_0000);
    assert.equal(view.getUint32(0x228, true), 0x1_e000);
    assert.equal(view.getUint32(0x218, true), 0);
    assert.deepEqual([bytes[6], bytes[7], bytes[0x0e], bytes[0x0f]], [3, 80, 25, 1]);
    const entries = Array.from({ length: bytes[0x1e8]! }, (_, index) => {
      const entry = 0x2d0 + index * 20;
      return [view.getBigUint64(entry, true), view.getBigUint64(entry + 8, true), view.getUint32(entry + 16, true)];
    });
    assert.deepEqual(entries, [
      [0n, 0x9_fc00n, 1],
      [0x9_fc00n, 0x400n, 2],
      [0xe_0000n, 0x2_0000n, 2],
      [0x10_0000n, 0xf0_0000n, 1],
    ]);
    assert.ok(
      bytes.subarray(0x270, 0x2d0).every((byte) => byte === 0),
      'nothing behind the header',
    );
  });

  it('has its initial RAM disk at the end of memory, below its limit', () => {
    const initrd = new Uint8Array(5000).fill(7);
    for (const [limit, address] of [
      [0x7fff_ffff, 0xff_e000],
      [0x7f_ffff, 0x7f_e000],
    ] as const) {
      const program = loaded(image({ initrdLimit: limit }), { initrd });
      assert.deepEqual(at(program, address)?.bytes, initrd);
      const view = new DataView(at(program, 0x1_0000)!.bytes.buffer);
      assert.deepEqual([view.getUint32(0x218, true), view.getUint32(0x21c, true)], [address, 5000]);
    }
  });

  for (const [title, bytes, more, name, message] of [
    ['a zImage', image({ loadFlags: 0 }), {}, 'linux-image', /zImage/],
    ['an old protocol', image({ version: 0x201 }), {}, 'linux-image', /protocol 2\.01 is older/],
    ['a truncated file', image().subarray(0, 0x400), {}, 'linux-image', /truncated/],
    ['too little memory', image({ initBytes: 0x100_0000 }), {}, 'segment-beyond-memory', /the kernel occupies 200000h/],
    [
      'a long command line',
      image({ commandLineBytes: 4 }),
      { commandArguments: 'quiet' },
      'linux-command-line',
      /5 characters.*at most 4/,
    ],
    [
      'a large initial RAM disk',
      image({ initBytes: 0xd0_0000 }),
      { initrd: new Uint8Array(2 * MIB) },
      'linux-initrd',
      /set "memory" to more/,
    ],
  ] as const) {
    it(`refuses ${title}`, () => {
      const { program, diagnostics } = loadProgram('bzImage', bytes, { ...OPTIONS, ...more });
      assert.equal(program, undefined);
      assert.deepEqual(
        diagnostics.map((diagnostic) => diagnostic.code),
        [name],
      );
      assert.match(diagnostics[0]!.message, message);
    });
  }

  for (const mode of ['bare', 'vm'] as const) {
    it(`is entered in 32-bit protected mode with ESI at boot_params, mode ${mode}`, () => {
      const kernel = code(
        32,
        0x20_0000,
        `mov ebx, [esi + 0x228]
         movzx eax, byte [ebx + 1]
         shl eax, 8
         mov al, [esi + 0x1e8]
         shl eax, 8
         mov cx, ss
         mov al, cl
         push cs
         pop ecx
         shl eax, 8
         mov al, cl
         mov cx, 0x18
         mov ds, cx
         mov dx, 0xf4
         out dx, eax`,
      );
      const guest = start(loaded(image({ kernel }), { commandArguments: 'xA' }), mode, OPTIONS.memoryBytes);
      assert.deepEqual(runToStop(guest.machine), { kind: 'power-off', status: 0x4104_1810 * 2 + 1 });
    });

    it(`is entered through its setup code where the header says too little, mode ${mode}`, () => {
      const setup = code(
        16,
        0x270,
        `mov bx, cs
         mov al, [0x211]
         mov ah, 0x0e
         mov al, 'K'
         int 0x10
         movzx eax, bx
         shl eax, 16
         mov ax, ds
         out 0xf4, eax`,
      );
      const program = loaded(image({ version: 0x207, setup }));
      assert.equal(at(program, 0x10_0000)?.bytes.length, 1);
      const guest = start(program, mode, OPTIONS.memoryBytes);
      assert.deepEqual(runToStop(guest.machine), { kind: 'power-off', status: 0x1020_1000 * 2 + 1 });
      assert.equal(guest.console(), 'K');
    });
  }
});
