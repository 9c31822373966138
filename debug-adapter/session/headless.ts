/** Runs a program without an editor, to its end. */
import path from 'node:path';
import type { EntryFailure, Stop } from '../engine/index.ts';
import { failureLines } from '../present/exception-info.ts';
import { describeStop } from '../present/stops.ts';
import type { LaunchRequest } from './launch-arguments.ts';
import { Target } from './target.ts';

/** Why a headless run ended. */
export type End =
  | { readonly kind: 'instruction-limit'; readonly limit: number }
  | Extract<Stop, { kind: 'triple-fault' | 'unimplemented' | 'nowhere' | 'halted' | 'power-off' }>;

export interface HeadlessResult {
  readonly target: Target;
  readonly end: End;
  readonly failures: readonly EntryFailure[];
}

export interface HeadlessOptions {
  readonly launch: LaunchRequest;
  readonly maxInstructions: number;
  readonly onConsole: (bytes: Uint8Array) => void;
  /** What the machine has to say besides, a line each. */
  readonly onLog: (text: string) => void;
  /** Typed on the way, by instruction count. */
  readonly keys?: readonly TimedKeys[];
}

/** Keys for the guest's keyboard. */
export interface TimedKeys {
  /** Instructions retired before; earlier where the guest has halted and waits for nothing else. */
  readonly instruction: number;
  readonly scanCodes: Uint8Array;
}

/** Instructions per call of the engine: often enough for Ctrl+C. */
const SLICE = 5_000_000;
/** More failures than this say nothing new. */
const MAX_FAILURES = 100;

/** Process status for each way to end. */
export const STATUS = { ended: 0, failed: 1, usage: 2, limit: 3, bug: 4 } as const;

/** Throws `UserError` where the program cannot be made. */
export async function runHeadless({
  launch,
  maxInstructions,
  onConsole,
  onLog,
  keys = [],
}: HeadlessOptions): Promise<HeadlessResult> {
  const unused = (): void => undefined;
  const target = new Target(launch, { onStop: unused, onLog, onBroken: unused, onConsole });
  const { machine } = target;
  const failures: EntryFailure[] = [];
  machine.setStopConditions({
    breakpoints: new Set(),
    watchpoints: [],
    vmExit: () => false,
    exception: () => false,
    vmEntryFailure: true,
  });
  const untyped = [...keys].sort((a, b) => a.instruction - b.instruction);
  const typeNext = (): void => machine.sendKeys(untyped.shift()?.scanCodes ?? new Uint8Array(0));
  for (;;) {
    const before = machine.instructionsRetired;
    while (untyped[0] !== undefined && untyped[0].instruction <= machine.instructionsRetired) typeNext();
    const until = Math.min(maxInstructions, untyped[0]?.instruction ?? Infinity);
    const left = until - machine.instructionsRetired;
    if (left <= 0) return { target, failures, end: { kind: 'instruction-limit', limit: maxInstructions } };
    const stop = machine.run({
      maxInstructions: Math.min(SLICE, left),
      ignoreFirstBreakpoint: true,
      handlerSteps: 'run',
    });
    switch (stop.kind) {
      case 'triple-fault':
      case 'unimplemented':
      case 'nowhere':
      case 'power-off':
        return { target, failures, end: stop };
      case 'halted':
        if (untyped.length === 0) return { target, failures, end: stop };
        typeNext();
        break;
      case 'vm-entry-failure':
        if (failures.length < MAX_FAILURES) failures.push(stop.report);
        break;
      case 'budget':
      case 'waiting':
      case 'pause':
        // Many device events have not brought the guest to its next instruction.
        if (machine.instructionsRetired === before && untyped.length > 0) typeNext();
        await new Promise((resolve) => setImmediate(resolve));
        break;
      case 'breakpoint':
      case 'watchpoint':
      case 'vm-exit':
      case 'handler-step':
      case 'exception':
        throw new Error(`Invariant broken: the machine stopped for "${stop.kind}", which nobody asked for`);
    }
  }
}

const isEntry = ({ instruction }: EntryFailure): boolean => instruction === 'VMLAUNCH' || instruction === 'VMRESUME';

export function statusOf({ end, failures }: HeadlessResult): number {
  if (failures.some(isEntry)) return STATUS.failed;
  switch (end.kind) {
    case 'power-off':
      return end.status & 0xff;
    case 'halted':
      return STATUS.ended;
    case 'instruction-limit':
      return STATUS.limit;
    case 'triple-fault':
    case 'unimplemented':
    case 'nowhere':
      return STATUS.failed;
  }
}

/** How it ended, in one line or a few. */
export function endText({ target, end }: HeadlessResult): string {
  if (end.kind === 'instruction-limit')
    return `stopped after ${end.limit.toLocaleString('en-US')} instructions (--max-instructions)`;
  if (end.kind === 'power-off') return `the guest powered the machine off, status ${end.status}`;
  const { description, text } = describeStop(end, target);
  const what = description.replace(/^Paused(: | on )/, '');
  return text === undefined ? what : `${what}: ${text}`;
}

/** Paths as a person in this folder would type them. */
const fromHere = (file: string): string => {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
};

export const failureText = ({ target, failures }: HeadlessResult): string =>
  failures.map((failure) => failureLines(failure, target, fromHere).join('\n')).join('\n\n');
