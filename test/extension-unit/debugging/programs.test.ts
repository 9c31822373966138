import assert from 'node:assert/strict';
import { isGuestProgram, ownsMachine } from '../../../extension/debugging/languages.ts';
import { presetFor } from '../../../extension/debugging/presets.ts';

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
    ];
    assert.equal(presetFor(presets, 'hyperstep', '/w/x.asm', '/w')?.name, 'b');
    assert.equal(presetFor(presets, 'hyperstep', '/w/y.asm', '/w')?.name, 'c');
    assert.equal(presetFor(presets, 'hyperstep', '/w/z.asm', '/w'), undefined);
  });
});
