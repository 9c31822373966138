/** The tables that describe the machine: checksums and pointers, and what ACPICA's disassembler and compiler make of them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Hpet } from '../../debug-adapter/engine/devices/hpet.ts';
import { amlEisaId, amlInteger, amlName, amlPackage } from '../../debug-adapter/engine/loader/acpi/aml.ts';
import { platformTables } from '../../debug-adapter/engine/loader/acpi/platform.ts';
import { acpiTables } from '../../debug-adapter/engine/loader/acpi/tables.ts';
import { requireTool } from '../harness/tools.ts';

const sumOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);

/** Memory below 1 MiB with all tables in it. */
function memoryWith(processors: number) {
  const memory = new Uint8Array(0x10_0000);
  for (const { address, bytes } of platformTables(processors)) memory.set(bytes, address);
  const view = new DataView(memory.buffer);
  const text = (address: number, length: number) =>
    Buffer.from(memory.subarray(address, address + length)).toString('latin1');
  return { memory, view, text };
}

describe('ACPI tables', () => {
  it('are found as a kernel finds them: RSDP, RSDT and XSDT, FADT, DSDT and FACS', () => {
    const { memory, view, text } = memoryWith(2);
    let rsdp = 0xe_0000;
    while (text(rsdp, 8) !== 'RSD PTR ') rsdp += 16;
    assert.equal(sumOf(memory.subarray(rsdp, rsdp + 20)), 0);
    assert.equal(sumOf(memory.subarray(rsdp, rsdp + 36)), 0);
    const table = (address: number) => {
      const bytes = memory.subarray(address, address + view.getUint32(address + 4, true));
      assert.equal(sumOf(bytes), 0, text(address, 4));
      return { signature: text(address, 4), length: bytes.length, address };
    };
    const rsdt = table(view.getUint32(rsdp + 16, true));
    const xsdt = table(Number(view.getBigUint64(rsdp + 24, true)));
    assert.deepEqual([rsdt.signature, xsdt.signature], ['RSDT', 'XSDT']);
    const entries = Array.from({ length: (rsdt.length - 36) / 4 }, (_, index) =>
      table(view.getUint32(rsdt.address + 36 + 4 * index, true)),
    );
    assert.deepEqual(
      entries.map(({ signature }) => signature),
      ['FACP', 'APIC', 'HPET'],
    );
    entries.forEach(({ address }, index) =>
      assert.equal(Number(view.getBigUint64(xsdt.address + 36 + 8 * index, true)), address),
    );
    const fadt = entries[0]!.address;
    assert.equal(table(view.getUint32(fadt + 40, true)).signature, 'DSDT');
    const facs = view.getUint32(fadt + 36, true);
    assert.deepEqual([text(facs, 4), facs % 64, facs < 0xa_0000], ['FACS', 0, true]);
  });

  it('name the HPET by what it reads itself', () => {
    const { tables } = acpiTables({ processors: 1, base: 0xe_0000, facsAddress: 0x9_ffc0 });
    const hpet = new Hpet(1_000_000, { output: () => ({ set: () => undefined }) });
    assert.equal(new DataView(tables.HPET.buffer).getUint32(36, true), hpet.read(0, 4));
  });

  it('are the same each time, and differ in processors alone', () => {
    assert.deepEqual(platformTables(4), platformTables(4));
    const sizes = [1, 2].map((processors) => acpiTables({ processors, base: 0xe_0000, facsAddress: 0 }).tables);
    assert.equal(sizes[1]!.APIC.length - sizes[0]!.APIC.length, 8);
    assert.deepEqual(sizes[0]!.HPET, sizes[1]!.HPET);
  });
});

