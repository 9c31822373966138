/** VM exits for the wire, and in words. */
import { EXIT_REASONS, vectorName } from '../engine/index.ts';
import type { ExitName, VmExit, VmExitRecord } from '../engine/index.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import type { CodePlace } from '../protocol/values.ts';
import type { ExitCount, ExitRow } from '../protocol/exits.ts';
import { hex64, hexShort } from './text.ts';

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
    summary: exitSummary(exit),
    payload: Object.entries(exit.payload).map(([name, value]) => ({ name, value: hex64(value) })),
  };
}

export function exitCounts(counts: ReadonlyMap<string, number>): readonly ExitCount[] {
  let total = 0;
  for (const count of counts.values()) total += count;
  return [...counts]
    .map(([name, count]) => ({ name, title: EXIT_REASONS[name as ExitName].title, count, share: count / total }))
    .sort((a, b) => b.count - a.count || a.title.localeCompare(b.title));
}

/** One line that says what happened, from the decoded qualification. */
export function exitSummary(exit: VmExit): string {
  const fact = (name: string): bigint => exit.payload[name] ?? 0n;
  const has = (name: string): boolean => exit.payload[name] !== undefined;
  switch (exit.name) {
    case 'ioInstruction': {
      const input = (exit.qualification & 8n) !== 0n;
      const bytes = (exit.qualification & 7n) + 1n;
      const repeated = (exit.qualification & 0x20n) !== 0n ? 'REP ' : '';
      const text = (exit.qualification & 0x10n) !== 0n ? 'S' : '';
      return `${repeated}${input ? 'IN' : 'OUT'}${text} port ${hexShort(exit.qualification >> 16n)}, ${bytes} byte${bytes === 1n ? '' : 's'}`;
    }
    case 'crAccess': {
      const cr = exit.qualification & 15n;
      const kind = Number((exit.qualification >> 4n) & 3n);
      return [`MOV to CR${cr}`, `MOV from CR${cr}`, 'CLTS', 'LMSW'][kind]!;
    }
    case 'exceptionOrNmi': {
      const vector = exit.interruptionInformation & 0xff;
      const code =
        (exit.interruptionInformation & 0x800) !== 0 ? `, error code ${hexShort(exit.interruptionErrorCode)}` : '';
      const at = vector === 14 ? `, address ${hexShort(exit.qualification)}` : '';
      return `${vectorName(vector)}${code}${at}`;
    }
    case 'externalInterrupt':
      return (exit.interruptionInformation & 0x8000_0000) !== 0
        ? `interrupt vector ${hexShort(exit.interruptionInformation & 0xff)}`
        : 'interrupt pending, not acknowledged';
    case 'rdmsr':
    case 'wrmsr':
      return has('msr') ? `MSR ${hexShort(fact('msr'))}` : EXIT_REASONS[exit.name].title;
    case 'cpuid':
      return has('leaf') ? `leaf ${hexShort(fact('leaf'))}` : 'CPUID';
    case 'invlpg':
      return `linear address ${hexShort(exit.qualification)}`;
    case 'eptViolation': {
      const wanted = ['read', 'write', 'fetch'].filter((_, bit) => (exit.qualification & (1n << BigInt(bit))) !== 0n);
      const allowed = ['R', 'W', 'X'].map((letter, bit) =>
        ((exit.qualification >> BigInt(3 + bit)) & 1n) !== 0n ? letter : '-',
      );
      const linear = (exit.qualification & 0x80n) !== 0n ? ` (linear ${hexShort(exit.guestLinear)})` : '';
      return `${wanted.join('+')} at guest-physical ${hexShort(exit.guestPhysical)}${linear}, EPT allows ${allowed.join('')}`;
    }
    case 'eptMisconfiguration':
      return `guest-physical ${hexShort(exit.guestPhysical)}`;
    default:
      return Object.entries(exit.payload)
        .map(([name, value]) => `${name} ${hexShort(value)}`)
        .join(', ');
  }
}
