/** Software that nobody here wrote, as Debian ships it: it boots, shows its screens and takes keys. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireFile, requireTool } from '../harness/tools.ts';
import { ScreenPlay } from './screen-play.ts';

describe('real software', function () {
  this.timeout(240_000);

  describe('memtest86+', () => {
    for (const [name, mode] of [
      ['memtest86+x64.bin', 'unknown.x64'],
      ['memtest86+ia32.bin', 'unknown.x32'],
    ] as const) {
      const file = requireFile(`/boot/${name}`, 'memtest86+');

      it(`${name} tests 8 MiB of memory without errors`, () => {
        const play = new ScreenPlay(file, 8);
        play.until('<Enter> to start testing', 40);
        assert.match(play.screen, /Memtest86\+ v6\.\d+ .*Hyperstep simulated processor/);
        assert.match(play.screen, /Memory {2}: +8MB/);
        play.type('<Enter>');
        play.until(/Test [1-9]\d% [^\n]*\n[^\n]*Test #3/, 60);
        assert.match(play.screen, /Testing: +\S+ - \S+ \[4MB of 7\.\d+MB\]/);
        assert.match(play.screen, /Status: Testing/);
        assert.match(play.screen, /Errors: 0/);
        assert.ok(play.screen.includes(mode));
      });
    }
  });

  describe('iPXE', () => {
    const file = requireFile('/usr/lib/ipxe/ipxe.lkrn', 'ipxe');

    it('looks for network cards, and shows its prompt', () => {
      const play = new ScreenPlay(file, 32);
      play.until('iPXE initialising devices...', 150);
      // The time in which it takes the key is two seconds of its clock, most of which the processor sleeps.
      play.until('iPXE initialising devices...ok', 80, 20_000);
      play.type('<Ctrl+B>');
      play.until('iPXE>', 20);
      assert.match(play.screen, /iPXE 1\.[^\n]* -- Open Source Network Boot Firmware/);
      assert.match(play.screen, /Features: DNS HTTP iSCSI/);
    });
  });

  describe('GRUB', () => {
    const mkimage = requireTool('grub-mkimage', 'grub-common');
    const boot = requireFile('/usr/lib/grub/i386-pc/boot.img', 'grub-pc-bin');
    const memtest = requireFile('/boot/memtest86+x64.bin', 'memtest86+');
    const folder = mkdtempSync(path.join(tmpdir(), 'hyperstep-grub-'));
    const floppy = path.join(folder, 'grub.img');
    const core = path.join(folder, 'core.img');

    before(() => {
      const disk = path.join(folder, 'disk.tar');
      writeFileSync(path.join(folder, 'hello.txt'), 'a file on the RAM disk\n');
      writeFileSync(path.join(folder, 'memtest'), readFileSync(memtest));
      execFileSync('tar', ['-cf', disk, '-C', folder, 'hello.txt', 'memtest']);
      const modules = ['biosdisk', 'memdisk', 'tar', 'normal', 'ls', 'cat', 'echo', 'linux16', 'lsmmap', 'test'];
      execFileSync(mkimage, ['-O', 'i386-pc', '-o', core, '-p', '(memdisk)', '-m', disk, ...modules]);
      writeFileSync(floppy, Buffer.concat([readFileSync(boot), readFileSync(core)]));
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    it('starts from a floppy and executes a command', () => {
      const play = new ScreenPlay(floppy, 16);
      play.until('grub>', 120);
      assert.match(play.screen, /GNU GRUB +version 2\.\d+/);
      play.type('ls<Enter>');
      play.until('(memdisk) (fd0)', 20);
    });

    it('starts as a Multiboot kernel', () => {
      const play = new ScreenPlay(core, 16);
      play.until('grub>', 120);
    });
  });
});
