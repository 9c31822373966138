/** Which VMX controls the hypervisor sets, and how it makes them acceptable to the processor it runs on. */
import { CONTROLS, controlMask, type ControlGroup, type ControlKey } from '../vmx/controls.ts';
import type { VmxCapabilities } from '../vmx/index.ts';

/** What makes the guest leave non-root operation besides the exits that cannot be turned off. */
export interface Exiting {
  readonly hlt: boolean;
  /** Every port, through the I/O bitmaps; otherwise none, and the guest reaches the devices directly. */
  readonly io: boolean;
  /** `owned`: all MSRs but those that VM entry and exit switch or that the host never uses; `all`: every one. */
  readonly msr: 'owned' | 'all';
  /** CR0 and CR4 bits that a guest cannot change by itself; `owned`: those whose change the hypervisor has to follow. */
  readonly controlRegisters: 'owned' | 'all';
  readonly cr3: boolean;
  readonly cr8: boolean;
  readonly debugRegisters: boolean;
  readonly rdtsc: boolean;
  readonly invlpg: boolean;
  readonly pause: boolean;
  readonly wbinvd: boolean;
  /** Exception bitmap: bit = vector. */
  readonly exceptions: number;
}

export const DEFAULT_EXITING: Exiting = {
  hlt: true,
  io: true,
  msr: 'owned',
  controlRegisters: 'owned',
  cr3: false,
  cr8: false,
  debugRegisters: false,
  rdtsc: false,
  invlpg: false,
  pause: false,
  wbinvd: false,
  exceptions: 0,
};

/** Everything that can exit does: for looking at how much a guest does that a hypervisor could see. */
export const TRAP_EVERYTHING: Exiting = {
  hlt: true,
  io: true,
  msr: 'all',
  controlRegisters: 'all',
  cr3: true,
  cr8: true,
  debugRegisters: true,
  rdtsc: true,
  invlpg: true,
  pause: true,
  wbinvd: true,
  exceptions: 0xffff_ffff,
};

/**
 * Value of a control field with the wanted controls: the bits that must be 1 added (SDM Vol. 3C, "Algorithms for Determining
 * VMX Capabilities", 31.5.1). A wanted control that the processor does not offer is a bug of the caller.
 */
export function controlValue(
  capabilities: VmxCapabilities,
  group: ControlGroup,
  wanted: readonly ControlKey[],
): number {
  const { mustBe1, mayBe1 } = capabilities.allowedSettings(group);
  let value = mustBe1;
  for (const key of wanted) {
    const control = CONTROLS[key];
    if (control.group !== group) throw new Error(`Invariant broken: "${control.name}" is no control of ${group}`);
    if ((mayBe1 & controlMask(key)) === 0)
      throw new Error(`Invariant broken: this processor does not offer "${control.name}"`);
    value |= controlMask(key);
  }
  return value >>> 0;
}

const when = (condition: boolean, ...keys: ControlKey[]): ControlKey[] => (condition ? keys : []);

/** Controls by field for a choice of exits. "IA-32e mode guest" depends on the guest's first mode and is added by the caller. */
export function wantedControls(
  exiting: Exiting,
): Readonly<Record<'pin' | 'proc1' | 'proc2' | 'exit1' | 'entry', readonly ControlKey[]>> {
  return {
    pin: ['externalInterruptExiting'],
    proc1: [
      'ioBitmaps',
      'msrBitmaps',
      'activateSecondary',
      ...when(exiting.hlt, 'hltExiting'),
      ...when(exiting.cr3, 'cr3LoadExiting', 'cr3StoreExiting'),
      ...when(exiting.cr8, 'cr8LoadExiting', 'cr8StoreExiting'),
      ...when(exiting.debugRegisters, 'movDrExiting'),
      ...when(exiting.rdtsc, 'rdtscExiting'),
      ...when(exiting.invlpg, 'invlpgExiting'),
      ...when(exiting.pause, 'pauseExiting'),
    ],
    proc2: [
      'enableEpt',
      'enableVpid',
      'unrestrictedGuest',
      'enableRdtscp',
      'enableInvpcid',
      'enableXsaves',
      ...when(exiting.wbinvd, 'wbinvdExiting'),
    ],
    exit1: [
      'hostAddressSpaceSize',
      'exitSaveDebugControls',
      'exitSavePat',
      'exitLoadPat',
      'exitSaveEfer',
      'exitLoadEfer',
    ],
    entry: ['entryLoadDebugControls', 'entryLoadPat', 'entryLoadEfer'],
  };
}

const MSR_RANGE = 0x2000;
const HIGH_MSRS = 0xc000_0000;
/** MSRs whose guest values the VMCS switches, or that the host never uses: the guest may have them without an exit. */
const PASSED_THROUGH_MSRS: readonly number[] = [
  0x174, // IA32_SYSENTER_CS
  0x175, // IA32_SYSENTER_ESP
  0x176, // IA32_SYSENTER_EIP
  0xc000_0100, // IA32_FS_BASE
  0xc000_0101, // IA32_GS_BASE
  0xc000_0102, // IA32_KERNEL_GS_BASE
];

/** The page of MSR bitmaps: read low, read high, write low, write high (SDM Vol. 3C, "MSR-Bitmap Address", 24.6.9). */
export function msrBitmap(exiting: Exiting): Uint8Array {
  const bitmap = new Uint8Array(4096).fill(0xff);
  if (exiting.msr === 'all') return bitmap;
  for (const index of PASSED_THROUGH_MSRS) {
    const bit = index % MSR_RANGE;
    const quarter = index >= HIGH_MSRS ? 0x400 : 0;
    for (const at of [quarter + (bit >> 3), 0x800 + quarter + (bit >> 3)]) bitmap[at] = bitmap[at] & ~(1 << (bit & 7));
  }
  return bitmap;
}
