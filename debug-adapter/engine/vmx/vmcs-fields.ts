/**
 * Every field of the VMCS (SDM Vol. 3D, "Field Encoding in VMCS", appendix B). A row holds what the encoding does not say;
 * width, area and access type are bits of the encoding and derived below.
 */
import type { ControlKey } from './controls.ts';

interface VmcsFieldRow {
  /** Encoding of the full access; a 64-bit field also has a high access, one more (bits 63:32). */
  readonly encoding: number;
  readonly name: string;
  /**
   * The field exists where one of these controls may be 1. Absent: it always exists. Empty: only on processors with features
   * that have no control (TDX, FRED transitions), so never here.
   */
  readonly exists?: readonly ControlKey[];
}

export const VMCS_FIELDS = {
  // 16-bit control
  VPID: { encoding: 0x0000, name: 'Virtual-processor identifier', exists: ['enableVpid'] },
  POSTED_INTR_NV: { encoding: 0x0002, name: 'Posted-interrupt notification vector', exists: ['postedInterrupts'] },
  EPTP_INDEX: { encoding: 0x0004, name: 'EPTP index', exists: ['eptViolationVe'] },
  HLAT_PREFIX_SIZE: { encoding: 0x0006, name: 'HLAT prefix size', exists: ['enableHlat'] },
  LAST_PID_PTR_INDEX: { encoding: 0x0008, name: 'Last PID-pointer index', exists: ['ipiVirtualization'] },
  VIRTUAL_TIMER_VECTOR: { encoding: 0x000a, name: 'Virtual timer vector', exists: ['virtualizeApicTimer'] },

  // 16-bit guest-state
  GUEST_ES_SELECTOR: { encoding: 0x0800, name: 'Guest ES selector' },
  GUEST_CS_SELECTOR: { encoding: 0x0802, name: 'Guest CS selector' },
  GUEST_SS_SELECTOR: { encoding: 0x0804, name: 'Guest SS selector' },
  GUEST_DS_SELECTOR: { encoding: 0x0806, name: 'Guest DS selector' },
  GUEST_FS_SELECTOR: { encoding: 0x0808, name: 'Guest FS selector' },
  GUEST_GS_SELECTOR: { encoding: 0x080a, name: 'Guest GS selector' },
  GUEST_LDTR_SELECTOR: { encoding: 0x080c, name: 'Guest LDTR selector' },
  GUEST_TR_SELECTOR: { encoding: 0x080e, name: 'Guest TR selector' },
  GUEST_INTR_STATUS: { encoding: 0x0810, name: 'Guest interrupt status', exists: ['virtualInterruptDelivery'] },
  PML_INDEX: { encoding: 0x0812, name: 'PML index', exists: ['enablePml'] },
  GUEST_UINV: { encoding: 0x0814, name: 'Guest UINV', exists: ['entryLoadUinv', 'exitClearUinv'] },

  // 16-bit host-state
  HOST_ES_SELECTOR: { encoding: 0x0c00, name: 'Host ES selector' },
  HOST_CS_SELECTOR: { encoding: 0x0c02, name: 'Host CS selector' },
  HOST_SS_SELECTOR: { encoding: 0x0c04, name: 'Host SS selector' },
  HOST_DS_SELECTOR: { encoding: 0x0c06, name: 'Host DS selector' },
  HOST_FS_SELECTOR: { encoding: 0x0c08, name: 'Host FS selector' },
  HOST_GS_SELECTOR: { encoding: 0x0c0a, name: 'Host GS selector' },
  HOST_TR_SELECTOR: { encoding: 0x0c0c, name: 'Host TR selector' },

  // 64-bit control
  IO_BITMAP_A: { encoding: 0x2000, name: 'Address of I/O bitmap A' },
  IO_BITMAP_B: { encoding: 0x2002, name: 'Address of I/O bitmap B' },
  MSR_BITMAP: { encoding: 0x2004, name: 'Address of MSR bitmaps', exists: ['msrBitmaps'] },
  EXIT_MSR_STORE_ADDR: { encoding: 0x2006, name: 'VM-exit MSR-store address' },
  EXIT_MSR_LOAD_ADDR: { encoding: 0x2008, name: 'VM-exit MSR-load address' },
  ENTRY_MSR_LOAD_ADDR: { encoding: 0x200a, name: 'VM-entry MSR-load address' },
  EXECUTIVE_VMCS_PTR: { encoding: 0x200c, name: 'Executive-VMCS pointer' },
  PML_ADDRESS: { encoding: 0x200e, name: 'PML address', exists: ['enablePml'] },
  TSC_OFFSET: { encoding: 0x2010, name: 'TSC offset' },
  VIRTUAL_APIC_ADDR: { encoding: 0x2012, name: 'Virtual-APIC address', exists: ['tprShadow'] },
  APIC_ACCESS_ADDR: { encoding: 0x2014, name: 'APIC-access address', exists: ['virtualizeApicAccesses'] },
  POSTED_INTR_DESC_ADDR: {
    encoding: 0x2016,
    name: 'Posted-interrupt descriptor address',
    exists: ['postedInterrupts'],
  },
  VM_FUNCTION_CONTROLS: { encoding: 0x2018, name: 'VM-function controls', exists: ['enableVmfunc'] },
  EPTP: { encoding: 0x201a, name: 'EPT pointer', exists: ['enableEpt'] },
  EOI_EXIT0: { encoding: 0x201c, name: 'EOI-exit bitmap 0', exists: ['virtualInterruptDelivery'] },
  EOI_EXIT1: { encoding: 0x201e, name: 'EOI-exit bitmap 1', exists: ['virtualInterruptDelivery'] },
  EOI_EXIT2: { encoding: 0x2020, name: 'EOI-exit bitmap 2', exists: ['virtualInterruptDelivery'] },
  EOI_EXIT3: { encoding: 0x2022, name: 'EOI-exit bitmap 3', exists: ['virtualInterruptDelivery'] },
  EPTP_LIST_ADDRESS: { encoding: 0x2024, name: 'EPTP-list address', exists: ['eptpSwitching'] },
  VMREAD_BITMAP: { encoding: 0x2026, name: 'VMREAD-bitmap address', exists: ['vmcsShadowing'] },
  VMWRITE_BITMAP: { encoding: 0x2028, name: 'VMWRITE-bitmap address', exists: ['vmcsShadowing'] },
  VE_INFO_ADDRESS: {
    encoding: 0x202a,
    name: 'Virtualization-exception information address',
    exists: ['eptViolationVe'],
  },
  XSS_EXITING_BITMAP: { encoding: 0x202c, name: 'XSS-exiting bitmap', exists: ['enableXsaves'] },
  ENCLS_EXITING_BITMAP: { encoding: 0x202e, name: 'ENCLS-exiting bitmap', exists: ['enclsExiting'] },
  SPPTP: { encoding: 0x2030, name: 'Sub-page-permission-table pointer', exists: ['subPageWrite'] },
  TSC_MULTIPLIER: { encoding: 0x2032, name: 'TSC multiplier', exists: ['tscScaling'] },
  PROC3_CONTROLS: {
    encoding: 0x2034,
    name: 'Tertiary processor-based VM-execution controls',
    exists: ['activateTertiary'],
  },
  ENCLV_EXITING_BITMAP: { encoding: 0x2036, name: 'ENCLV-exiting bitmap', exists: ['enclvExiting'] },
  LOW_PASID_DIR: { encoding: 0x2038, name: 'Low PASID directory address', exists: ['pasidTranslation'] },
  HIGH_PASID_DIR: { encoding: 0x203a, name: 'High PASID directory address', exists: ['pasidTranslation'] },
  SHARED_EPTP: { encoding: 0x203c, name: 'Shared EPT pointer', exists: [] },
  PCONFIG_EXITING_BITMAP: { encoding: 0x203e, name: 'PCONFIG-exiting bitmap', exists: ['enablePconfig'] },
  HLATP: { encoding: 0x2040, name: 'Hypervisor-managed linear-address translation pointer', exists: ['enableHlat'] },
  PID_PTR_TABLE_ADDR: { encoding: 0x2042, name: 'PID-pointer table address', exists: ['ipiVirtualization'] },
  EXIT2_CONTROLS: { encoding: 0x2044, name: 'Secondary VM-exit controls', exists: ['exitActivateSecondary'] },
  SPEC_CTRL_MASK: { encoding: 0x204a, name: 'IA32_SPEC_CTRL mask', exists: ['virtualizeSpecCtrl'] },
  SPEC_CTRL_SHADOW: { encoding: 0x204c, name: 'IA32_SPEC_CTRL shadow', exists: ['virtualizeSpecCtrl'] },
  GUEST_DEADLINE_SHADOW: { encoding: 0x204e, name: 'Guest deadline shadow', exists: ['virtualizeApicTimer'] },
  INJECTED_EVENT_DATA: { encoding: 0x2052, name: 'Injected-event data', exists: [] },

  // 64-bit exit-info
  GUEST_PHYSICAL_ADDRESS: { encoding: 0x2400, name: 'Guest-physical address', exists: ['enableEpt'] },
  MSR_DATA: { encoding: 0x2402, name: 'MSR data', exists: ['enableMsrList'] },
  ORIGINAL_EVENT_DATA: { encoding: 0x2404, name: 'Original-event data', exists: [] },

  // 64-bit guest-state
  VMCS_LINK_PTR: { encoding: 0x2800, name: 'VMCS link pointer' },
  GUEST_IA32_DEBUGCTL: { encoding: 0x2802, name: 'Guest IA32_DEBUGCTL' },
  GUEST_IA32_PAT: { encoding: 0x2804, name: 'Guest IA32_PAT', exists: ['entryLoadPat', 'exitSavePat'] },
  GUEST_IA32_EFER: { encoding: 0x2806, name: 'Guest IA32_EFER', exists: ['entryLoadEfer', 'exitSaveEfer'] },
  GUEST_IA32_PERF_GLOBAL_CTRL: {
    encoding: 0x2808,
    name: 'Guest IA32_PERF_GLOBAL_CTRL',
    exists: ['entryLoadPerfGlobalCtrl', 'exitSavePerfGlobalCtrl'],
  },
  GUEST_PDPTE0: { encoding: 0x280a, name: 'Guest PDPTE0', exists: ['enableEpt'] },
  GUEST_PDPTE1: { encoding: 0x280c, name: 'Guest PDPTE1', exists: ['enableEpt'] },
  GUEST_PDPTE2: { encoding: 0x280e, name: 'Guest PDPTE2', exists: ['enableEpt'] },
  GUEST_PDPTE3: { encoding: 0x2810, name: 'Guest PDPTE3', exists: ['enableEpt'] },
  GUEST_IA32_BNDCFGS: {
    encoding: 0x2812,
    name: 'Guest IA32_BNDCFGS',
    exists: ['entryLoadBndcfgs', 'exitClearBndcfgs'],
  },
  GUEST_IA32_RTIT_CTL: {
    encoding: 0x2814,
    name: 'Guest IA32_RTIT_CTL',
    exists: ['entryLoadRtitCtl', 'exitClearRtitCtl'],
  },
  GUEST_IA32_LBR_CTL: { encoding: 0x2816, name: 'Guest IA32_LBR_CTL', exists: ['entryLoadLbrCtl', 'exitClearLbrCtl'] },
  GUEST_IA32_PKRS: { encoding: 0x2818, name: 'Guest IA32_PKRS', exists: ['entryLoadPkrs'] },
  GUEST_IA32_FRED_CONFIG: {
    encoding: 0x281a,
    name: 'Guest IA32_FRED_CONFIG',
    exists: ['entryLoadFred', 'exitSaveFred'],
  },
  GUEST_IA32_FRED_RSP1: { encoding: 0x281c, name: 'Guest IA32_FRED_RSP1', exists: ['entryLoadFred', 'exitSaveFred'] },
  GUEST_IA32_FRED_RSP2: { encoding: 0x281e, name: 'Guest IA32_FRED_RSP2', exists: ['entryLoadFred', 'exitSaveFred'] },
  GUEST_IA32_FRED_RSP3: { encoding: 0x2820, name: 'Guest IA32_FRED_RSP3', exists: ['entryLoadFred', 'exitSaveFred'] },
  GUEST_IA32_FRED_STKLVLS: {
    encoding: 0x2822,
    name: 'Guest IA32_FRED_STKLVLS',
    exists: ['entryLoadFred', 'exitSaveFred'],
  },
  GUEST_IA32_FRED_SSP1: { encoding: 0x2824, name: 'Guest IA32_FRED_SSP1', exists: ['entryLoadFred', 'exitSaveFred'] },
  GUEST_IA32_FRED_SSP2: { encoding: 0x2826, name: 'Guest IA32_FRED_SSP2', exists: ['entryLoadFred', 'exitSaveFred'] },
  GUEST_IA32_FRED_SSP3: { encoding: 0x2828, name: 'Guest IA32_FRED_SSP3', exists: ['entryLoadFred', 'exitSaveFred'] },
  GUEST_IA32_SPEC_CTRL: { encoding: 0x282e, name: 'Guest IA32_SPEC_CTRL', exists: ['entryLoadSpecCtrl'] },
  GUEST_DEADLINE: { encoding: 0x2830, name: 'Guest deadline', exists: ['virtualizeApicTimer'] },

  // 64-bit host-state
  HOST_IA32_PAT: { encoding: 0x2c00, name: 'Host IA32_PAT', exists: ['exitLoadPat'] },
  HOST_IA32_EFER: { encoding: 0x2c02, name: 'Host IA32_EFER', exists: ['exitLoadEfer'] },
  HOST_IA32_PERF_GLOBAL_CTRL: {
    encoding: 0x2c04,
    name: 'Host IA32_PERF_GLOBAL_CTRL',
    exists: ['exitLoadPerfGlobalCtrl'],
  },
  HOST_IA32_PKRS: { encoding: 0x2c06, name: 'Host IA32_PKRS', exists: ['exitLoadPkrs'] },
  HOST_IA32_FRED_CONFIG: { encoding: 0x2c08, name: 'Host IA32_FRED_CONFIG', exists: ['exitLoadFred'] },
  HOST_IA32_FRED_RSP1: { encoding: 0x2c0a, name: 'Host IA32_FRED_RSP1', exists: ['exitLoadFred'] },
  HOST_IA32_FRED_RSP2: { encoding: 0x2c0c, name: 'Host IA32_FRED_RSP2', exists: ['exitLoadFred'] },
  HOST_IA32_FRED_RSP3: { encoding: 0x2c0e, name: 'Host IA32_FRED_RSP3', exists: ['exitLoadFred'] },
  HOST_IA32_FRED_STKLVLS: { encoding: 0x2c10, name: 'Host IA32_FRED_STKLVLS', exists: ['exitLoadFred'] },
  HOST_IA32_FRED_SSP1: { encoding: 0x2c12, name: 'Host IA32_FRED_SSP1', exists: ['exitLoadFred'] },
  HOST_IA32_FRED_SSP2: { encoding: 0x2c14, name: 'Host IA32_FRED_SSP2', exists: ['exitLoadFred'] },
  HOST_IA32_FRED_SSP3: { encoding: 0x2c16, name: 'Host IA32_FRED_SSP3', exists: ['exitLoadFred'] },
  HOST_IA32_SPEC_CTRL: { encoding: 0x2c1a, name: 'Host IA32_SPEC_CTRL', exists: ['exitLoadSpecCtrl'] },

  // 32-bit control
  PIN_CONTROLS: { encoding: 0x4000, name: 'Pin-based VM-execution controls' },
  PROC1_CONTROLS: { encoding: 0x4002, name: 'Primary processor-based VM-execution controls' },
  EXCEPTION_BITMAP: { encoding: 0x4004, name: 'Exception bitmap' },
  PFEC_MASK: { encoding: 0x4006, name: 'Page-fault error-code mask' },
  PFEC_MATCH: { encoding: 0x4008, name: 'Page-fault error-code match' },
  CR3_TARGET_COUNT: { encoding: 0x400a, name: 'CR3-target count' },
  EXIT1_CONTROLS: { encoding: 0x400c, name: 'VM-exit controls' },
  EXIT_MSR_STORE_COUNT: { encoding: 0x400e, name: 'VM-exit MSR-store count' },
  EXIT_MSR_LOAD_COUNT: { encoding: 0x4010, name: 'VM-exit MSR-load count' },
  ENTRY_CONTROLS: { encoding: 0x4012, name: 'VM-entry controls' },
  ENTRY_MSR_LOAD_COUNT: { encoding: 0x4014, name: 'VM-entry MSR-load count' },
  ENTRY_INTR_INFO: { encoding: 0x4016, name: 'VM-entry interruption-information' },
  ENTRY_EXCEPTION_EC: { encoding: 0x4018, name: 'VM-entry exception error code' },
  ENTRY_INSTR_LEN: { encoding: 0x401a, name: 'VM-entry instruction length' },
  TPR_THRESHOLD: { encoding: 0x401c, name: 'TPR threshold', exists: ['tprShadow'] },
  PROC2_CONTROLS: {
    encoding: 0x401e,
    name: 'Secondary processor-based VM-execution controls',
    exists: ['activateSecondary'],
  },
  PLE_GAP: { encoding: 0x4020, name: 'PLE_Gap', exists: ['pauseLoopExiting'] },
  PLE_WINDOW: { encoding: 0x4022, name: 'PLE_Window', exists: ['pauseLoopExiting'] },
  INSTR_TIMEOUT: { encoding: 0x4024, name: 'Instruction-timeout control', exists: ['instructionTimeout'] },
  SEAM_GUEST_KEYID: { encoding: 0x4026, name: 'SEAM guest KeyID', exists: [] },

  // 32-bit exit-info
  VM_INSTRUCTION_ERROR: { encoding: 0x4400, name: 'VM-instruction error' },
  EXIT_REASON: { encoding: 0x4402, name: 'Exit reason' },
  EXIT_INTR_INFO: { encoding: 0x4404, name: 'VM-exit interruption information' },
  EXIT_INTR_EC: { encoding: 0x4406, name: 'VM-exit interruption error code' },
  IDT_VECTORING_INFO: { encoding: 0x4408, name: 'IDT-vectoring information' },
  IDT_VECTORING_EC: { encoding: 0x440a, name: 'IDT-vectoring error code' },
  EXIT_INSTR_LEN: { encoding: 0x440c, name: 'VM-exit instruction length' },
  EXIT_INSTR_INFO: { encoding: 0x440e, name: 'VM-exit instruction information' },

  // 32-bit guest-state
  GUEST_ES_LIMIT: { encoding: 0x4800, name: 'Guest ES limit' },
  GUEST_CS_LIMIT: { encoding: 0x4802, name: 'Guest CS limit' },
  GUEST_SS_LIMIT: { encoding: 0x4804, name: 'Guest SS limit' },
  GUEST_DS_LIMIT: { encoding: 0x4806, name: 'Guest DS limit' },
  GUEST_FS_LIMIT: { encoding: 0x4808, name: 'Guest FS limit' },
  GUEST_GS_LIMIT: { encoding: 0x480a, name: 'Guest GS limit' },
  GUEST_LDTR_LIMIT: { encoding: 0x480c, name: 'Guest LDTR limit' },
  GUEST_TR_LIMIT: { encoding: 0x480e, name: 'Guest TR limit' },
  GUEST_GDTR_LIMIT: { encoding: 0x4810, name: 'Guest GDTR limit' },
  GUEST_IDTR_LIMIT: { encoding: 0x4812, name: 'Guest IDTR limit' },
  GUEST_ES_AR: { encoding: 0x4814, name: 'Guest ES access rights' },
  GUEST_CS_AR: { encoding: 0x4816, name: 'Guest CS access rights' },
  GUEST_SS_AR: { encoding: 0x4818, name: 'Guest SS access rights' },
  GUEST_DS_AR: { encoding: 0x481a, name: 'Guest DS access rights' },
  GUEST_FS_AR: { encoding: 0x481c, name: 'Guest FS access rights' },
  GUEST_GS_AR: { encoding: 0x481e, name: 'Guest GS access rights' },
  GUEST_LDTR_AR: { encoding: 0x4820, name: 'Guest LDTR access rights' },
  GUEST_TR_AR: { encoding: 0x4822, name: 'Guest TR access rights' },
  GUEST_INTERRUPTIBILITY: { encoding: 0x4824, name: 'Guest interruptibility state' },
  GUEST_ACTIVITY: { encoding: 0x4826, name: 'Guest activity state' },
  GUEST_SMBASE: { encoding: 0x4828, name: 'Guest SMBASE' },
  GUEST_SYSENTER_CS: { encoding: 0x482a, name: 'Guest IA32_SYSENTER_CS' },
  PREEMPTION_TIMER_VALUE: { encoding: 0x482e, name: 'VMX-preemption timer value', exists: ['preemptionTimer'] },

  // 32-bit host-state
  HOST_SYSENTER_CS: { encoding: 0x4c00, name: 'Host IA32_SYSENTER_CS' },

  // Natural-width control
  CR0_GUEST_HOST_MASK: { encoding: 0x6000, name: 'CR0 guest/host mask' },
  CR4_GUEST_HOST_MASK: { encoding: 0x6002, name: 'CR4 guest/host mask' },
  CR0_READ_SHADOW: { encoding: 0x6004, name: 'CR0 read shadow' },
  CR4_READ_SHADOW: { encoding: 0x6006, name: 'CR4 read shadow' },
  CR3_TARGET_VALUE0: { encoding: 0x6008, name: 'CR3-target value 0' },
  CR3_TARGET_VALUE1: { encoding: 0x600a, name: 'CR3-target value 1' },
  CR3_TARGET_VALUE2: { encoding: 0x600c, name: 'CR3-target value 2' },
  CR3_TARGET_VALUE3: { encoding: 0x600e, name: 'CR3-target value 3' },

  // Natural-width exit-info
  EXIT_QUALIFICATION: { encoding: 0x6400, name: 'Exit qualification' },
  IO_RCX: { encoding: 0x6402, name: 'I/O RCX' },
  IO_RSI: { encoding: 0x6404, name: 'I/O RSI' },
  IO_RDI: { encoding: 0x6406, name: 'I/O RDI' },
  IO_RIP: { encoding: 0x6408, name: 'I/O RIP' },
  GUEST_LINEAR_ADDRESS: { encoding: 0x640a, name: 'Guest-linear address' },

  // Natural-width guest-state
  GUEST_CR0: { encoding: 0x6800, name: 'Guest CR0' },
  GUEST_CR3: { encoding: 0x6802, name: 'Guest CR3' },
  GUEST_CR4: { encoding: 0x6804, name: 'Guest CR4' },
  GUEST_ES_BASE: { encoding: 0x6806, name: 'Guest ES base' },
  GUEST_CS_BASE: { encoding: 0x6808, name: 'Guest CS base' },
  GUEST_SS_BASE: { encoding: 0x680a, name: 'Guest SS base' },
  GUEST_DS_BASE: { encoding: 0x680c, name: 'Guest DS base' },
  GUEST_FS_BASE: { encoding: 0x680e, name: 'Guest FS base' },
  GUEST_GS_BASE: { encoding: 0x6810, name: 'Guest GS base' },
  GUEST_LDTR_BASE: { encoding: 0x6812, name: 'Guest LDTR base' },
  GUEST_TR_BASE: { encoding: 0x6814, name: 'Guest TR base' },
  GUEST_GDTR_BASE: { encoding: 0x6816, name: 'Guest GDTR base' },
  GUEST_IDTR_BASE: { encoding: 0x6818, name: 'Guest IDTR base' },
  GUEST_DR7: { encoding: 0x681a, name: 'Guest DR7' },
  GUEST_RSP: { encoding: 0x681c, name: 'Guest RSP' },
  GUEST_RIP: { encoding: 0x681e, name: 'Guest RIP' },
  GUEST_RFLAGS: { encoding: 0x6820, name: 'Guest RFLAGS' },
  GUEST_PENDING_DEBUG: { encoding: 0x6822, name: 'Guest pending debug exceptions' },
  GUEST_SYSENTER_ESP: { encoding: 0x6824, name: 'Guest IA32_SYSENTER_ESP' },
  GUEST_SYSENTER_EIP: { encoding: 0x6826, name: 'Guest IA32_SYSENTER_EIP' },
  GUEST_S_CET: { encoding: 0x6828, name: 'Guest IA32_S_CET', exists: ['entryLoadCet', 'exitLoadCet'] },
  GUEST_SSP: { encoding: 0x682a, name: 'Guest SSP', exists: ['entryLoadCet', 'exitLoadCet'] },
  GUEST_INTERRUPT_SSP_TABLE_ADDR: {
    encoding: 0x682c,
    name: 'Guest IA32_INTERRUPT_SSP_TABLE_ADDR',
    exists: ['entryLoadCet', 'exitLoadCet'],
  },

  // Natural-width host-state
  HOST_CR0: { encoding: 0x6c00, name: 'Host CR0' },
  HOST_CR3: { encoding: 0x6c02, name: 'Host CR3' },
  HOST_CR4: { encoding: 0x6c04, name: 'Host CR4' },
  HOST_FS_BASE: { encoding: 0x6c06, name: 'Host FS base' },
  HOST_GS_BASE: { encoding: 0x6c08, name: 'Host GS base' },
  HOST_TR_BASE: { encoding: 0x6c0a, name: 'Host TR base' },
  HOST_GDTR_BASE: { encoding: 0x6c0c, name: 'Host GDTR base' },
  HOST_IDTR_BASE: { encoding: 0x6c0e, name: 'Host IDTR base' },
  HOST_SYSENTER_ESP: { encoding: 0x6c10, name: 'Host IA32_SYSENTER_ESP' },
  HOST_SYSENTER_EIP: { encoding: 0x6c12, name: 'Host IA32_SYSENTER_EIP' },
  HOST_RSP: { encoding: 0x6c14, name: 'Host RSP' },
  HOST_RIP: { encoding: 0x6c16, name: 'Host RIP' },
  HOST_S_CET: { encoding: 0x6c18, name: 'Host IA32_S_CET', exists: ['exitLoadCet'] },
  HOST_SSP: { encoding: 0x6c1a, name: 'Host SSP', exists: ['exitLoadCet'] },
  HOST_INTERRUPT_SSP_TABLE_ADDR: {
    encoding: 0x6c1c,
    name: 'Host IA32_INTERRUPT_SSP_TABLE_ADDR',
    exists: ['exitLoadCet'],
  },
} as const satisfies Record<string, VmcsFieldRow>;

