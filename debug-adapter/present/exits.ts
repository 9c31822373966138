/** VM exits for the wire, and in words. */
import { EXIT_REASONS, describeQualification } from '../engine/index.ts';
import type { ExitName, VmExit, VmExitRecord } from '../engine/index.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import type { CodePlace } from '../protocol/values.ts';
import type { ExitCount, ExitRow } from '../protocol/exits.ts';
import { hex64 } from './text.ts';

export function codePlace(linear: bigint, symbols: SymbolTable): CodePlace {
  const symbol = symbols.describe(linear);
  const line = symbols.lineAt(linear);
  return {
    linear: hex64(linear),
    ...(symbol === undefined ? {} : { symbol }),
    ...(line === undefined ? {} : { path: line.file, line: line.line }),
  };
}

/** `vCPU` threads count from 1. */
export const threadOf = (cpu: number): number => cpu + 1;

/** The decoded facts of an exit, without those that have a column of their own. */
export const exitFacts = (exit: VmExit): readonly (readonly [string, bigint])[] =>
  Object.entries(exit.payload).filter(([name]) => name !== 'reason' && name !== 'qualification');

export function exitRow(record: VmExitRecord, symbols: SymbolTable): ExitRow {
  const { exit } = record;
  return {
    number: record.number,
    instruction: record.instruction,
    threadId: threadOf(record.cpu),
    name: exit.name,
    title: EXIT_REASONS[exit.name].title,
    basicReason: exit.basicReason,
    entryFailure: exit.entryFailure,
    guestRip: hex64(record.guestRip),
    place: codePlace(record.guestLinearRip, symbols),
    qualification: hex64(exit.qualification),
    summary: describeQualification(exit),
    payload: exitFacts(exit).map(([name, value]) => ({ name, value: hex64(value) })),
  };
}

export function exitCounts(counts: ReadonlyMap<string, number>): readonly ExitCount[] {
  let total = 0;
  for (const count of counts.values()) total += count;
  return [...counts]
    .map(([name, count]) => ({ name, title: EXIT_REASONS[name as ExitName].title, count, share: count / total }))
    .sort((a, b) => b.count - a.count || a.title.localeCompare(b.title));
}
