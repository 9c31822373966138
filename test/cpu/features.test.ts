import assert from 'node:assert/strict';
import { Code, DecoderOptions } from 'iced-x86';
import { CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { cpuid } from '../../debug-adapter/engine/cpu/cpuid.ts';
import {
  ALL_FEATURES,
  chooseFeatures,
  CPU_PRESETS,
  type CpuFeatures,
  FEATURE_NAMES,
  FEATURES,
  type CpuChoice,
  type CpuPreset,
} from '../../debug-adapter/engine/cpu/features.ts';
import { createMachine } from '../../debug-adapter/engine/index.ts';
import { assembleProgram } from '../../debug-adapter/engine/assembler/program.ts';
import type { Stop } from '../../debug-adapter/engine/machine/types.ts';

const chosen = (choice: CpuChoice): CpuFeatures => {
  const result = chooseFeatures(choice);
  assert.ok('features' in result, JSON.stringify(result));
  return result.features;
};

describe('CPU presets', () => {
  it('claim no bit twice and nothing that is not built', () => {
    const places = FEATURE_NAMES.map((name) => `${FEATURES[name].word}[${FEATURES[name].bit}]`);
    assert.equal(new Set(places).size, places.length);
    for (const preset of Object.keys(CPU_PRESETS) as CpuPreset[])
      for (const name of FEATURE_NAMES)
        if (chosen({ preset }).has(name)) assert.ok(!('built' in FEATURES[name]), `${preset} claims ${name}`);
  });

  it('are ordered from little to much', () => {
    const order = (['minimal', 'baseline', 'haswell', 'skylake-server', 'full'] as const).map((preset) =>
      chosen({ preset }),
    );
    order.slice(1).forEach((larger, i) => {
      for (const name of FEATURE_NAMES) if (order[i]!.has(name)) assert.ok(larger.has(name), name);
    });
    assert.equal(order[0]!.has('BMI1'), false);
    assert.equal(order[2]!.has('BMI1'), true);
    assert.equal(order[2]!.has('ADX'), false);
    assert.equal(order[3]!.has('ADX'), true);
  });

  it('say their family and model, and their features, in CPUID', () => {
    const haswell = chosen({ preset: 'haswell' });
    assert.equal(cpuid(haswell, 1, 0).eax, 0x306c3);
    assert.equal(cpuid(chosen({ preset: 'skylake-server' }), 1, 0).eax, 0x50654);
    assert.equal((cpuid(haswell, 7, 0).ebx >> 3) & 1, 1, 'BMI1');
    assert.equal((cpuid(chosen({ preset: 'haswell', features: { BMI1: false } }), 7, 0).ebx >> 3) & 1, 0);
    assert.equal(cpuid(ALL_FEATURES, 7, 1).eax, 0);
  });

  it('bring CR4 and EFER bits with their features', () => {
    assert.notEqual(ALL_FEATURES.cr4Bits & CR4.SMAP, 0);
    assert.equal(chosen({ preset: 'haswell' }).cr4Bits & CR4.SMAP, 0);
    assert.equal(chosen({ features: { NX: false } }).eferBits & EFER.NXE, 0);
  });

  it('take what needs a feature away with it, and refuse contradictions', () => {
    assert.equal(chosen({ features: { CX8: false } }).has('CMPXCHG16B'), false);
    assert.deepEqual(chooseFeatures({ features: { CX8: false, CMPXCHG16B: true } }), {
      problem: 'Feature CMPXCHG16B needs CX8, which is off.',
    });
    assert.deepEqual(chooseFeatures({ features: { AVX512F: true } }), {
      problem: 'Feature AVX512F cannot be turned on: this machine does not have it.',
    });
  });

  it('widen linear addresses only where LA57 is asked for', () => {
    assert.equal((cpuid(ALL_FEATURES, 0x8000_0008, 0).eax >> 8) & 0xff, 48);
    const wide = chosen({ features: { LA57: true } });
    assert.equal((cpuid(wide, 0x8000_0008, 0).eax >> 8) & 0xff, 57);
    assert.equal((cpuid(wide, 7, 0).ecx >> 16) & 1, 1);
    assert.notEqual(wide.cr4Bits & CR4.LA57, 0);
  });

  it('decide which instructions exist', () => {
    const minimal = chosen({ preset: 'minimal' });
    assert.equal(minimal.executes(Code.VEX_Andn_r32_r32_rm32), false);
    assert.equal(minimal.executes(Code.Add_rm32_r32), true);
    assert.equal(minimal.executes(Code.VEX_Vaddps_ymm_ymm_ymmm256), false, 'not asked for: #UD');
    assert.equal(ALL_FEATURES.executes(Code.VEX_Andn_r32_r32_rm32), true);
    assert.equal(ALL_FEATURES.executes(Code.Clgi), false, 'of another make');
    assert.notEqual(minimal.decoderOptions & DecoderOptions.NoMPFX_0FBC, 0, 'TZCNT is BSF there');
  });
});

const RUN = { maxInstructions: 1000, ignoreFirstBreakpoint: false, handlerSteps: 'run' } as const;

describe('a program on a chosen CPU', () => {
  const run = (source: string, cpu: CpuChoice): { readonly stop: Stop; readonly eax: bigint } => {
    const { program, diagnostics } = assembleProgram({
      file: 'guest.asm',
      source: `bits 16\norg 7c00h\n${source}\ndone: hlt\ntimes 510-($-$$) db 0\ndw 0aa55h\n`,
      readInclude: () => undefined,
    });
    assert.deepEqual(diagnostics, []);
    const machine = createMachine({ program: program!, mode: 'bare', memoryBytes: 1 << 20, onConsole() {}, cpu });
    machine.setStopConditions({
      breakpoints: new Set(),
      watchpoints: [],
      vmExit: () => false,
      exception: () => true,
      vmEntryFailure: false,
    });
    return { stop: machine.run(RUN), eax: machine.inspect.register(0, 'RAX') };
  };

  it('gets #UD from an instruction it does not have', () => {
    const source = 'mov ebx, 0f0h\npopcnt eax, ebx';
    assert.equal(run(source, {}).eax, 4n);
    const { stop } = run(source, { features: { POPCNT: false } });
    assert.equal(stop.kind === 'exception' && stop.fault.vector, 6);
  });

  const UNBUILT = [
    ['db 0fh, 1, 0cfh', 'instruction ENCLS (CPUID feature SGX1)', [0x0f, 0x01, 0xcf]],
    ['db 0fh, 1, 0d5h', 'instruction XEND (CPUID feature RTM)', [0x0f, 0x01, 0xd5]],
  ] as const;
  for (const [source, what, bytes] of UNBUILT)
    it(`stops at what nobody built by name, feature, bytes and address: ${what}`, () => {
      const { stop } = run(source, {});
      assert.deepEqual(stop, { kind: 'unimplemented', what, bytes: Uint8Array.from(bytes), linear: 0x7c00n });
    });

  it('gets #UD from VEX in real-address mode', () => {
    const { stop } = run('andn eax, ebx, ecx', {});
    assert.equal(stop.kind === 'exception' && stop.fault.vector, 6);
  });

  it('finds BSR where LZCNT is missing', () => {
    const source = 'mov ebx, 10h\nlzcnt eax, ebx';
    assert.equal(run(source, {}).eax, 27n);
    assert.equal(run(source, { features: { LZCNT: false } }).eax, 4n);
  });
});
