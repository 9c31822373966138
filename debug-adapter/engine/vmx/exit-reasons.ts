/** Every VM-exit reason (SDM Vol. 3D, "VMX Basic Exit Reasons", appendix C). Breakpoints, views and handlers derive from it. */

/** Formats of the exit qualification, decoded in `qualifications.ts`. */
export type QualificationFormat =
  | 'none'
  | 'exception'
  | 'sipi'
  | 'io'
  | 'task-switch'
  | 'linear-address'
  | 'displacement'
  | 'cr-access'
  | 'dr-access'
  | 'mwait'
  | 'apic-access'
  | 'eoi-vector'
  | 'apic-write'
  | 'ept-violation'
  | 'pml-full'
  | 'spp'
  | 'instruction-timeout'
  | 'entry-failure'
  | 'msr-entry'
  | 'msr-index';

/** Formats of the VM-exit instruction-information field. */
export type InformationFormat =
  'ins-outs' | 'inv' | 'gdtr-idtr' | 'ldtr-tr' | 'rdrand' | 'vmx-mem' | 'vmread-vmwrite' | 'loadiwkey';

/** Groups that an exception breakpoint filter stands for. */
export type ExitGroup =
  | 'events'
  | 'instructions'
  | 'hypercall'
  | 'VMX instructions'
  | 'control and debug registers'
  | 'I/O'
  | 'MSR'
  | 'descriptor tables'
  | 'EPT'
  | 'APIC'
  | 'task switch'
  | 'VM-entry failure';

interface ExitReasonRow {
  /** Basic exit reason, bits 15:0 of the exit-reason field. */
  readonly code: number;
  readonly title: string;
  readonly group: ExitGroup;
  readonly qualification: QualificationFormat;
  /** Format of the instruction-information field; absent where that field is undefined. */
  readonly information?: InformationFormat;
  /** Whether the instruction length is valid: always, or only for some causes; absent: never. */
  readonly length?: 'valid' | 'sometimes';
}

