/** VM-instruction error numbers, VMCS field VM_INSTRUCTION_ERROR (SDM Vol. 3C, "VM Instruction Error Numbers", 30.4). */

export const INSTRUCTION_ERRORS = {
  vmcallInRoot: { number: 1, meaning: 'VMCALL executed in VMX root operation' },
  vmclearBadAddress: { number: 2, meaning: 'VMCLEAR with an invalid physical address: not 4 KiB aligned or too wide' },
  vmclearVmxonPointer: { number: 3, meaning: 'VMCLEAR with the VMXON pointer' },
  vmlaunchNotClear: { number: 4, meaning: 'VMLAUNCH with a VMCS that is not clear' },
  vmresumeNotLaunched: { number: 5, meaning: 'VMRESUME with a VMCS that was not launched' },
  vmresumeAfterVmxoff: {
    number: 6,
    meaning: 'VMRESUME after VMXOFF: VMXOFF and VMXON came between VMLAUNCH and VMRESUME',
  },
  entryInvalidControls: { number: 7, meaning: 'VM entry with invalid control fields' },
  entryInvalidHostState: { number: 8, meaning: 'VM entry with invalid host-state fields' },
  vmptrldBadAddress: { number: 9, meaning: 'VMPTRLD with an invalid physical address: not 4 KiB aligned or too wide' },
  vmptrldVmxonPointer: { number: 10, meaning: 'VMPTRLD with the VMXON pointer' },
  vmptrldBadRevision: { number: 11, meaning: 'VMPTRLD with a wrong VMCS revision identifier in the region' },
  unsupportedField: { number: 12, meaning: 'VMREAD or VMWRITE of a field this processor does not have' },
  vmwriteReadOnly: { number: 13, meaning: 'VMWRITE to a read-only field (VM-exit information)' },
  vmxonInRoot: { number: 15, meaning: 'VMXON executed in VMX root operation' },
  executivePointerInvalid: { number: 16, meaning: 'VM entry out of SMM with an invalid executive-VMCS pointer' },
  executiveNotLaunched: { number: 17, meaning: 'VM entry out of SMM with an executive VMCS that was not launched' },
  executiveNotVmxonPointer: {
    number: 18,
    meaning: 'VM entry that ends dual-monitor treatment with an executive-VMCS pointer other than the VMXON pointer',
  },
  vmcallNotClear: { number: 19, meaning: 'VMCALL to activate dual-monitor treatment with a VMCS that is not clear' },
  vmcallInvalidExitControls: {
    number: 20,
    meaning: 'VMCALL to activate dual-monitor treatment with invalid VM-exit controls',
  },
  vmcallBadMsegRevision: { number: 22, meaning: 'VMCALL with a wrong MSEG revision identifier' },
  vmxoffDualMonitor: { number: 23, meaning: 'VMXOFF under dual-monitor treatment of SMIs and SMM' },
  vmcallBadSmmFeatures: { number: 24, meaning: 'VMCALL with invalid SMM-monitor features' },
  executiveInvalidControls: {
    number: 25,
    meaning: 'VM entry out of SMM with invalid VM-execution controls in the executive VMCS',
  },
  entryBlockedByMovSs: { number: 26, meaning: 'VM entry while events are blocked by MOV SS' },
  invalidInvalidationOperand: { number: 28, meaning: 'INVEPT or INVVPID with an invalid operand' },
} as const satisfies Record<string, { readonly number: number; readonly meaning: string }>;

const meanings = new Map<number, string>(Object.values(INSTRUCTION_ERRORS).map((row) => [row.number, row.meaning]));
/** What a VM-instruction error number means; undefined for 0 and numbers the manual does not use. */
export const instructionErrorMeaning = (error: number): string | undefined => meanings.get(error);
