/**
 * What this processor's VT-x can do, said once: the VMX capability MSRs, the existence of VMCS fields and the reserved-bit
 * checks all derive from the set of built controls, so nothing is advertised that is not built.
 * SDM Vol. 3D, "VMX Capability Reporting Facility", appendix A.
 */
import { debugctlBits } from '../cpu/branch-records.ts';
import { linearBitsOf, PHYSICAL_BITS } from '../cpu/cpuid.ts';
import { ALL_FEATURES, type CpuFeatures } from '../cpu/features.ts';
import { EPT_FEATURES } from '../memory/ept.ts';
import { CONTROLS, CONTROL_GROUPS, CONTROL_KEYS, FLEXIBLE_DEFAULT1, controlMask } from './controls.ts';
import type { ControlGroup, ControlKey } from './controls.ts';
import { indexOfEncoding, vmcsField, vmcsFields } from './vmcs-fields.ts';
import type { VmcsFieldKey } from './vmcs-fields.ts';

/** Controls that work. A control whose entry checks are not evaluated must not be here. */
export const BUILT_CONTROLS: ReadonlySet<ControlKey> = new Set<ControlKey>([
  'externalInterruptExiting',
  'preemptionTimer',
  'interruptWindowExiting',
  'tscOffsetting',
  'hltExiting',
  'invlpgExiting',
  'mwaitExiting',
  'rdpmcExiting',
  'rdtscExiting',
  'cr3LoadExiting',
  'cr3StoreExiting',
  'cr8LoadExiting',
  'cr8StoreExiting',
  'movDrExiting',
  'unconditionalIoExiting',
  'ioBitmaps',
  'monitorTrapFlag',
  'msrBitmaps',
  'monitorExiting',
  'pauseExiting',
  'activateSecondary',
  'enableEpt',
  'descriptorTableExiting',
  'enableRdtscp',
  'enableVpid',
  'wbinvdExiting',
  'unrestrictedGuest',
  'rdrandExiting',
  'enableInvpcid',
  'rdseedExiting',
  'enableXsaves',
  'exitSaveDebugControls',
  'hostAddressSpaceSize',
  'acknowledgeInterruptOnExit',
  'exitSavePat',
  'exitLoadPat',
  'exitSaveEfer',
  'exitLoadEfer',
  'exitSavePreemptionTimer',
  'entryLoadDebugControls',
  'ia32eModeGuest',
  'entryLoadPat',
  'entryLoadEfer',
]);

/** VMCS revision identifier, IA32_VMX_BASIC[30:0]: the letters HYPS. */
export const REVISION_IDENTIFIER = 0x4859_5053;
/** Bytes of a VMXON or VMCS region. */
const REGION_BYTES = 4096;
/** IA32_VMX_MISC[4:0]: the VMX-preemption timer counts down whenever this bit of the TSC changes. */
export const PREEMPTION_TIMER_SHIFT = 5;
/** IA32_VMX_MISC[24:16]. */
export const CR3_TARGETS = 4;
/** IA32_VMX_MISC[8:6]: activity states besides active that VM entry accepts: HLT, shutdown and wait-for-SIPI. */
export const SUPPORTED_ACTIVITY: ReadonlySet<number> = new Set([0, 1, 2, 3]);
/** IA32_VMX_MISC[27:25] = 0: recommended maximum number of entries in an MSR list. */
const MSR_LIST_MAXIMUM = 512;

/** What VT-x must know of the processor it is in. */
export interface ProcessorFacts {
  /** Physical-address width, CPUID.80000008H:EAX[7:0]. */
  readonly physicalBits: number;
  /** Linear-address width, CPUID.80000008H:EAX[15:8]. */
  readonly linearBits: number;
  /** CR4 bits that exist, VMXE included: IA32_VMX_CR4_FIXED1. */
  readonly cr4Bits: bigint;
  /** IA32_EFER bits that exist. */
  readonly eferBits: bigint;
  /** Bits of IA32_DEBUGCTL that exist. */
  readonly debugctlBits: bigint;
}

/** What a processor with these features is to VT-x. */
export const processorFacts = (features: CpuFeatures): ProcessorFacts => ({
  physicalBits: PHYSICAL_BITS,
  linearBits: linearBitsOf(features),
  cr4Bits: BigInt(features.cr4Bits),
  eferBits: BigInt(features.eferBits),
  debugctlBits: debugctlBits(features),
});
/** The processor with everything that this engine simulates. */
export const PROCESSOR_FACTS: ProcessorFacts = processorFacts(ALL_FEATURES);

/** CR0 bits that must be 1 in VMX operation: PG, NE, PE. */
export const CR0_FIXED0 = 0x8000_0021n;
export const CR0_FIXED1 = 0xffff_ffffn;
/** CR4.VMXE. */
export const CR4_FIXED0 = 0x2000n;

/** EPT and VPID abilities, IA32_VMX_EPT_VPID_CAP bits. */
const EPT_VPID_BITS: readonly number[] = [
  ...(EPT_FEATURES.executeOnly ? [0] : []),
  6, // page-walk length 4
  8, // paging structures may be UC
  14, // paging structures may be WB
  ...(EPT_FEATURES.pages2M ? [16] : []),
  ...(EPT_FEATURES.pages1G ? [17] : []),
  20, // INVEPT
  ...(EPT_FEATURES.accessedDirty ? [21] : []),
  25, // INVEPT single-context
  26, // INVEPT all-context
  32, // INVVPID
  40, // INVVPID individual-address
  41, // INVVPID single-context
  42, // INVVPID all-context
  43, // INVVPID single-context, retaining globals
];
export const EPT_VPID_CAPABILITIES = EPT_VPID_BITS.reduce<bigint>((all, bit) => all | (1n << BigInt(bit)), 0n);

