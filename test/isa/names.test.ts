import assert from 'node:assert/strict';
import { Code, Register } from 'iced-x86';
import { codeByName, codeFacts, codeName, describeCode, mnemonicOf } from '../../debug-adapter/engine/isa/codes.ts';
import { allRegisters, registerByName, registerInfo } from '../../debug-adapter/engine/isa/registers.ts';

describe('isa/registers', () => {
  const rows: readonly [string, string, number, number, boolean][] = [
    ['al', 'gpr8', 0, 1, false],
    ['ah', 'gpr8', 0, 1, true],
    ['bh', 'gpr8', 3, 1, true],
    ['spl', 'gpr8', 4, 1, false],
    ['r8b', 'gpr8', 8, 1, false],
    ['R15L', 'gpr8', 15, 1, false],
    ['di', 'gpr16', 7, 2, false],
    ['r9d', 'gpr32', 9, 4, false],
    ['RSP', 'gpr64', 4, 8, false],
    ['gs', 'segment', 5, 2, false],
    ['cr8', 'cr', 8, 8, false],
    ['dr7', 'dr', 7, 8, false],
    ['xmm31', 'xmm', 31, 16, false],
  ];
  for (const [name, registerClass, number, bytes, highByte] of rows) {
    it(`${name} is ${registerClass} ${number}`, () => {
      const info = registerByName(name);
      assert.ok(info !== undefined);
      assert.deepEqual([info.class, info.number, info.highByte], [registerClass, number, highByte]);
      if (registerClass.startsWith('gpr')) assert.equal(info.bytes, bytes);
      assert.equal(registerInfo(info.register), info);
    });
  }

  it('has the sixteen registers of each general width and names every one once', () => {
    for (const [registerClass, count] of [
      ['gpr8', 20],
      ['gpr16', 16],
      ['gpr32', 16],
      ['gpr64', 16],
      ['segment', 6],
    ] as const) {
      assert.equal(allRegisters().filter((info) => info.class === registerClass).length, count, registerClass);
    }
    assert.equal(new Set(allRegisters().map((info) => info.name)).size, allRegisters().length);
  });

  it('knows nothing of no register', () => {
    assert.equal(registerInfo(Register.None), undefined);
    assert.equal(registerByName('rax2'), undefined);
  });
});

describe('isa/codes', () => {
  it('goes from number to name and back', () => {
    assert.equal(codeName(Code.Vmlaunch), 'Vmlaunch');
    assert.equal(codeByName('Add_rm64_r64'), Code.Add_rm64_r64);
    assert.equal(codeByName('Add_rm65'), undefined);
    assert.equal(codeByName('toString'), undefined);
    assert.throws(() => codeName(99_999), /99999/);
  });

  it('tells mnemonics and SDM notation', () => {
    assert.equal(mnemonicOf(Code.Cmpxchg16b_m128), 'cmpxchg16b');
    const facts = codeFacts(Code.Vmwrite_r64_rm64);
    assert.deepEqual([facts.mode16, facts.mode32, facts.mode64], [false, false, true]);
    assert.equal(facts.opCodeString, 'NP 0F 79 /r');
    assert.equal(facts.instructionString, 'VMWRITE r64, r/m64');
  });

  it('tells which CPUID features a form needs, and leaves generations of processors out', () => {
    assert.equal(
      describeCode(Code.EVEX_Vaddps_ymm_k1z_ymm_ymmm256b32),
      'VADDPS ymm1 {k1}{z}, ymm2, ymm3/m256/m32bcst (CPUID features AVX512VL, AVX512F)',
    );
    assert.equal(describeCode(Code.Xbegin_rel32), 'XBEGIN rel32 (CPUID feature RTM)');
    assert.equal(describeCode(Code.Add_rm64_r64), 'ADD r/m64, r64');
  });
});
