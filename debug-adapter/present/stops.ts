/** Why the machine stopped, in words and as the protocol says it. */
import { EXIT_REASONS, describeQualification, instructionErrorMeaning } from '../engine/index.ts';
import type { EntryFailure, FaultRecord, Stop } from '../engine/index.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import type { StopKind } from '../protocol/events.ts';
import { hexShort } from './text.ts';

export interface StopText {
  /** Of the protocol's `stopped` event; other texts than the protocol's own are shown as they are. */
  readonly reason: string;
  /** Shown in the call stack: `Paused on VM exit: CPUID`. */
  readonly description: string;
  /** The detail, shown beside the source line for exceptions. */
  readonly text: string | undefined;
  readonly kind: StopKind;
}

const place = (linear: bigint, symbols: SymbolTable): string => symbols.describe(linear) ?? hexShort(linear);

export function describeStop(stop: Stop, symbols: SymbolTable): StopText {
  switch (stop.kind) {
    case 'budget':
      return { reason: 'step', description: 'Paused on step', text: undefined, kind: 'step' };
    case 'pause':
      return { reason: 'pause', description: 'Paused', text: undefined, kind: 'pause' };
    case 'breakpoint':
      return { reason: 'breakpoint', description: 'Paused on breakpoint', text: undefined, kind: 'breakpoint' };
    case 'watchpoint': {
      const what = `${stop.access} at ${place(stop.linear, symbols)}`;
      return {
        reason: 'data breakpoint',
        description: `Paused on data breakpoint: ${what}`,
        text: what,
        kind: 'watchpoint',
      };
    }
    case 'vm-exit': {
      const { exit, number } = stop.record;
      const title = EXIT_REASONS[exit.name].title;
      return {
        reason: 'exception',
        description: `Paused on VM exit #${number}: ${title}`,
        text: describeQualification(exit) || undefined,
        kind: 'vm-exit',
      };
    }
    case 'handler-step': {
      const step = stop.state?.next.name;
      return {
        reason: 'step',
        description: step === undefined ? 'Paused on step' : `Paused before handler step: ${step}`,
        text: stop.state?.next.describes,
        kind: 'handler-step',
      };
    }
    case 'exception':
      return {
        reason: 'exception',
        description: `Paused on ${stop.fault.name}`,
        text: faultText(stop.fault, symbols),
        kind: 'exception',
      };
    case 'vm-entry-failure':
      return {
        reason: 'exception',
        description: `Paused on ${stop.report.instruction} failure`,
        text: failureText(stop.report),
        kind: 'vm-entry-failure',
      };
    case 'triple-fault': {
      const first = stop.chain[0];
      return {
        reason: 'exception',
        description: 'Paused on triple fault',
        text: first === undefined ? 'The processor has shut down.' : `It began with ${faultText(first, symbols)}`,
        kind: 'triple-fault',
      };
    }
    case 'unimplemented': {
      const bytes = Array.from(stop.bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
      return {
        reason: 'exception',
        description: 'Paused: not implemented',
        text: `Hyperstep does not implement ${stop.what}${bytes === '' ? '' : ` (${bytes})`} at ${place(stop.linear, symbols)}.`,
        kind: 'unimplemented',
      };
    }
    case 'halted':
      return { reason: 'halted', description: 'Paused: halted for ever', text: stop.because, kind: 'halted' };
    case 'power-off':
      return {
        reason: 'exited',
        description: 'Powered off',
        text: `Process status ${stop.status}.`,
        kind: 'power-off',
      };
  }
}

/** `#PF (error code 0x2) at user_task+0x4, address 0x500000: page not present`. */
export function faultText(fault: FaultRecord, symbols: SymbolTable): string {
  const code = fault.errorCode === undefined ? '' : ` (error code ${hexShort(fault.errorCode)})`;
  const address = fault.linear === undefined ? '' : `, address ${hexShort(fault.linear)}`;
  const because = fault.because === '' ? '' : `: ${fault.because}`;
  return `${fault.name}${code} at ${place(fault.rip, symbols)}${address}${because}`;
}

/** First line of a failure; the checks follow in exceptionInfo. */
export function failureText(report: EntryFailure): string {
  const checks = report.failed.map((check) => check.id).join(', ');
  return `${failureHeadline(report)}${checks === '' ? '' : ` Failed: ${checks}.`}`;
}

export function failureHeadline({ instruction, failure, exitReason, qualification }: EntryFailure): string {
  if (failure?.kind === 'VMfailInvalid')
    return `${instruction}: VMfailInvalid (no current VMCS, or not a valid pointer).`;
  if (failure) {
    return `${instruction}: VM-instruction error ${failure.error}: ${instructionErrorMeaning(failure.error) ?? 'not documented'}.`;
  }
  const reason = exitReason === undefined ? '' : ` with exit reason ${exitReason}, qualification ${qualification}`;
  return `${instruction}: the VM entry failed while loading guest state${reason}.`;
}