export type VmcsFieldKey = keyof typeof VMCS_FIELDS;
/** In the order of the table, which is the order of slots in the VMCS region. */
export const VMCS_FIELD_KEYS = Object.keys(VMCS_FIELDS) as readonly VmcsFieldKey[];

export type FieldWidth = '16' | '64' | '32' | 'natural';
export type FieldArea = 'control' | 'exit information' | 'guest state' | 'host state';
const WIDTHS: readonly FieldWidth[] = ['16', '64', '32', 'natural'];
const AREAS: readonly FieldArea[] = ['control', 'exit information', 'guest state', 'host state'];

/** Bits 14:13 of the encoding (SDM Vol. 3C, "VMREAD, VMWRITE, and Encodings of VMCS Fields", 24.11.2). */
const widthOfEncoding = (encoding: number): FieldWidth => WIDTHS[(encoding >> 13) & 3];
/** Bits 11:10 of the encoding. */
const areaOfEncoding = (encoding: number): FieldArea => AREAS[(encoding >> 10) & 3];
/** Bits 9:1 of the encoding. */
export const indexOfEncoding = (encoding: number): number => (encoding >> 1) & 0x1ff;

/** Everything about one field. */
export interface VmcsField {
  readonly key: VmcsFieldKey;
  readonly encoding: number;
  readonly name: string;
  readonly width: FieldWidth;
  readonly area: FieldArea;
  /** Bytes that VMREAD and VMWRITE move: 2, 4 or 8. */
  readonly bytes: 2 | 4 | 8;
  /** Position in the VMCS region, in 8-byte units. */
  readonly slot: number;
  /** VMWRITE fails with error 13 (IA32_VMX_MISC[29] is 0 here). */
  readonly readOnly: boolean;
  readonly exists: readonly ControlKey[] | undefined;
}

