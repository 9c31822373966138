/**
 * Delivery of events with what goes wrong on the way: a fault while delivering becomes another event, a double fault, or a
 * triple fault (SDM Vol. 3A, "Interrupt 8—Double Fault Exception", tables 6-4 and 6-5).
 */
import { clearBoundary, dropHits } from './boundary.ts';
import type { Cpu, DeliveredEvent, FaultRecord } from './context.ts';
import {
  BLOCKING_BY_MOV_SS,
  BLOCKING_BY_NMI,
  BLOCKING_BY_STI,
  DEBUGCTL,
  DR7_GD,
  VMX_NON_ROOT,
} from './control-bits.ts';
import { eventBranched, tracesBranches } from './branch-records.ts';
import { debugStatus } from './debug-unit.ts';
import { deliverThroughTable } from './gates.ts';
import { DB, DE, DOUBLE_FAULT, GP, GuestFault, NP, PF, SS_FAULT, TS, VE, vectorName } from './guest-fault.ts';
import { LAYOUT } from './layout.ts';
import { isProtected } from './modes.ts';

const CP = 21;
const CONTRIBUTORY: ReadonlySet<number> = new Set([DE, TS, NP, SS_FAULT, GP, CP]);
const isPageFault = (vector: number): boolean => vector === PF || vector === VE;

/** Class of an event for the double-fault rule. */
function faultClass(event: DeliveredEvent): 'benign' | 'contributory' | 'page fault' {
  if (event.type !== 'hardware-exception') return 'benign';
  return CONTRIBUTORY.has(event.vector) ? 'contributory' : isPageFault(event.vector) ? 'page fault' : 'benign';
}

/** What a second exception makes of the delivery of a first (SDM Vol. 3A, table 6-5). */
export function combine(first: DeliveredEvent, second: DeliveredEvent): 'serial' | 'double fault' | 'triple fault' {
  if (first.type === 'hardware-exception' && first.vector === DOUBLE_FAULT) return 'triple fault';
  const [before, after] = [faultClass(first), faultClass(second)];
  if (before === 'contributory' && after === 'contributory') return 'double fault';
  if (before === 'page fault' && after !== 'benign') return 'double fault';
  return 'serial';
}

/** The event that a fault of an instruction becomes. */
export const eventOf = (fault: GuestFault): DeliveredEvent => ({
  vector: fault.vector,
  type: 'hardware-exception',
  errorCode: fault.errorCode,
  instructionBytes: 0,
  because: fault.because,
  ...(fault.linear === undefined ? {} : { linear: fault.linear }),
});

const DOUBLE_FAULT_EVENT: DeliveredEvent = {
  vector: DOUBLE_FAULT,
  type: 'hardware-exception',
  errorCode: 0,
  instructionBytes: 0,
  because: 'a second fault while delivering the first',
};

/**
 * Delivers `event` and whatever comes of it. On return the processor is at a handler, or in shutdown.
 * @param chain receives one record per event, in order
 * @param asking `injected`: the first event asks no intercept, as VM entry injects it
 */
export function deliverEvent(
  cpu: Cpu,
  event: DeliveredEvent,
  chain: FaultRecord[],
  asking: 'intercepts' | 'injected',
): void {
  const state = cpu.state;
  const nonRoot = state.get32(LAYOUT.vmxMode) === VMX_NON_ROOT;
  chain.length = 0;
  // Real-address mode has no error codes, whatever the fault carries.
  const first = isProtected(state) || event.errorCode === undefined ? event : { ...event, errorCode: undefined };
  let current = first;
  let asked = asking === 'injected';
  clearBoundary(state);
  // A faulting instruction has not completed; what its breakpoints met does not count.
  if (event.type === 'hardware-exception') dropHits(state);
  for (;;) {
    record(cpu, chain, current);
    if (nonRoot && !asked) cpu.intercepts.exception(current);
    commitFaultRegisters(cpu, current, asking === 'injected' && current === first);
    if (nonRoot) cpu.intercepts.vectoring(current);
    let fault: GuestFault;
    const from = state.rip;
    try {
      deliverThroughTable(cpu, current);
      if (tracesBranches(state)) eventBranched(state, from);
      if (nonRoot) cpu.intercepts.vectoring(undefined);
      endBlocking(cpu, current);
      return;
    } catch (thrown) {
      if (!(thrown instanceof GuestFault)) throw thrown;
      fault = thrown;
    }
    const nested = eventOf(
      isProtected(state) ? fault : new GuestFault(fault.vector, undefined, fault.because, fault.linear),
    );
    // The bitmap is asked about the nested exception itself first; its exit reports `current` as IDT-vectoring event.
    if (nonRoot) cpu.intercepts.exception(nested);
    const outcome = combine(current, nested);
    if (outcome === 'serial') {
      current = nested;
      asked = true;
      continue;
    }
    record(cpu, chain, nested);
    if (nonRoot) cpu.intercepts.vectoring(undefined);
    if (outcome === 'triple fault') {
      if (nonRoot) cpu.intercepts.tripleFault();
      cpu.shutdown();
      return;
    }
    current = isProtected(state) ? DOUBLE_FAULT_EVENT : { ...DOUBLE_FAULT_EVENT, errorCode: undefined };
    asked = false;
  }
}

function record(cpu: Cpu, chain: FaultRecord[], event: DeliveredEvent): void {
  chain.push({
    vector: event.vector,
    name: vectorName(event.vector),
    errorCode: event.errorCode,
    linear: event.linear,
    rip: cpu.state.rip,
    because: event.because ?? '',
  });
}

/** CR2 of a page fault; DR6 and DR7.GD of a debug exception. Injection leaves the debug registers alone. */
function commitFaultRegisters(cpu: Cpu, event: DeliveredEvent, injected: boolean): void {
  const state = cpu.state;
  if (event.type !== 'hardware-exception') return;
  if (event.vector === PF && event.linear !== undefined) state.set64(LAYOUT.cr2, event.linear);
  if (event.vector === DB && !injected) {
    state.set64(LAYOUT.dr6, debugStatus(state.get64(LAYOUT.dr6), state.low(LAYOUT.pendingDebug)));
    state.set64(LAYOUT.dr7, state.get64(LAYOUT.dr7) & ~BigInt(DR7_GD));
    state.set64(LAYOUT.pendingDebug, 0n);
    // SDM Vol. 3B, 17.4.1 and 17.4.3: before the handler runs.
    state.set32(LAYOUT.debugctl, state.low(LAYOUT.debugctl) & ~(DEBUGCTL.LBR | DEBUGCTL.BTF | DEBUGCTL.TR));
  }
}

function endBlocking(cpu: Cpu, event: DeliveredEvent): void {
  const state = cpu.state;
  let blocking = state.get32(LAYOUT.interruptibility) & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
  if (event.type === 'nmi') blocking |= BLOCKING_BY_NMI;
  state.set32(LAYOUT.interruptibility, blocking);
}
