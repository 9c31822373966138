/**
 * The bits of the VMX control fields (SDM Vol. 3C, "VM-Execution Control Fields" 24.6, "VM-Exit Control Fields" 24.7,
 * "VM-Entry Control Fields" 24.8). Which of them this processor offers is said in `capabilities.ts` only.
 */

export type ControlGroup = 'pin' | 'proc1' | 'proc2' | 'proc3' | 'exit1' | 'exit2' | 'entry' | 'vmfunc';

interface ControlRow {
  readonly group: ControlGroup;
  /** Bit number in the field of the group. */
  readonly bit: number;
  /** The manual's name. */
  readonly name: string;
}

export const CONTROLS = {
  externalInterruptExiting: { group: 'pin', bit: 0, name: 'External-interrupt exiting' },
  nmiExiting: { group: 'pin', bit: 3, name: 'NMI exiting' },
  virtualNmis: { group: 'pin', bit: 5, name: 'Virtual NMIs' },
  preemptionTimer: { group: 'pin', bit: 6, name: 'Activate VMX-preemption timer' },
  postedInterrupts: { group: 'pin', bit: 7, name: 'Process posted interrupts' },

  interruptWindowExiting: { group: 'proc1', bit: 2, name: 'Interrupt-window exiting' },
  tscOffsetting: { group: 'proc1', bit: 3, name: 'Use TSC offsetting' },
  hltExiting: { group: 'proc1', bit: 7, name: 'HLT exiting' },
  invlpgExiting: { group: 'proc1', bit: 9, name: 'INVLPG exiting' },
  mwaitExiting: { group: 'proc1', bit: 10, name: 'MWAIT exiting' },
  rdpmcExiting: { group: 'proc1', bit: 11, name: 'RDPMC exiting' },
  rdtscExiting: { group: 'proc1', bit: 12, name: 'RDTSC exiting' },
  cr3LoadExiting: { group: 'proc1', bit: 15, name: 'CR3-load exiting' },
  cr3StoreExiting: { group: 'proc1', bit: 16, name: 'CR3-store exiting' },
  activateTertiary: { group: 'proc1', bit: 17, name: 'Activate tertiary controls' },
  cr8LoadExiting: { group: 'proc1', bit: 19, name: 'CR8-load exiting' },
  cr8StoreExiting: { group: 'proc1', bit: 20, name: 'CR8-store exiting' },
  tprShadow: { group: 'proc1', bit: 21, name: 'Use TPR shadow' },
  nmiWindowExiting: { group: 'proc1', bit: 22, name: 'NMI-window exiting' },
  movDrExiting: { group: 'proc1', bit: 23, name: 'MOV-DR exiting' },
  unconditionalIoExiting: { group: 'proc1', bit: 24, name: 'Unconditional I/O exiting' },
  ioBitmaps: { group: 'proc1', bit: 25, name: 'Use I/O bitmaps' },
  monitorTrapFlag: { group: 'proc1', bit: 27, name: 'Monitor trap flag' },
  msrBitmaps: { group: 'proc1', bit: 28, name: 'Use MSR bitmaps' },
  monitorExiting: { group: 'proc1', bit: 29, name: 'MONITOR exiting' },
  pauseExiting: { group: 'proc1', bit: 30, name: 'PAUSE exiting' },
  activateSecondary: { group: 'proc1', bit: 31, name: 'Activate secondary controls' },

  virtualizeApicAccesses: { group: 'proc2', bit: 0, name: 'Virtualize APIC accesses' },
  enableEpt: { group: 'proc2', bit: 1, name: 'Enable EPT' },
  descriptorTableExiting: { group: 'proc2', bit: 2, name: 'Descriptor-table exiting' },
  enableRdtscp: { group: 'proc2', bit: 3, name: 'Enable RDTSCP' },
  virtualizeX2apic: { group: 'proc2', bit: 4, name: 'Virtualize x2APIC mode' },
  enableVpid: { group: 'proc2', bit: 5, name: 'Enable VPID' },
  wbinvdExiting: { group: 'proc2', bit: 6, name: 'WBINVD exiting' },
  unrestrictedGuest: { group: 'proc2', bit: 7, name: 'Unrestricted guest' },
  apicRegisterVirtualization: { group: 'proc2', bit: 8, name: 'APIC-register virtualization' },
  virtualInterruptDelivery: { group: 'proc2', bit: 9, name: 'Virtual-interrupt delivery' },
  pauseLoopExiting: { group: 'proc2', bit: 10, name: 'PAUSE-loop exiting' },
  rdrandExiting: { group: 'proc2', bit: 11, name: 'RDRAND exiting' },
  enableInvpcid: { group: 'proc2', bit: 12, name: 'Enable INVPCID' },
  enableVmfunc: { group: 'proc2', bit: 13, name: 'Enable VM functions' },
  vmcsShadowing: { group: 'proc2', bit: 14, name: 'VMCS shadowing' },
  enclsExiting: { group: 'proc2', bit: 15, name: 'Enable ENCLS exiting' },
  rdseedExiting: { group: 'proc2', bit: 16, name: 'RDSEED exiting' },
  enablePml: { group: 'proc2', bit: 17, name: 'Enable PML' },
  eptViolationVe: { group: 'proc2', bit: 18, name: 'EPT-violation #VE' },
  concealFromPt: { group: 'proc2', bit: 19, name: 'Conceal VMX from PT' },
  enableXsaves: { group: 'proc2', bit: 20, name: 'Enable XSAVES/XRSTORS' },
  pasidTranslation: { group: 'proc2', bit: 21, name: 'PASID translation' },
  modeBasedExecute: { group: 'proc2', bit: 22, name: 'Mode-based execute control for EPT' },
  subPageWrite: { group: 'proc2', bit: 23, name: 'Sub-page write permissions for EPT' },
  ptUsesGuestPhysical: { group: 'proc2', bit: 24, name: 'Intel PT uses guest physical addresses' },
  tscScaling: { group: 'proc2', bit: 25, name: 'Use TSC scaling' },
  enableUserWaitPause: { group: 'proc2', bit: 26, name: 'Enable user wait and pause' },
  enablePconfig: { group: 'proc2', bit: 27, name: 'Enable PCONFIG' },
  enclvExiting: { group: 'proc2', bit: 28, name: 'Enable ENCLV exiting' },
  busLockDetection: { group: 'proc2', bit: 30, name: 'VMM bus-lock detection' },
  instructionTimeout: { group: 'proc2', bit: 31, name: 'Instruction timeout' },

  loadiwkeyExiting: { group: 'proc3', bit: 0, name: 'LOADIWKEY exiting' },
  enableHlat: { group: 'proc3', bit: 1, name: 'Enable HLAT' },
  eptPagingWrite: { group: 'proc3', bit: 2, name: 'EPT paging-write control' },
  guestPagingVerification: { group: 'proc3', bit: 3, name: 'Guest-paging verification' },
  ipiVirtualization: { group: 'proc3', bit: 4, name: 'IPI virtualization' },
  enableMsrList: { group: 'proc3', bit: 6, name: 'Enable MSR-list instructions' },
  virtualizeSpecCtrl: { group: 'proc3', bit: 7, name: 'Virtualize IA32_SPEC_CTRL' },
  virtualizeApicTimer: { group: 'proc3', bit: 8, name: 'APIC-timer virtualization' },

  exitSaveDebugControls: { group: 'exit1', bit: 2, name: 'Save debug controls' },
  hostAddressSpaceSize: { group: 'exit1', bit: 9, name: 'Host address-space size' },
  exitLoadPerfGlobalCtrl: { group: 'exit1', bit: 12, name: 'Load IA32_PERF_GLOBAL_CTRL' },
  acknowledgeInterruptOnExit: { group: 'exit1', bit: 15, name: 'Acknowledge interrupt on exit' },
  exitSavePat: { group: 'exit1', bit: 18, name: 'Save IA32_PAT' },
  exitLoadPat: { group: 'exit1', bit: 19, name: 'Load IA32_PAT' },
  exitSaveEfer: { group: 'exit1', bit: 20, name: 'Save IA32_EFER' },
  exitLoadEfer: { group: 'exit1', bit: 21, name: 'Load IA32_EFER' },
  exitSavePreemptionTimer: { group: 'exit1', bit: 22, name: 'Save VMX-preemption timer value' },
  exitClearBndcfgs: { group: 'exit1', bit: 23, name: 'Clear IA32_BNDCFGS' },
  exitConcealFromPt: { group: 'exit1', bit: 24, name: 'Conceal VMX from PT' },
  exitClearRtitCtl: { group: 'exit1', bit: 25, name: 'Clear IA32_RTIT_CTL' },
  exitClearLbrCtl: { group: 'exit1', bit: 26, name: 'Clear IA32_LBR_CTL' },
  exitClearUinv: { group: 'exit1', bit: 27, name: 'Clear UINV' },
  exitLoadCet: { group: 'exit1', bit: 28, name: 'Load CET state' },
  exitLoadPkrs: { group: 'exit1', bit: 29, name: 'Load PKRS' },
  exitSavePerfGlobalCtrl: { group: 'exit1', bit: 30, name: 'Save IA32_PERF_GLOBAL_CTRL' },
  exitActivateSecondary: { group: 'exit1', bit: 31, name: 'Activate secondary controls' },

  exitSaveFred: { group: 'exit2', bit: 0, name: 'Save FRED' },
  exitLoadFred: { group: 'exit2', bit: 1, name: 'Load FRED' },
  exitLoadSpecCtrl: { group: 'exit2', bit: 2, name: 'Load IA32_SPEC_CTRL' },
  exitPrematurelyBusyShadowStack: { group: 'exit2', bit: 3, name: 'Prematurely busy shadow stack' },

  entryLoadDebugControls: { group: 'entry', bit: 2, name: 'Load debug controls' },
  ia32eModeGuest: { group: 'entry', bit: 9, name: 'IA-32e mode guest' },
  entryToSmm: { group: 'entry', bit: 10, name: 'Entry to SMM' },
  entryDeactivateDualMonitor: { group: 'entry', bit: 11, name: 'Deactivate dual-monitor treatment' },
  entryLoadPerfGlobalCtrl: { group: 'entry', bit: 13, name: 'Load IA32_PERF_GLOBAL_CTRL' },
  entryLoadPat: { group: 'entry', bit: 14, name: 'Load IA32_PAT' },
  entryLoadEfer: { group: 'entry', bit: 15, name: 'Load IA32_EFER' },
  entryLoadBndcfgs: { group: 'entry', bit: 16, name: 'Load IA32_BNDCFGS' },
  entryConcealFromPt: { group: 'entry', bit: 17, name: 'Conceal VMX from PT' },
  entryLoadRtitCtl: { group: 'entry', bit: 18, name: 'Load IA32_RTIT_CTL' },
  entryLoadUinv: { group: 'entry', bit: 19, name: 'Load UINV' },
  entryLoadCet: { group: 'entry', bit: 20, name: 'Load CET state' },
  entryLoadLbrCtl: { group: 'entry', bit: 21, name: 'Load guest IA32_LBR_CTL' },
  entryLoadPkrs: { group: 'entry', bit: 22, name: 'Load PKRS' },
  entryLoadFred: { group: 'entry', bit: 23, name: 'Load FRED' },
  entryLoadSpecCtrl: { group: 'entry', bit: 24, name: 'Load IA32_SPEC_CTRL' },

  eptpSwitching: { group: 'vmfunc', bit: 0, name: 'EPTP switching' },
} as const satisfies Record<string, ControlRow>;