export const EXIT_REASONS = {
  exceptionOrNmi: {
    code: 0,
    title: 'Exception or NMI',
    group: 'events',
    qualification: 'exception',
    length: 'sometimes',
  },
  externalInterrupt: { code: 1, title: 'External interrupt', group: 'events', qualification: 'none' },
  tripleFault: { code: 2, title: 'Triple fault', group: 'events', qualification: 'none' },
  init: { code: 3, title: 'INIT signal', group: 'events', qualification: 'none' },
  sipi: { code: 4, title: 'Start-up IPI (SIPI)', group: 'events', qualification: 'sipi' },
  ioSmi: { code: 5, title: 'I/O system-management interrupt (SMI)', group: 'events', qualification: 'io' },
  otherSmi: { code: 6, title: 'Other SMI', group: 'events', qualification: 'none' },
  interruptWindow: { code: 7, title: 'Interrupt window', group: 'events', qualification: 'none' },
  nmiWindow: { code: 8, title: 'NMI window', group: 'events', qualification: 'none' },
  taskSwitch: {
    code: 9,
    title: 'Task switch',
    group: 'task switch',
    qualification: 'task-switch',
    length: 'sometimes',
  },
  cpuid: { code: 10, title: 'CPUID', group: 'instructions', qualification: 'none', length: 'valid' },
  getsec: { code: 11, title: 'GETSEC', group: 'instructions', qualification: 'none', length: 'valid' },
  hlt: { code: 12, title: 'HLT', group: 'instructions', qualification: 'none', length: 'valid' },
  invd: { code: 13, title: 'INVD', group: 'instructions', qualification: 'none', length: 'valid' },
  invlpg: { code: 14, title: 'INVLPG', group: 'instructions', qualification: 'linear-address', length: 'valid' },
  rdpmc: { code: 15, title: 'RDPMC', group: 'instructions', qualification: 'none', length: 'valid' },
  rdtsc: { code: 16, title: 'RDTSC', group: 'instructions', qualification: 'none', length: 'valid' },
  rsm: { code: 17, title: 'RSM', group: 'instructions', qualification: 'none', length: 'valid' },
  vmcall: { code: 18, title: 'VMCALL', group: 'hypercall', qualification: 'none', length: 'valid' },
  vmclear: {
    code: 19,
    title: 'VMCLEAR',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'vmx-mem',
    length: 'valid',
  },
  vmlaunch: { code: 20, title: 'VMLAUNCH', group: 'VMX instructions', qualification: 'none', length: 'valid' },
  vmptrld: {
    code: 21,
    title: 'VMPTRLD',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'vmx-mem',
    length: 'valid',
  },
  vmptrst: {
    code: 22,
    title: 'VMPTRST',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'vmx-mem',
    length: 'valid',
  },
  vmread: {
    code: 23,
    title: 'VMREAD',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'vmread-vmwrite',
    length: 'valid',
  },
  vmresume: { code: 24, title: 'VMRESUME', group: 'VMX instructions', qualification: 'none', length: 'valid' },
  vmwrite: {
    code: 25,
    title: 'VMWRITE',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'vmread-vmwrite',
    length: 'valid',
  },
  vmxoff: { code: 26, title: 'VMXOFF', group: 'VMX instructions', qualification: 'none', length: 'valid' },
  vmxon: {
    code: 27,
    title: 'VMXON',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'vmx-mem',
    length: 'valid',
  },
  crAccess: {
    code: 28,
    title: 'Control-register access',
    group: 'control and debug registers',
    qualification: 'cr-access',
    length: 'valid',
  },
  drAccess: {
    code: 29,
    title: 'MOV DR',
    group: 'control and debug registers',
    qualification: 'dr-access',
    length: 'valid',
  },
  ioInstruction: {
    code: 30,
    title: 'I/O instruction',
    group: 'I/O',
    qualification: 'io',
    information: 'ins-outs',
    length: 'valid',
  },
  rdmsr: { code: 31, title: 'RDMSR', group: 'MSR', qualification: 'none', length: 'valid' },
  wrmsr: { code: 32, title: 'WRMSR', group: 'MSR', qualification: 'none', length: 'valid' },
  entryFailureGuestState: {
    code: 33,
    title: 'VM-entry failure: invalid guest state',
    group: 'VM-entry failure',
    qualification: 'entry-failure',
  },
  entryFailureMsrLoad: {
    code: 34,
    title: 'VM-entry failure: MSR loading',
    group: 'VM-entry failure',
    qualification: 'msr-entry',
  },
  mwait: { code: 36, title: 'MWAIT', group: 'instructions', qualification: 'mwait', length: 'valid' },
  monitorTrapFlag: { code: 37, title: 'Monitor trap flag', group: 'events', qualification: 'none' },
  monitor: { code: 39, title: 'MONITOR', group: 'instructions', qualification: 'none', length: 'valid' },
  pause: { code: 40, title: 'PAUSE', group: 'instructions', qualification: 'none', length: 'valid' },
  entryFailureMachineCheck: {
    code: 41,
    title: 'VM-entry failure: machine check',
    group: 'VM-entry failure',
    qualification: 'none',
  },
  tprBelowThreshold: { code: 43, title: 'TPR below threshold', group: 'APIC', qualification: 'none' },
  apicAccess: { code: 44, title: 'APIC access', group: 'APIC', qualification: 'apic-access', length: 'sometimes' },
  virtualizedEoi: { code: 45, title: 'Virtualized EOI', group: 'APIC', qualification: 'eoi-vector' },
  gdtrIdtr: {
    code: 46,
    title: 'Access to GDTR or IDTR',
    group: 'descriptor tables',
    qualification: 'displacement',
    information: 'gdtr-idtr',
    length: 'valid',
  },
  ldtrTr: {
    code: 47,
    title: 'Access to LDTR or TR',
    group: 'descriptor tables',
    qualification: 'displacement',
    information: 'ldtr-tr',
    length: 'valid',
  },
  eptViolation: { code: 48, title: 'EPT violation', group: 'EPT', qualification: 'ept-violation' },
  eptMisconfiguration: { code: 49, title: 'EPT misconfiguration', group: 'EPT', qualification: 'none' },
  invept: {
    code: 50,
    title: 'INVEPT',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'inv',
    length: 'valid',
  },
  rdtscp: { code: 51, title: 'RDTSCP', group: 'instructions', qualification: 'none', length: 'valid' },
  preemptionTimer: { code: 52, title: 'VMX-preemption timer expired', group: 'events', qualification: 'none' },
  invvpid: {
    code: 53,
    title: 'INVVPID',
    group: 'VMX instructions',
    qualification: 'displacement',
    information: 'inv',
    length: 'valid',
  },
  wbinvd: { code: 54, title: 'WBINVD or WBNOINVD', group: 'instructions', qualification: 'none', length: 'valid' },
  xsetbv: { code: 55, title: 'XSETBV', group: 'instructions', qualification: 'none', length: 'valid' },
  apicWrite: { code: 56, title: 'APIC write', group: 'APIC', qualification: 'apic-write' },
  rdrand: {
    code: 57,
    title: 'RDRAND',
    group: 'instructions',
    qualification: 'none',
    information: 'rdrand',
    length: 'valid',
  },
  invpcid: {
    code: 58,
    title: 'INVPCID',
    group: 'instructions',
    qualification: 'displacement',
    information: 'inv',
    length: 'valid',
  },
  vmfunc: { code: 59, title: 'VMFUNC', group: 'VMX instructions', qualification: 'none', length: 'valid' },
  encls: { code: 60, title: 'ENCLS', group: 'instructions', qualification: 'none', length: 'valid' },
  rdseed: {
    code: 61,
    title: 'RDSEED',
    group: 'instructions',
    qualification: 'none',
    information: 'rdrand',
    length: 'valid',
  },
  pmlFull: { code: 62, title: 'Page-modification log full', group: 'EPT', qualification: 'pml-full' },
  xsaves: {
    code: 63,
    title: 'XSAVES',
    group: 'instructions',
    qualification: 'displacement',
    information: 'vmx-mem',
    length: 'valid',
  },
  xrstors: {
    code: 64,
    title: 'XRSTORS',
    group: 'instructions',
    qualification: 'displacement',
    information: 'vmx-mem',
    length: 'valid',
  },
  pconfig: { code: 65, title: 'PCONFIG', group: 'instructions', qualification: 'none', length: 'valid' },
  sppEvent: { code: 66, title: 'SPP-related event', group: 'EPT', qualification: 'spp' },
  umwait: {
    code: 67,
    title: 'UMWAIT',
    group: 'instructions',
    qualification: 'none',
    information: 'rdrand',
    length: 'valid',
  },
  tpause: {
    code: 68,
    title: 'TPAUSE',
    group: 'instructions',
    qualification: 'none',
    information: 'rdrand',
    length: 'valid',
  },
  loadiwkey: {
    code: 69,
    title: 'LOADIWKEY',
    group: 'instructions',
    qualification: 'none',
    information: 'loadiwkey',
    length: 'valid',
  },
  enclv: { code: 70, title: 'ENCLV', group: 'instructions', qualification: 'none', length: 'valid' },
  enqcmd: {
    code: 72,
    title: 'ENQCMD PASID translation failure',
    group: 'instructions',
    qualification: 'none',
    length: 'valid',
  },
  enqcmds: {
    code: 73,
    title: 'ENQCMDS PASID translation failure',
    group: 'instructions',
    qualification: 'none',
    length: 'valid',
  },
  busLock: { code: 74, title: 'Bus lock', group: 'events', qualification: 'none' },
  instructionTimeout: { code: 75, title: 'Instruction timeout', group: 'events', qualification: 'instruction-timeout' },
  seamcall: { code: 76, title: 'SEAMCALL', group: 'instructions', qualification: 'none', length: 'valid' },
  tdcall: { code: 77, title: 'TDCALL', group: 'instructions', qualification: 'none', length: 'valid' },
  rdmsrlist: { code: 78, title: 'RDMSRLIST', group: 'MSR', qualification: 'msr-index', length: 'valid' },
  wrmsrlist: { code: 79, title: 'WRMSRLIST', group: 'MSR', qualification: 'msr-index', length: 'valid' },
  urdmsr: { code: 80, title: 'URDMSR', group: 'MSR', qualification: 'msr-index', length: 'valid' },
  uwrmsr: { code: 81, title: 'UWRMSR', group: 'MSR', qualification: 'msr-index', length: 'valid' },
  rdmsrImmediate: {
    code: 84,
    title: 'RDMSR (immediate form)',
    group: 'MSR',
    qualification: 'msr-index',
    length: 'valid',
  },
  wrmsrnsImmediate: {
    code: 85,
    title: 'WRMSRNS (immediate form)',
    group: 'MSR',
    qualification: 'msr-index',
    length: 'valid',
  },
} as const satisfies Record<string, ExitReasonRow>;

export type ExitName = keyof typeof EXIT_REASONS;
export const EXIT_NAMES = Object.keys(EXIT_REASONS) as readonly ExitName[];
export type { ExitReasonRow };
export const exitReason = (name: ExitName): ExitReasonRow => EXIT_REASONS[name];

const byCode = new Map<number, ExitName>(EXIT_NAMES.map((name) => [EXIT_REASONS[name].code, name]));
/** Name of a basic exit reason; undefined for numbers that no processor uses. */
export const exitNameOf = (basicReason: number): ExitName | undefined => byCode.get(basicReason);

/** Bit 31 of the exit-reason field: the VM entry failed. */
export const EXIT_REASON_ENTRY_FAILURE = 0x8000_0000;
