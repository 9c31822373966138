/** Disks and kernel parts from a launch configuration. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSession } from './client.ts';
import type { Client } from './client.ts';

/** Adds 1 to the first byte of sector 1. */
const INCREMENT = `
bits 32
org 8000h
    mov bl, 20h
    call command
    mov dx, 1F0h
    mov ecx, 256
    mov edi, 9000h
    rep insw
    inc byte [9000h]
    mov bl, 30h
    call command
    mov dx, 1F0h
    mov ecx, 256
    mov esi, 9000h
    rep outsw
    mov dx, 1F7h
wait_for_end:
    in al, dx
    test al, 80h
    jnz wait_for_end
    xor eax, eax
    out 0F4h, eax
command:
    mov dx, 1F2h
    mov al, 1
    out dx, al
    inc dx
    out dx, al
    mov al, 0
    inc dx
    out dx, al
    inc dx
    out dx, al
    inc dx
    mov al, 0E0h
    out dx, al
    inc dx
    mov al, bl
    out dx, al
wait_for_data:
    in al, dx
    and al, 88h
    cmp al, 8
    jne wait_for_data
    ret
`;

/** Prints its command line, then its first module's name and contents. */
const MULTIBOOT = `
bits 32
org 100000h
header:
    dd 1BADB002h, 10000h, -(1BADB002h + 10000h), header, header, 0, 0, start
start:
    mov esi, [ebx + 16]
    call print
    mov edi, [ebx + 24]
    mov esi, [edi + 8]
    call print
    mov esi, [edi]
    call print
    xor eax, eax
    out 0F4h, eax
print:
    lodsb
    test al, al
    jz end_of_line
    out 0E9h, al
    jmp print
end_of_line:
    mov al, 10
    out 0E9h, al
    ret
`;

describe('disk and kernel parts', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };
  let folder: string;
  const file = (name: string): string => path.join(folder, name);

  beforeEach(async () => {
    client = await openSession();
    folder = mkdtempSync(path.join(os.tmpdir(), 'hyperstep-disk-'));
  });
  afterEach(() => {
    client.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const runToEnd = async (attributes: object): Promise<void> => {
    await client.launch({ mode: 'bare', ...attributes });
    await client.request('continue', { threadId: 1 });
    await client.event('terminated');
  };
  const output = (): string =>
    client.log
      .flatMap((each) =>
        each.type === 'event' && 'event' in each && each.event === 'output' ? [each.body.output] : [],
      )
      .join('');

  for (const [diskWrite, expected] of [
    [false, 7],
    [true, 8],
  ] as const) {
    it(`${diskWrite ? 'writes' : 'does not write'} the image with diskWrite ${diskWrite}`, async () => {
      const image = new Uint8Array(4 * 512);
      image[512] = 7;
      writeFileSync(file('disk.img'), image);
      writeFileSync(file('increment.asm'), INCREMENT);
      await runToEnd({ program: file('increment.asm'), disk: file('disk.img'), diskWrite });
      const after = readFileSync(file('disk.img'));
      assert.deepEqual([after.length, after[512]], [4 * 512, expected]);
      assert.equal(/1 sector written to disk\.img/.test(output()), diskWrite);
    });
  }

  it('gives a Multiboot kernel its command line and modules', async () => {
    writeFileSync(file('kernel.asm'), MULTIBOOT);
    writeFileSync(file('notes.txt'), 'hello module\0');
    await runToEnd({ program: file('kernel.asm'), commandLine: 'a=1 b', initrd: file('notes.txt') });
    assert.match(output(), /kernel\.asm a=1 b\nnotes\.txt\nhello module\n/);
  });

  for (const [title, attributes, message] of [
    [
      'an image that is no whole number of sectors',
      { disk: 'odd.img' },
      /"disk": .*odd\.img has 1000 bytes.*raw image/,
    ],
    ['an image that is not there', { disk: 'none.img' }, /"disk": .*none\.img cannot be read: there is no such file/],
    ['a folder as an image', { disk: '.' }, /"disk": .* is no file/],
    ['diskWrite alone', { diskWrite: true }, /"diskWrite" needs "disk"/],
    [
      'a command line for a boot sector',
      { commandLine: 'x' },
      /"commandLine" is for Linux and Multiboot kernels, and increment\.asm is neither/,
    ],
    ['an initrd for a boot sector', { initrd: ['odd.img'] }, /"initrd" is for Linux and Multiboot kernels/],
    ['a number as an initrd', { initrd: 7 }, /"initrd" must be a string or array of strings/],
  ] as const) {
    it(`refuses ${title}`, async () => {
      writeFileSync(file('increment.asm'), INCREMENT);
      writeFileSync(file('odd.img'), new Uint8Array(1000));
      const absolute =
        'disk' in attributes
          ? { disk: file(attributes.disk) }
          : 'initrd' in attributes && typeof attributes.initrd === 'object'
            ? { initrd: attributes.initrd.map(file) }
            : attributes;
      await client.request('initialize', { adapterID: 'hyperstep' });
      await assert.rejects(
        client.request('launch', { program: file('increment.asm'), mode: 'bare', ...absolute }),
        message,
      );
    });
  }
});
