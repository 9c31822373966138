/** exceptionInfo: everything known about the exit, fault or failure that stopped the machine. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { EXIT_REASONS, describeExit, vmcsField } from '../engine/index.ts';
import type { EntryFailure, FailedEntryCheck, FaultRecord, Stop, VmcsFieldWrite } from '../engine/index.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import { exitFacts } from './exits.ts';
import { describeStop, failureHeadline, faultText } from './stops.ts';
import { hex64, hexOf, hexShort } from './text.ts';

type ExceptionInfo = DebugProtocol.ExceptionInfoResponse['body'];

/** How a path is written in a message. */
export type ShowFile = (file: string) => string;

/** Undefined where the stop is no exception. */
export function exceptionInfo(stop: Stop, symbols: SymbolTable): ExceptionInfo | undefined {
  const text = describeStop(stop, symbols);
  switch (stop.kind) {
    case 'vm-exit': {
      const { exit, guestRip, number } = stop.record;
      const title = EXIT_REASONS[exit.name].title;
      const payload = exitFacts(exit).map(([name, value]) => `${name} = ${hexShort(value)}`);
      return info(`VM exit: ${title}`, describeExit(exit), [
        `VM exit #${number}, basic reason ${exit.basicReason}: ${title}`,
        `guest RIP ${hex64(guestRip)} ${symbols.describe(stop.record.guestLinearRip) ?? ''}`.trimEnd(),
        `qualification ${hex64(exit.qualification)}`,
        ...payload,
        ...(exit.idtVectoringInformation === 0
          ? []
          : [`IDT-vectoring information ${hexOf(exit.idtVectoringInformation, 32)}`]),
      ]);
    }
    case 'exception':
      return info(stop.fault.name, faultText(stop.fault, symbols), [faultText(stop.fault, symbols)]);
    case 'triple-fault':
      return info('Triple fault', text.text ?? '', faultChain(stop.chain, symbols));
    case 'vm-entry-failure':
      return info(
        `${stop.report.instruction} failed`,
        failureHeadline(stop.report),
        failureLines(stop.report, symbols),
      );
    case 'unimplemented':
      return info('Not implemented', text.text ?? '', [text.text ?? '']);
    case 'budget':
    case 'pause':
    case 'breakpoint':
    case 'watchpoint':
    case 'handler-step':
    case 'halted':
    case 'power-off':
      return undefined;
  }
}

const info = (exceptionId: string, description: string, lines: readonly string[]): ExceptionInfo => ({
  exceptionId,
  description,
  breakMode: 'always',
  details: { message: description, typeName: exceptionId, stackTrace: lines.join('\n') },
});

function faultChain(chain: readonly FaultRecord[], symbols: SymbolTable): readonly string[] {
  if (chain.length === 0) return ['The processor has shut down.'];
  const words = ['First', 'while it was delivered', 'and again'];
  return chain.map((fault, index) => `${words[Math.min(index, 2)]}: ${faultText(fault, symbols)}`);
}

/** The failure, then each failed check with its rule, fields, values, manual section and last writes. */
export function failureLines(
  report: EntryFailure,
  symbols: SymbolTable,
  showFile: ShowFile = (file) => file,
): readonly string[] {
  const at = `at ${symbols.describe(report.linear) ?? hexShort(report.linear)}${sourceOf(report.linear, symbols, showFile)}`;
  return [failureHeadline(report), at, ...report.failed.flatMap((check) => checkLines(check, symbols, showFile))];
}

function checkLines(check: FailedEntryCheck, symbols: SymbolTable, showFile: ShowFile): readonly string[] {
  const fields = check.fields.map((key, index) => {
    const write = check.lastWrites.find((each) => each.field === key);
    const value = check.values[index];
    const shown = value === undefined ? 'unknown' : hexOf(value, 8 * vmcsField(key).bytes);
    return `  ${key} = ${shown}, ${writeText(write, symbols, showFile)}`;
  });
  return [`${check.id}: ${check.rule}`, ...fields, `  remedy: ${check.remedy}`, `  ${check.section}`];
}

function writeText(write: VmcsFieldWrite | undefined, symbols: SymbolTable, showFile: ShowFile): string {
  if (write?.linear === undefined) return 'never written since VMCLEAR';
  const where = symbols.describe(write.linear) ?? hexShort(write.linear);
  return `last written at ${where}${sourceOf(write.linear, symbols, showFile)}`;
}

function sourceOf(linear: bigint, symbols: SymbolTable, showFile: ShowFile): string {
  const line = symbols.lineAt(linear);
  return line === undefined ? '' : ` (${showFile(line.file)}:${line.line})`;
}