const BYTES: { readonly [W in FieldWidth]: 2 | 4 | 8 } = { '16': 2, '32': 4, '64': 8, natural: 8 };

export const vmcsFields: readonly VmcsField[] = VMCS_FIELD_KEYS.map((key, slot) => {
  const row: VmcsFieldRow = VMCS_FIELDS[key];
  const width = widthOfEncoding(row.encoding);
  const area = areaOfEncoding(row.encoding);
  return {
    key,
    encoding: row.encoding,
    name: row.name,
    width,
    area,
    bytes: BYTES[width],
    slot,
    readOnly: area === 'exit information',
    exists: row.exists,
  };
});

const byKey = Object.fromEntries(vmcsFields.map((field) => [field.key, field])) as Readonly<
  Record<VmcsFieldKey, VmcsField>
>;
export const vmcsField = (key: VmcsFieldKey): VmcsField => byKey[key];

/** What an encoding given to VMREAD or VMWRITE names: the field, and whether only its bits 63:32. */
export interface FieldAccess {
  readonly field: VmcsField;
  readonly high: boolean;
}

const byEncoding = new Map<number, FieldAccess>();
for (const field of vmcsFields) {
  byEncoding.set(field.encoding, { field, high: false });
  if (field.width === '64') byEncoding.set(field.encoding + 1, { field, high: true });
}
/** Every encoding that names a field, full and high accesses. */
export const VMCS_ENCODINGS: readonly number[] = [...byEncoding.keys()].sort((a, b) => a - b);
export const fieldAccess = (encoding: number): FieldAccess | undefined => byEncoding.get(encoding);
