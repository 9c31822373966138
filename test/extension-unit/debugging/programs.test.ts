import assert from 'node:assert/strict';
import { isGuestProgram, ownsMachine } from '../../../extension/debugging/languages.ts';
import { presetsFor } from '../../../extension/debugging/presets.ts';

describe('extension: guest programs', () => {
  it('takes our language, other assembler languages and known file names', () => {
    assert.ok(isGuestProgram('nasm-guest', '/a/untitled'));
    assert.ok(isGuestProgram('asm-collection', '/a/x.s'));
    assert.ok(isGuestProgram('plaintext', '/a/KERNEL.ELF'));
    assert.ok(!isGuestProgram('markdown', '/a/README.md'));
  });

  it('knows a program that turns VMX on by itself', () => {
    assert.ok(ownsMachine('start:\n    VMXON [region]\n'));
    assert.ok(ownsMachine('enter: vmxon [region]'));
    assert.ok(!ownsMachine('; vmxon comes later\n    call vmxon_region\nvmxon_region: dq 0'));
  });

  it('finds what launch.json says about a program', () => {
    const presets = [
      { type: 'node', name: 'a', program: '/w/x.asm' },
      { type: 'hyperstep', name: 'b', program: '${workspaceFolder}/sub/../x.asm' },
      { type: 'hyperstep', name: 'c', program: 'y.asm' },
      { type: 'hyperstep', name: 'd', program: '${workspaceFolder}/x.asm' },
    ];
    const named = (program: string): string[] =>
      presetsFor(presets, 'hyperstep', program, '/w').map(({ name }) => name);
    assert.deepEqual(named('/w/x.asm'), ['b', 'd']);
    assert.deepEqual(named('/w/y.asm'), ['c']);
    assert.deepEqual(named('/w/z.asm'), []);
  });
});
