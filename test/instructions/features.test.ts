/** Every instruction form of every feature, executed on a processor without the feature: #UD, and on one with it: something else. */
import assert from 'node:assert/strict';
import { CR0, CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { cpuid } from '../../debug-adapter/engine/cpu/cpuid.ts';
import { ALL_FEATURES, chooseFeatures, FEATURE_NAMES, FEATURES } from '../../debug-adapter/engine/cpu/features.ts';
import type { CpuFeatures, CpuidWord, FeatureName } from '../../debug-adapter/engine/cpu/features.ts';
import { UD } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { codeName, cpuidFeaturesOf } from '../../debug-adapter/engine/isa/codes.ts';
import { INSTRUCTIONS } from '../../debug-adapter/engine/machine/instruction-table.ts';
import { drawEncoding, type Encoding } from '../conform/host/encodings.ts';
import { CLAIMED } from '../conform/host/forms.ts';
import { Random } from '../conform/host/random.ts';
import { CODE, CODE_OFFSET, DATA, DEFAULT_SEGMENTS, type Setup } from './environment.ts';
import { Rig } from './rig.ts';

const without = (name: FeatureName): CpuFeatures => {
  const result = chooseFeatures({ features: { [name]: false } });
  assert.ok('features' in result);
  return result.features;
};

/** What is decoded as another, older instruction without its feature (SDM Vol. 2B, LZCNT; TZCNT). */
const OLDER_MEANING = /^(Lzcnt|Tzcnt)_/;
/** #UD with the feature as well: outside VMX operation, or at CPL 3. */
const UNDEFINED_HERE = /^(Vm|Inv(ept|vpid)|Monitor|Mwait|Rsm|Clac|Stac|Getsec)/i;

const REGISTER_OF_WORD: Readonly<
  Record<CpuidWord, readonly [leaf: number, subleaf: number, 'eax' | 'ebx' | 'ecx' | 'edx']>
> = {
  '1.ecx': [1, 0, 'ecx'],
  '1.edx': [1, 0, 'edx'],
  '7.ebx': [7, 0, 'ebx'],
  '7.ecx': [7, 0, 'ecx'],
  '7.edx': [7, 0, 'edx'],
  'd1.eax': [0xd, 1, 'eax'],
  '80000001.ecx': [0x8000_0001, 0, 'ecx'],
  '80000001.edx': [0x8000_0001, 0, 'edx'],
  '80000007.edx': [0x8000_0007, 0, 'edx'],
};
function claims(features: CpuFeatures, name: FeatureName): boolean {
  const { word, bit } = FEATURES[name];
  const [leaf, subleaf, register] = REGISTER_OF_WORD[word];
  return ((cpuid(features, leaf, subleaf)[register] >>> bit) & 1) !== 0;
}

const setupOf = ({ bytes, bits }: Encoding): Setup => ({
  bits,
  code: bytes,
  codeAt: CODE.at + CODE_OFFSET,
  gpr: Array<bigint>(16).fill(BigInt(DATA.at + 0x800)),
  flags: 0,
  segments: DEFAULT_SEGMENTS[bits],
  cells: new Map(),
});

describe('a feature that is switched off', function () {
  this.timeout(60_000);
  const random = new Random(5);
  const forms = CLAIMED.map((code) => ({ code, needs: cpuidFeaturesOf(code) }));
  let rig: Rig;
  before(() => {
    rig = new Rig('hot', INSTRUCTIONS);
    const { state } = rig;
    state.set64(LAYOUT.cr0, state.get64(LAYOUT.cr0) | BigInt(CR0.NE));
    state.set64(LAYOUT.efer, state.get64(LAYOUT.efer) | BigInt(EFER.SCE));
    state.set64(LAYOUT.cr4, state.get64(LAYOUT.cr4) | BigInt(CR4.OSFXSR | CR4.OSXSAVE | CR4.FSGSBASE | CR4.PKE));
    state.set32(LAYOUT.xcr0, 7);
  });

  const isUndefined = (encoding: Encoding, features: CpuFeatures): boolean => {
    Object.assign(rig.cpu, { features });
    return rig.run(setupOf(encoding), 'warm').fault?.vector === UD;
  };

  for (const name of FEATURE_NAMES) {
    const row = FEATURES[name];
    if ('built' in row) continue;
    it(`${name}: CPUID does not claim it`, () => {
      assert.ok(name === 'LA57' || claims(ALL_FEATURES, name));
      assert.equal(claims(without(name), name), false);
    });
    if (!('iced' in row)) continue;
    const iced: readonly string[] = row.iced;
    it(`${name}: its instructions raise #UD`, () => {
      const less = without(name);
      let tried = 0;
      for (const { code, needs } of forms) {
        if (!needs.some((need) => iced.includes(need)) || OLDER_MEANING.test(codeName(code))) continue;
        const encoding = drawEncoding(random, code, 64) ?? drawEncoding(random, code, 32);
        if (encoding === undefined) continue;
        tried++;
        assert.ok(isUndefined(encoding, less), codeName(code));
        if (!UNDEFINED_HERE.test(codeName(code))) assert.ok(!isUndefined(encoding, ALL_FEATURES), codeName(code));
      }
      assert.ok(tried > 0 || name === 'LZCNT');
    });
  }
});
