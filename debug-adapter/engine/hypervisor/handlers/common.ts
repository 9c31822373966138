/** Steps that many handlers share. */
import type { AddressedAccess } from '../../cpu/debug-unit.ts';
import type { HypervisorContext } from '../context.ts';
import { ENTRY_FAILED, step, TOUCHED_MEMORY, type Handler } from '../steps.ts';

/** Registers that VM entry replaces: all that the guest-state area holds. */
const ENTERED = [
  'RIP',
  'RSP',
  'RFLAGS',
  'CS',
  'SS',
  'DS',
  'ES',
  'FS',
  'GS',
  'LDTR',
  'TR',
  'CR0',
  'CR2',
  'CR3',
  'CR4',
  'DR6',
  'DR7',
  'GDTR_BASE',
  'GDTR_LIMIT',
  'IDTR_BASE',
  'IDTR_LIMIT',
  'IA32_EFER',
  'IA32_PAT',
  'IA32_SYSENTER_CS',
  'IA32_SYSENTER_ESP',
  'IA32_SYSENTER_EIP',
  'IA32_DEBUGCTL',
] as const;

const VMRESUME = step(
  'VMRESUME',
  'Load the guest state from the VMCS, inject what is to be injected, and run the guest.',
  {
    registers: ENTERED,
    // The processor writes into the VMCS region that it was entered with it, and an injected event onto the guest's stack.
    memory: [TOUCHED_MEMORY.regions, TOUCHED_MEMORY.guest],
  },
);
const VMLAUNCH = step(
  'VMLAUNCH',
  'Check the VMCS, load the guest state from it and run the guest for the first time.',
  VMRESUME.touches,
);

/** The last step of every handler. A failed entry can be tried again: somebody may have corrected the VMCS. */
export function* resumeGuest({ vmx }: HypervisorContext): Handler {
  yield VMRESUME;
  while (vmx.vmresume() === 'failed') yield ENTRY_FAILED;
}
export function* launchGuest({ vmx }: HypervisorContext): Handler {
  yield VMLAUNCH;
  while (vmx.vmlaunch() === 'failed') yield ENTRY_FAILED;
}

const ADVANCE = step('advance GUEST_RIP', 'Move GUEST_RIP behind the instruction: it has been done for the guest.', {
  vmcs: ['GUEST_RIP', 'GUEST_INTERRUPTIBILITY', 'GUEST_PENDING_DEBUG'],
});

/** Ends the emulated instruction, which made these accesses, and lets the guest go on. */
export function* advanceAndResume(hypervisor: HypervisorContext, accesses: readonly AddressedAccess[] = []): Handler {
  yield ADVANCE;
  hypervisor.guest.advance();
  hypervisor.guest.meetBreakpoints(accesses);
  yield* resumeGuest(hypervisor);
}

const INJECT_FAULT = step('inject the exception', 'Have VM entry deliver the exception that the instruction raises.', {
  vmcs: ['ENTRY_INTR_INFO', 'ENTRY_EXCEPTION_EC', 'GUEST_RFLAGS'],
  registers: ['CR2'],
});

/** Gives the guest a fault in place of its instruction. */
export function* faultAndResume(
  hypervisor: HypervisorContext,
  vector: number,
  errorCode = 0,
  setCr2?: () => void,
): Handler {
  yield INJECT_FAULT;
  setCr2?.();
  hypervisor.guest.injectFault(vector, errorCode);
  yield* resumeGuest(hypervisor);
}

const REINJECT = step(
  're-inject the interrupted event',
  'The exit came while an event was being delivered: have VM entry deliver it again.',
  { vmcs: ['ENTRY_INTR_INFO', 'ENTRY_EXCEPTION_EC', 'ENTRY_INSTR_LEN'] },
);
const VECTORING_VALID = 0x8000_0000;

/** Resumes at the same instruction, delivering again what the exit interrupted. */
export function* retryAndResume(hypervisor: HypervisorContext): Handler {
  if ((hypervisor.guest.low('IDT_VECTORING_INFO') & VECTORING_VALID) !== 0) {
    yield REINJECT;
    hypervisor.guest.reinject();
  }
  yield* resumeGuest(hypervisor);
}