const MSR_BASIC = 0x480;
const MSR_VMFUNC = 0x491;
/** IA32_FEATURE_CONTROL bits: locked until reset; VMXON allowed outside SMX operation. */
export const FEATURE_CONTROL_LOCK = 1;
export const FEATURE_CONTROL_VMXON_OUTSIDE_SMX = 4;

const FLEXIBLE: ReadonlySet<ControlKey> = new Set(FLEXIBLE_DEFAULT1);

/** Allowed 0-settings and 1-settings of a control field, as in the capability MSRs. */
export interface AllowedSettings {
  /** Bit set: the control must be 1. */
  readonly mustBe1: number;
  /** Bit set: the control may be 1. */
  readonly mayBe1: number;
}

export class VmxCapabilities {
  readonly facts: ProcessorFacts;
  private readonly built: ReadonlySet<ControlKey>;
  private readonly allowed: Readonly<Record<ControlGroup, AllowedSettings>>;
  private readonly fields: readonly boolean[];
  private readonly msrs: ReadonlyMap<number, bigint>;

  constructor(facts: ProcessorFacts = PROCESSOR_FACTS, built: ReadonlySet<ControlKey> = BUILT_CONTROLS) {
    this.facts = facts;
    this.built = built;
    const groups = Object.keys(CONTROL_GROUPS) as ControlGroup[];
    this.allowed = Object.fromEntries(groups.map((group) => [group, this.settings(group)])) as Record<
      ControlGroup,
      AllowedSettings
    >;
    this.fields = vmcsFields.map((field) => field.exists === undefined || field.exists.some((key) => built.has(key)));
    this.msrs = this.computeMsrs();
  }

  /** Whether the 1-setting of a control is allowed. */
  supports(control: ControlKey): boolean {
    return this.built.has(control);
  }

  /** Whether VMREAD and VMWRITE know the field. */
  hasField(key: VmcsFieldKey): boolean {
    return this.fields[vmcsField(key).slot] === true;
  }

  /** Allowed settings of a control field (the TRUE capability MSR where there is one). */
  allowedSettings(group: ControlGroup): AllowedSettings {
    return this.allowed[group];
  }

  get cr4Fixed1(): bigint {
    return this.facts.cr4Bits;
  }

  /** Value of a capability MSR 480H-491H; undefined for an index that this processor does not have. */
  msr(index: number): bigint | undefined {
    return this.msrs.get(index);
  }

  private settings(group: ControlGroup): AllowedSettings {
    let flexible = 0;
    let built = 0;
    for (const key of CONTROL_KEYS) {
      if (CONTROLS[key].group !== group) continue;
      if (this.built.has(key)) built |= controlMask(key);
      if (FLEXIBLE.has(key)) flexible |= controlMask(key);
    }
    const { default1 } = CONTROL_GROUPS[group];
    return { mustBe1: default1 & ~flexible, mayBe1: built | default1 };
  }

  private computeMsrs(): Map<number, bigint> {
    const halves = (low: number, high: number) => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    const controls = (group: ControlGroup) => {
      const { mustBe1, mayBe1 } = this.allowed[group];
      return {
        plain: halves(CONTROL_GROUPS[group].default1, mayBe1),
        flexible: halves(mustBe1, mayBe1),
      };
    };
    const pin = controls('pin');
    const proc1 = controls('proc1');
    const exit1 = controls('exit1');
    const entry = controls('entry');
    let highestIndex = 0;
    for (const field of vmcsFields)
      if (this.fields[field.slot]) highestIndex = Math.max(highestIndex, indexOfEncoding(field.encoding));
    const basic =
      BigInt(REVISION_IDENTIFIER) |
      (BigInt(REGION_BYTES) << 32n) |
      (6n << 50n) | // write-back
      (1n << 54n) | // instruction information for INS and OUTS
      (1n << 55n); // TRUE capability MSRs exist
    const activity = [...SUPPORTED_ACTIVITY].reduce(
      (bits, state) => (state === 0 ? bits : bits | (1 << (5 + state))),
      0,
    );
    const misc =
      BigInt(PREEMPTION_TIMER_SHIFT) |
      (this.supports('unrestrictedGuest') ? 1n << 5n : 0n) | // exits store EFER.LMA in "IA-32e mode guest"
      BigInt(activity) |
      (BigInt(CR3_TARGETS) << 16n) |
      (BigInt(MSR_LIST_MAXIMUM / 512 - 1) << 25n);
    const msrs = new Map<number, bigint>([
      [MSR_BASIC, basic],
      [0x481, pin.plain],
      [0x482, proc1.plain],
      [0x483, exit1.plain],
      [0x484, entry.plain],
      [0x485, misc],
      [0x486, CR0_FIXED0],
      [0x487, CR0_FIXED1],
      [0x488, CR4_FIXED0],
      [0x489, this.facts.cr4Bits],
      [0x48a, BigInt(highestIndex << 1)],
      [0x48d, pin.flexible],
      [0x48e, proc1.flexible],
      [0x48f, exit1.flexible],
      [0x490, entry.flexible],
    ]);
    if (this.supports('activateSecondary')) {
      msrs.set(0x48b, halves(0, this.allowed.proc2.mayBe1));
      if (this.supports('enableEpt') || this.supports('enableVpid')) msrs.set(0x48c, EPT_VPID_CAPABILITIES);
      if (this.supports('enableVmfunc')) msrs.set(MSR_VMFUNC, halves(this.allowed.vmfunc.mayBe1, 0));
    }
    return msrs;
  }
}
