/** No integer instruction form of 16-, 32- or 64-bit code is missing, going by iced's table of all there are. */
import assert from 'node:assert/strict';
import { Code, CpuidFeature, Instruction } from 'iced-x86';
import { FEATURES } from '../../debug-adapter/engine/cpu/features.ts';
import { LOWERED, LOWERED_STRINGS } from '../../debug-adapter/engine/execution/handlers.ts';
import { codeName } from '../../debug-adapter/engine/isa/codes.ts';
import { DEFERRED_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/deferred.ts';
import { SIMD_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/simd/index.ts';
import { SYSTEM_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/system/index.ts';
import { X87_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/x87/index.ts';
import { VMX_INSTRUCTIONS } from '../../debug-adapter/engine/vmx/index.ts';

/** What has no CPUID bit, by iced's names. INTEL8086_ONLY and the like are gone from later processors. */
const WITHOUT_A_BIT = [
  ...['INTEL8086', 'INTEL186', 'INTEL286', 'INTEL386', 'INTEL486', 'X64', 'CPUID', 'RDPMC', 'PAUSE', 'SMM', 'SMX'],
  ...['MULTIBYTENOP', 'PREFETCHW', 'PREFETCHWT1', 'PREFETCHITI', 'CLDEMOTE', 'CET_IBT'],
];
/** iced's pseudo-instructions. */
const NO_INSTRUCTION = /^(INVALID|Declare.*|Zero_bytes)$/;
/** WAIT and an FN instruction under one name: two instructions to a decoder. */
const WITH_WAIT = /^F(st[ces]w|stenv|stdw|stsg|save|init|clex|eni|disi|setpm)(_|$)/;

function featuresOf(code: number): string[] {
  const instruction = new Instruction();
  instruction.code = code;
  const names = Array.from(instruction.cpuidFeatures(), (feature) => CpuidFeature[feature]!);
  instruction.free();
  return names;
}

const hasMeaning = (code: number): boolean =>
  LOWERED.has(code) ||
  DEFERRED_INSTRUCTIONS.has(code) ||
  SYSTEM_INSTRUCTIONS.has(code) ||
  SIMD_INSTRUCTIONS.has(code) ||
  VMX_INSTRUCTIONS.has(code) ||
  X87_INSTRUCTIONS.has(code) ||
  Object.values(LOWERED_STRINGS).some((table) => table.has(code));

const ALL = Object.entries(Code).filter((entry): entry is [string, number] => typeof entry[1] === 'number');

describe('the instruction set', () => {
  it('has a meaning for every form without a CPUID bit', () => {
    const expected = ALL.filter(
      ([name, code]) =>
        !NO_INSTRUCTION.test(name) && featuresOf(code).every((feature) => WITHOUT_A_BIT.includes(feature)),
    );
    assert.ok(expected.length > 800, `only ${expected.length}`);
    assert.deepEqual(
      expected.filter(([, code]) => !hasMeaning(code)).map(([name]) => name),
      [],
    );
  });

  it('has a meaning for every form that CPUID claims', () => {
    const claimed = new Set<string>([
      ...WITHOUT_A_BIT,
      ...Object.values(FEATURES).flatMap((row) => ('built' in row ? [] : 'iced' in row ? row.iced : [])),
    ]);
    // VMFUNC is announced by a VMX capability MSR of its own.
    const missing = ALL.filter(
      ([name, code]) =>
        !NO_INSTRUCTION.test(name) &&
        name !== 'Vmfunc' &&
        !WITH_WAIT.test(name) &&
        featuresOf(code).every((feature) => claimed.has(feature)) &&
        !hasMeaning(code),
    );
    assert.deepEqual(
      missing.map(([name]) => name),
      [],
    );
  });

  it('knows iced names only', () => {
    const known = new Set(Object.keys(CpuidFeature));
    const named = Object.values(FEATURES).flatMap((row): readonly string[] => ('iced' in row ? row.iced : []));
    assert.deepEqual(
      [...named, ...WITHOUT_A_BIT].filter((name) => !known.has(name)),
      [],
    );
  });

  it('has each TypeScript meaning in one table only', () => {
    const tables = [SYSTEM_INSTRUCTIONS, VMX_INSTRUCTIONS, DEFERRED_INSTRUCTIONS, SIMD_INSTRUCTIONS, X87_INSTRUCTIONS];
    const codes = tables.flatMap((table) => [...table.keys()]);
    const twice = codes.filter((code, index) => codes.indexOf(code) !== index).map(codeName);
    assert.deepEqual(twice, []);
  });
});