export type ControlKey = keyof typeof CONTROLS;
export const CONTROL_KEYS = Object.keys(CONTROLS) as readonly ControlKey[];

interface ControlGroupRow {
  readonly title: string;
  /** VMCS field that holds the group. */
  readonly field:
    | 'PIN_CONTROLS'
    | 'PROC1_CONTROLS'
    | 'PROC2_CONTROLS'
    | 'PROC3_CONTROLS'
    | 'EXIT1_CONTROLS'
    | 'EXIT2_CONTROLS'
    | 'ENTRY_CONTROLS'
    | 'VM_FUNCTION_CONTROLS';
  /** Bits that the original capability MSRs report as must-be-1 (SDM Vol. 3D, "VM-Execution Controls" A.3 to A.5). */
  readonly default1: number;
  /** Control without which the whole group counts as 0. */
  readonly activatedBy: ControlKey | undefined;
}

export const CONTROL_GROUPS: Readonly<Record<ControlGroup, ControlGroupRow>> = {
  pin: {
    title: 'Pin-based VM-execution controls',
    field: 'PIN_CONTROLS',
    default1: 0x00000016,
    activatedBy: undefined,
  },
  proc1: {
    title: 'Primary processor-based VM-execution controls',
    field: 'PROC1_CONTROLS',
    default1: 0x0401e172,
    activatedBy: undefined,
  },
  proc2: {
    title: 'Secondary processor-based VM-execution controls',
    field: 'PROC2_CONTROLS',
    default1: 0x00000000,
    activatedBy: 'activateSecondary',
  },
  proc3: {
    title: 'Tertiary processor-based VM-execution controls',
    field: 'PROC3_CONTROLS',
    default1: 0x00000000,
    activatedBy: 'activateTertiary',
  },
  exit1: { title: 'VM-exit controls (primary)', field: 'EXIT1_CONTROLS', default1: 0x00036dff, activatedBy: undefined },
  exit2: {
    title: 'Secondary VM-exit controls',
    field: 'EXIT2_CONTROLS',
    default1: 0x00000000,
    activatedBy: 'exitActivateSecondary',
  },
  entry: { title: 'VM-entry controls', field: 'ENTRY_CONTROLS', default1: 0x000011ff, activatedBy: undefined },
  vmfunc: {
    title: 'VM-function controls',
    field: 'VM_FUNCTION_CONTROLS',
    default1: 0x00000000,
    activatedBy: 'enableVmfunc',
  },
};

/** Mask of a control within its field, as a signed 32-bit number so that `value & mask` needs no conversion. */
export const controlMask = (key: ControlKey): number => 1 << CONTROLS[key].bit;

/** Default1 controls that may nevertheless be 0 because the TRUE capability MSRs exist: they have a meaning of their own. */
export const FLEXIBLE_DEFAULT1: readonly ControlKey[] = [
  'cr3LoadExiting',
  'cr3StoreExiting',
  'exitSaveDebugControls',
  'entryLoadDebugControls',
];
