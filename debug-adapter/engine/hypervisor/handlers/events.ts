/** Exits caused by events: interrupts, the interrupt window, HLT, exceptions, triple faults. */
import { combine } from '../../cpu/events.ts';
import type { DeliveredEvent } from '../../cpu/context.ts';
import { DR7_GD } from '../../cpu/control-bits.ts';
import { debugStatus } from '../../cpu/debug-unit.ts';
import { IF } from '../../cpu/flags.ts';
import { DB, DOUBLE_FAULT, PF } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { controlMask } from '../../vmx/controls.ts';
import { eventOf, informationOf } from '../../vmx/events.ts';
import type { HypervisorContext } from '../context.ts';
import { step, TOUCHED_MEMORY, TRIPLE_FAULT, WAIT, type ExitHandler, type Handler } from '../steps.ts';
import { advanceAndResume, resumeGuest } from './common.ts';

const VALID = 0x8000_0000;
const EXTERNAL_INTERRUPT_EXITING = controlMask('externalInterruptExiting');
const INTERRUPT_WINDOW_EXITING = controlMask('interruptWindowExiting');

const LOOK = step(
  'can the guest take it?',
  'The guest takes an interrupt with RFLAGS.IF 1 and no blocking by STI or MOV SS.',
);
const ACKNOWLEDGE = step(
  'acknowledge the interrupt',
  'Ask the interrupt controller for the vector; it is in service from now on.',
  {
    memory: [TOUCHED_MEMORY.devices],
  },
);
const INJECT = step('inject the interrupt', "Have VM entry deliver the interrupt through the guest's IDT.", {
  vmcs: ['ENTRY_INTR_INFO'],
});
const OPEN_WINDOW = step(
  'ask for an interrupt window',
  'Leave the interrupt in the controller and exit as soon as the guest can take it; until then interrupts cause no exits.',
  { vmcs: ['PROC1_CONTROLS', 'PIN_CONTROLS'] },
);
const CLOSE_WINDOW = step(
  'close the interrupt window',
  'The guest can take an interrupt now: no more exits for that; interrupts cause exits again.',
  { vmcs: ['PROC1_CONTROLS', 'PIN_CONTROLS'] },
);

/**
 * The interrupt stays in the controller until the guest can take it: a guest that masks or reprograms the controller
 * meanwhile finds what it would find on a bare machine.
 */
export const handleExternalInterrupt: ExitHandler = function* (hypervisor) {
  const { guest } = hypervisor;
  yield LOOK;
  if (guest.takesInterrupts) yield* injectPending(hypervisor);
  else {
    yield OPEN_WINDOW;
    guest.writeLow('PROC1_CONTROLS', guest.low('PROC1_CONTROLS') | INTERRUPT_WINDOW_EXITING);
    guest.writeLow('PIN_CONTROLS', guest.low('PIN_CONTROLS') & ~EXTERNAL_INTERRUPT_EXITING);
  }
  yield* resumeGuest(hypervisor);
};

export const handleInterruptWindow: ExitHandler = function* (hypervisor) {
  const { guest } = hypervisor;
  yield CLOSE_WINDOW;
  guest.writeLow('PROC1_CONTROLS', guest.low('PROC1_CONTROLS') & ~INTERRUPT_WINDOW_EXITING);
  guest.writeLow('PIN_CONTROLS', guest.low('PIN_CONTROLS') | EXTERNAL_INTERRUPT_EXITING);
  yield* injectPending(hypervisor);
  yield* resumeGuest(hypervisor);
};

/** Nothing where the interrupt has gone away. */
function* injectPending({ interrupts, guest }: HypervisorContext): Handler {
  if (!interrupts.pending()) return;
  yield ACKNOWLEDGE;
  const vector = interrupts.acknowledge();
  yield INJECT;
  guest.injectInterrupt(vector);
}

const HALT = step('look at RFLAGS.IF', 'Only an interrupt ends HLT, and only a guest with IF 1 takes one.');
const ADVANCE = step('advance GUEST_RIP', 'The interrupt will return behind HLT.', {
  vmcs: ['GUEST_RIP', 'GUEST_INTERRUPTIBILITY', 'GUEST_PENDING_DEBUG'],
});
const SLEEP = step(
  'wait for an interrupt',
  'The hypervisor has no other guest to run: time passes until a device wants attention.',
);
const NEVER_WAKES = 'HLT with RFLAGS.IF 0: no interrupt can end it';

