import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disassemble } from '../../../debug-adapter/engine/isa/disassemble.ts';
import { biosDataAddress } from '../../../debug-adapter/engine/loader/firmware/bios-data.ts';
import { FIRMWARE_PORT_WRITES, buildFirmwareImage } from '../../../debug-adapter/engine/loader/firmware/image.ts';
import { FIRMWARE_SEGMENT } from '../../../debug-adapter/engine/loader/firmware/rom-layout.ts';
import { assembleWithNasm } from '../../oracles/nasm.ts';
import { requireTool } from '../../harness/tools.ts';
import { PicPair } from '../../../debug-adapter/engine/devices/pic-pair.ts';
import { PortBus } from '../../../debug-adapter/engine/devices/bus.ts';
import { Pit8254 } from '../../../debug-adapter/engine/devices/pit8254.ts';
import { Uart16550 } from '../../../debug-adapter/engine/devices/uart16550.ts';

const memory = new Uint8Array(0x10_0000);
for (const { address, bytes } of buildFirmwareImage()) memory.set(bytes, address);
const view = new DataView(memory.buffer);
const ROM = FIRMWARE_SEGMENT * 16;
const handler = (vector: number) => view.getUint16(vector * 4, true);

/** Instructions from an offset of the ROM to the first that ends a path. */
function listing(offset: number, count: number): string[] {
  const lines: string[] = [];
  for (let at = offset; lines.length < count;) {
    const instruction = disassemble(memory.subarray(ROM + at, ROM + at + 15), BigInt(at), 16);
    assert.ok(instruction);
    lines.push(instruction.text);
    at += instruction.bytes;
  }
  return lines;
}

const masterHandler = (irq: number) => `
  push ax
  mov al, 0x0b
  out 0x20, al
  in al, 0x20
  test al, ${1 << irq}
  jnz short .served
  pop ax
  ${irq === 7 ? 'iret' : `jmp near ${0xd000 + 16 * (8 + irq)}`}
.served:
  mov al, 0x20
  out 0x20, al
  pop ax
  iret
`;

const keyboardHandler = masterHandler(1).replace(
  '.served:',
  '.served:\n  in al, 0x60\n  push word strict 0x101\n  out 0xb5, al\n  add sp, 2',
);

const keyboardService = `
  test ah, 0xef
  jnz near ${0xd000 + 16 * 0x16}
.look:
  cli
  push ax
  inc ah
  pushf
  call 0xf000:${0xd000 + 16 * 0x16}
  pop ax
  jnz near ${0xd000 + 16 * 0x16}
  sti
  hlt
  jmp near .look
`;

const slaveHandler = (irq: number) => `
  push ax
  mov al, 0x0b
  out 0xa0, al
  in al, 0xa0
  test al, ${1 << (irq - 8)}
  jnz short .served
  ${irq === 15 ? 'mov al, 0x20\n  out 0x20, al\n  pop ax\n  iret' : `pop ax\n  jmp near ${0xd000 + 16 * (0x70 + irq - 8)}`}
.served:
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop ax
  iret
`;

const timerHandler = `
  push ax
  mov al, 0x0b
  out 0x20, al
  in al, 0x20
  test al, 1
  jnz short .served
  pop ax
  jmp near ${0xd000 + 16 * 8}
.served:
  push ds
  push word strict 0x40
  pop ds
  inc dword [0x6c]
  cmp dword [0x6c], strict dword 0x1800b0
  jb short .same_day
  mov dword [0x6c], 0
  mov byte [0x70], 1
.same_day:
  int 0x1c
  pop ds
  mov al, 0x20
  out 0x20, al
  pop ax
  iret
`;

