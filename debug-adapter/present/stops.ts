/** Why the machine stopped, in words and as the protocol says it. */
import path from 'node:path';
import { EXIT_REASONS, describeQualification, instructionErrorMeaning } from '../engine/index.ts';
import type { EntryFailure, FaultRecord, Machine, Stop } from '../engine/index.ts';
import { ProcessorView } from '../debugger/processor.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import type { StopKind } from '../protocol/events.ts';
import { formatMemorySize, hexShort } from './text.ts';

/** The machine that stopped, with the names of its program. */
export interface Scene {
  readonly machine: Machine;
  readonly symbols: SymbolTable;
}

/** How a path is written in a message. */
export type ShowFile = (file: string) => string;

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

/** `start+0x5 (boot.asm:12)`. */
export function codeText(
  linear: bigint,
  symbols: SymbolTable,
  showFile: ShowFile = (file) => path.basename(file),
): string {
  const line = symbols.lineAt(linear);
  return place(linear, symbols) + (line === undefined ? '' : ` (${showFile(line.file)}:${line.line})`);
}

export function describeStop(stop: Stop, { machine, symbols }: Scene): StopText {
  switch (stop.kind) {
    case 'budget':
    case 'waiting':
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
        description: `Paused on triple fault${machine.cpuCount === 1 ? '' : ` of processor ${machine.current}`}`,
        text: first === undefined ? 'The processor has shut down.' : `It began with ${faultText(first, symbols)}`,
        kind: 'triple-fault',
      };
    }
    case 'unimplemented': {
      const bytes = Array.from(stop.bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
      return {
        reason: 'exception',
        description: 'Paused: not implemented',
        text: `${capital(stop.what)}, at ${codeText(stop.linear, symbols)}${bytes === '' ? '' : `, bytes ${bytes}`}: Hyperstep does not implement this and stops rather than guess.`,
        kind: 'unimplemented',
      };
    }
    case 'nowhere':
      return {
        reason: 'exception',
        description: `Paused: ${NOWHERE[stop.access].paused}`,
        text: nowhereText(stop, machine, symbols),
        kind: 'nowhere',
      };
    case 'halted': {
      // RIP is past the HLT.
      const last = ProcessorView.current(machine, machine.current).linearRip - 1n;
      const line = symbols.lineAt(last);
      return {
        reason: 'halted',
        description: 'Paused: halted for ever',
        text: line === undefined ? stop.because : `${stop.because} (${path.basename(line.file)}:${line.line})`,
        kind: 'halted',
      };
    }
    case 'power-off':
      return {
        reason: 'exited',
        description: 'Powered off',
        text: `Process status ${stop.status}.`,
        kind: 'power-off',
      };
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

type Nowhere = Extract<Stop, { kind: 'nowhere' }>;

const NOWHERE: {
  readonly [A in Nowhere['access']]: { readonly paused: string; readonly did: string; readonly correct: string };
} = {
  fetch: { paused: 'jump to where there is no memory', did: 'jumped to', correct: 'the target' },
  read: { paused: 'read from where there is no memory', did: 'reads from', correct: 'the address' },
  write: { paused: 'write to where there is no memory', did: 'writes to', correct: 'the address' },
};

/** Guest memory that reaches above this address continues above 4 GiB: it has no one end. */
const DEVICES_BEGIN = 0xc000_0000;

function nowhereText(stop: Nowhere, machine: Machine, symbols: SymbolTable): string {
  const { did, correct } = NOWHERE[stop.access];
  const there = stop.access === 'fetch' ? 'where there is no memory' : 'where there is neither memory nor a device';
  const at = stop.access === 'fetch' ? stop.from : stop.linear;
  const who =
    at === undefined ? '' : ` (${stop.access === 'fetch' ? 'last instruction ' : ''}at ${codeText(at, symbols)})`;
  const { memoryBytes } = machine.options;
  const size = formatMemorySize(memoryBytes);
  const end =
    memoryBytes <= DEVICES_BEGIN ? `Memory ends at ${hexShort(memoryBytes)} (${size})` : `The machine has ${size}`;
  // Between there and 4 GiB no size of memory puts any.
  const canReach = stop.address >= memoryBytes && stop.address < DEVICES_BEGIN;
  const remedy = `${canReach ? 'raise "memory" or ' : ''}correct ${correct}`;
  return `The guest ${did} ${hexShort(stop.address)}, ${there}${who}. ${end}: ${remedy}.`;
}

/** `#PF (error code 0x2) at user_task+0x4, address 0x500000: page not present`. */
export function faultText(fault: FaultRecord, symbols: SymbolTable): string {
  const code = fault.errorCode === undefined ? '' : ` (error code ${hexShort(fault.errorCode)})`;
  const address = fault.linear === undefined ? '' : `, address ${hexShort(fault.linear)}`;
  const because = fault.because === '' ? '' : `: ${fault.because}`;
  return `${fault.name}${code} at ${codeText(fault.rip, symbols)}${address}${because}`;
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