describe('MP tables', () => {
  it('are found through the pointer in the extended BIOS data area', () => {
    const { memory, view, text } = memoryWith(4);
    let pointer = 0x9_fc00;
    while (text(pointer, 4) !== '_MP_') pointer += 16;
    assert.ok(pointer < 0xa_0000);
    assert.equal(sumOf(memory.subarray(pointer, pointer + 16)), 0);
    const table = view.getUint32(pointer + 4, true);
    const length = view.getUint16(table + 4, true);
    assert.equal(text(table, 4), 'PCMP');
    assert.equal(sumOf(memory.subarray(table, table + length)), 0);
    const kinds: number[] = [];
    const pins: number[] = [];
    let at = table + 44;
    for (let entry = 0; entry < view.getUint16(table + 34, true); entry++) {
      const kind = memory[at]!;
      kinds.push(kind);
      if (kind === 3) pins.push(memory[at + 7]!);
      at += kind === 0 ? 20 : 8;
    }
    assert.equal(at, table + length, 'entries fill the table');
    const count = (kind: number) => kinds.filter((each) => each === kind).length;
    assert.deepEqual([0, 1, 2, 3, 4].map(count), [4, 2, 1, 15, 2]);
    assert.deepEqual(pins, [2, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });
});

describe('AML', () => {
  for (const [title, bytes, expected] of [
    ['a short name', amlName('ISA'), [0x49, 0x53, 0x41, 0x5f]],
    ['a path of two', amlName('\\_SB.PCI0'), [0x5c, 0x2e, ...Buffer.from('_SB_PCI0')]],
    ['a path of three', amlName('_SB.PCI0.ISA'), [0x2f, 3, ...Buffer.from('_SB_PCI0ISA_')]],
    ['integers', [0, 1, 2, 0x100, 0x1_0000].flatMap(amlInteger), [0, 1, 0x0a, 2, 0x0b, 0, 1, 0x0c, 0, 0, 1, 0]],
    ['an EISA id', amlEisaId('PNP0A03'), [0x0c, 0x41, 0xd0, 0x0a, 0x03]],
    ['a package', amlPackage([[0], [1]]), [0x12, 4, 2, 0, 1]],
    ['a long package', amlPackage(Array.from({ length: 70 }, () => [0])).slice(0, 4), [0x12, 0x49, 0x04, 70]],
  ] as const) {
    it(`writes ${title}`, () => assert.deepEqual(bytes, expected));
  }
});

describe('ACPI tables judged by ACPICA', function () {
  this.timeout(60_000);
  const iasl = requireTool('iasl', 'acpica-tools');
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'hyperstep-acpi-'));
    const { tables, facs } = acpiTables({ processors: 2, base: 0xe_0000, facsAddress: 0x9_ffc0 });
    for (const [name, bytes] of Object.entries({ ...tables, FACS: facs }))
      writeFileSync(path.join(folder, `${name}.dat`), bytes);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]): string => {
    const { stdout, stderr } = spawnSync(iasl, args, { cwd: folder, encoding: 'utf8' });
    return stdout + stderr;
  };

  for (const name of ['DSDT', 'FACP', 'APIC', 'HPET', 'RSDT', 'XSDT', 'FACS'])
    it(`disassembles and compiles again without a complaint: ${name}`, () => {
      const said = run('-d', `${name}.dat`);
      assert.doesNotMatch(said, /error|warning|incorrect|invalid/i);
      const source = readFileSync(path.join(folder, `${name}.dsl`), 'utf8');
      assert.doesNotMatch(source, /error|warning|incorrect|invalid|unknown/i);
      assert.match(run(`${name}.dsl`), /Compilation (successful|complete)\. 0 Errors, 0 Warnings/);
    });

  it('says in words what we mean', () => {
    const source = (name: string): string => readFileSync(path.join(folder, `${name}.dsl`), 'utf8').replace(/ +/g, ' ');
    const dsdt = source('DSDT');
    for (const part of [
      /Device \(PCI0\)/,
      /EisaId \("PNP0A03"\)/,
      /Device \(CPU1\)/,
      /Name \(\\_S5, Package \(0x04\)/,
      /Name \(_PRT/,
    ])
      assert.match(dsdt, part);
    const fadt = source('FACP');
    for (const part of [
      /SCI Interrupt : 0009/,
      /PM1A Event Block Address : 00000600/,
      /PM Timer Block Address : 00000608/,
      /Reset Register Supported \(V2\) : 1/,
      /Value to cause reset : 06/,
    ])
      assert.match(fadt, part);
    assert.equal(source('APIC').match(/\[Processor Local APIC\]/g)?.length, 2);
  });
});