describe('firmware image', () => {
  it('points every vector into the ROM', () => {
    for (let vector = 0; vector < 256; vector++)
      assert.equal(view.getUint16(vector * 4 + 2, true), 0xf000, `vector ${vector}`);
    assert.equal(new Set(Array.from({ length: 256 }, (_, vector) => handler(vector))).size, 256);
  });

  it('calls the host with the number of each vector that is no hardware interrupt', () => {
    for (let vector = 0; vector < 256; vector++) {
      const hardware = (vector >= 0x08 && vector < 0x10) || (vector >= 0x70 && vector < 0x78);
      if (hardware || [0x16, 0x1c, 0x1e].includes(vector)) continue;
      const number = vector === 0 ? '0' : `0x${vector.toString(16)}`;
      const [push, ...rest] = listing(handler(vector), 4);
      assert.equal(Number(push!.replace(/push (word )?/, '')), Number(number));
      assert.deepEqual(rest, ['out 0xb5, al', 'add sp, 2', 'iret']);
    }
    assert.deepEqual(listing(handler(0x1c), 1), ['iret']);
  });

  it('resets through the reset vector, and names itself an AT', () => {
    const jump = disassemble(memory.subarray(ROM + 0xfff0, ROM + 0xffff), 0xfff0n, 16);
    assert.equal(jump?.bytes, 5);
    assert.equal(jump.mnemonic, 'jmp');
    assert.equal(view.getUint16(ROM + 0xfff3, true), 0xf000);
    const [push, out] = listing(view.getUint16(ROM + 0xfff1, true), 2);
    assert.equal(Number(push!.replace(/push (word )?/, '')), 0x100);
    assert.equal(out, 'out 0xb5, al');
    assert.equal(memory[ROM + 0xfffe], 0xfc);
  });

  it('fills the BIOS data area and the diskette parameters', () => {
    const word = (address: number) => view.getUint16(address, true);
    assert.equal(word(0x400), 0x3f8);
    assert.equal(word(0x40e), 0x9fc0);
    assert.equal(word(0x410), 0x0223);
    assert.deepEqual([word(0x41a), word(0x41c), word(0x480), word(0x482)], [0x1e, 0x1e, 0x1e, 0x3e]);
    assert.equal(word(0xb_8000), 0x0720);
    assert.equal(word(0x413), 639);
    assert.equal(memory[0x475], 0);
    assert.equal(biosDataAddress('conventionalKib'), 0x413);
    assert.equal(memory[0x9_fc00], 1);
    assert.equal(memory[ROM + handler(0x1e) + 4], 18, 'sectors per track');
  });

  it('leaves the chips as a BIOS does', () => {
    const intr = { level: false, set: (level: boolean) => void (intr.level = level) };
    const pics = new PicPair(intr);
    const pit = new Pit8254(1_193_182, pics.input(0));
    const bus = new PortBus();
    bus.register(0x20, pics.master);
    bus.register(0xa0, pics.slave);
    bus.register(0x40, pit);
    bus.register(0x3f8, new Uart16550('COM1', () => assert.fail('nothing is sent'), pics.input(4)));
    for (const { port, value } of FIRMWARE_PORT_WRITES) assert.deepEqual(bus.write(port, 1, value), { kind: 'done' });
    assert.equal(intr.level, false);
    pit.advanceTo(65_537);
    assert.equal(intr.level, true);
    assert.equal(pics.acknowledge(), 0x08);
    assert.deepEqual(bus.read(0x21, 1), { kind: 'done', value: 0xb8 });
    assert.deepEqual(bus.read(0xa1, 1), { kind: 'done', value: 0x8f });
  });
});

describe('firmware interrupt handlers', function () {
  this.timeout(20_000);
  requireTool('nasm');

  it('are what NASM makes of their listings', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hyperstep-firmware-'));
    try {
      const expectAt = async (title: string, vector: number, source: string) => {
        const file = join(folder, 'handler.asm');
        await writeFile(file, `bits 16\norg ${handler(vector)}\nhandler:\n${source}`);
        const expected = Buffer.from(await assembleWithNasm(file)).toString('hex');
        const at = ROM + handler(vector);
        assert.equal(Buffer.from(memory.subarray(at, at + expected.length / 2)).toString('hex'), expected, title);
      };
      for (let irq = 0; irq < 16; irq++) {
        const source =
          irq === 0 ? timerHandler : irq === 1 ? keyboardHandler : irq < 8 ? masterHandler(irq) : slaveHandler(irq);
        await expectAt(`IRQ ${irq}`, irq < 8 ? 8 + irq : 0x70 + irq - 8, source);
      }
      await expectAt('INT 16h', 0x16, keyboardService);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