export const handleHlt: ExitHandler = function* (hypervisor) {
  const { guest, interrupts } = hypervisor;
  yield HALT;
  // A single-step trap is due behind HLT and ends it at once.
  if (guest.singleSteps) {
    yield* advanceAndResume(hypervisor);
    return;
  }
  while ((guest.flags & IF) === 0) yield { kind: 'halted', because: NEVER_WAKES };
  yield ADVANCE;
  guest.advance();
  yield SLEEP;
  while (!interrupts.pending()) yield WAIT;
  yield* injectPending(hypervisor);
  yield* resumeGuest(hypervisor);
};

const LOOK_AT_EXCEPTION = step(
  'look at the exception',
  'Vector, type and error code are in the VM-exit interruption information; an event that it interrupted is in the IDT-vectoring information.',
);
const COMMIT_FAULT = step(
  'set CR2 or DR6',
  'An exit for #PF leaves CR2, one for #DB leaves DR6 and DR7.GD to the hypervisor.',
  {
    registers: ['CR2', 'DR6'],
    vmcs: ['GUEST_DR7', 'GUEST_IA32_DEBUGCTL'],
  },
);
const REFLECT = step(
  'reflect the exception',
  'Have VM entry deliver the exception to the guest as if it had not exited.',
  {
    vmcs: ['ENTRY_INTR_INFO', 'ENTRY_EXCEPTION_EC', 'ENTRY_INSTR_LEN'],
  },
);
const SHUT_DOWN = step(
  'the guest shuts down',
  'A fault while delivering a double fault: the processor would enter shutdown.',
);

const DOUBLE_FAULT_EVENT: DeliveredEvent = {
  vector: DOUBLE_FAULT,
  type: 'hardware-exception',
  errorCode: 0,
  instructionBytes: 0,
};

export const handleException: ExitHandler = function* (hypervisor, exit) {
  const { guest, cpu } = hypervisor;
  yield LOOK_AT_EXCEPTION;
  const exception = eventOf(exit.interruptionInformation, exit.interruptionErrorCode, exit.instructionBytes);
  if (exception === undefined) throw new Error('Invariant broken: an exception exit without an event');
  const vectoring = exit.idtVectoringInformation;
  const first =
    (vectoring & VALID) === 0 ? undefined : eventOf(vectoring, guest.low('IDT_VECTORING_EC'), exit.instructionBytes);
  const outcome = first === undefined ? 'serial' : combine(first, exception);
  if (outcome === 'triple fault') {
    yield SHUT_DOWN;
    for (;;) yield TRIPLE_FAULT;
  }
  const isPageFault = exception.vector === PF;
  const isDebug = exception.vector === DB && exception.type === 'hardware-exception';
  if (isPageFault || isDebug) {
    yield COMMIT_FAULT;
    if (isPageFault) cpu.state.set64(LAYOUT.cr2, exit.qualification);
    else {
      cpu.state.set64(LAYOUT.dr6, debugStatus(cpu.state.get64(LAYOUT.dr6), Number(exit.qualification)));
      guest.writeLow('GUEST_DR7', guest.low('GUEST_DR7') & ~DR7_GD);
      guest.write('GUEST_IA32_DEBUGCTL', 0n);
    }
  }
  yield REFLECT;
  const delivered = outcome === 'double fault' ? doubleFault(hypervisor) : exception;
  if (delivered.errorCode !== undefined) guest.writeLow('ENTRY_EXCEPTION_EC', delivered.errorCode);
  if (delivered.instructionBytes !== 0) guest.writeLow('ENTRY_INSTR_LEN', delivered.instructionBytes);
  guest.writeLow('ENTRY_INTR_INFO', informationOf(delivered));
  yield* resumeGuest(hypervisor);
};

const doubleFault = ({ guest }: HypervisorContext): DeliveredEvent =>
  guest.protectedMode ? DOUBLE_FAULT_EVENT : { ...DOUBLE_FAULT_EVENT, errorCode: undefined };

export const handleTripleFault: ExitHandler = function* () {
  yield SHUT_DOWN;
  for (;;) yield TRIPLE_FAULT;
};
