/** exceptionInfo: everything known about the exit, fault or failure that stopped the machine. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { EXIT_REASONS, HOST_SYMBOLS, describeExit, vmcsField } from '../engine/index.ts';
import type { EntryFailure, FailedEntryCheck, FaultRecord, Stop, VmcsFieldWrite } from '../engine/index.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import { exitFacts } from './exits.ts';
import { codeText, describeStop, failureHeadline, faultText } from './stops.ts';
import type { Scene, ShowFile } from './stops.ts';
import { hex64, hexOf, hexShort } from './text.ts';

type ExceptionInfo = DebugProtocol.ExceptionInfoResponse['body'];

/** Undefined where the stop is no exception. */
export function exceptionInfo(stop: Stop, scene: Scene): ExceptionInfo | undefined {
  const { symbols } = scene;
  const text = describeStop(stop, scene);
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
      return info(`${stop.report.instruction} failed`, failureHeadline(stop.report), failureLines(stop.report, scene));
    case 'unimplemented':
      return info('Not implemented', text.text ?? '', [text.text ?? '']);
    case 'nowhere':
      return info('No memory there', text.text ?? '', [text.text ?? '']);
    case 'budget':
    case 'waiting':
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
  scene: Scene,
  showFile: ShowFile = (file) => file,
): readonly string[] {
  return [
    failureHeadline(report),
    `at ${failurePlace(report, scene, showFile)}`,
    ...report.failed.flatMap((check) => checkLines(check, scene, showFile)),
  ];
}

const hostNames: ReadonlyMap<bigint, string> = new Map(
  HOST_SYMBOLS.map(({ name, address }) => [BigInt(address), name]),
);
const byHypervisor = ({ machine }: Scene): boolean => machine.options.mode === 'vm';

/** The instruction that failed: in mode `vm` it is the built-in hypervisor's, whose addresses are not the guest's. */
export function failurePlace(report: EntryFailure, scene: Scene, showFile?: ShowFile): string {
  if (!byHypervisor(scene)) return codeText(report.linear, scene.symbols, showFile);
  return `${hostNames.get(report.linear) ?? hexShort(report.linear)} (the built-in hypervisor)`;
}

function checkLines(check: FailedEntryCheck, scene: Scene, showFile: ShowFile): readonly string[] {
  const fields = check.fields.map((key, index) => {
    const write = check.lastWrites.find((each) => each.field === key);
    const value = check.values[index];
    const shown = value === undefined ? 'unknown' : hexOf(value, 8 * vmcsField(key).bytes);
    return `  ${key} = ${shown}, ${writeText(write, scene, showFile)}`;
  });
  return [`${check.id}: ${check.rule}`, ...fields, `  remedy: ${check.remedy}`, `  ${check.section}`];
}

function writeText(write: VmcsFieldWrite | undefined, scene: Scene, showFile: ShowFile): string {
  if (write?.instruction !== undefined && write.linear === undefined) return 'set in the debugger';
  if (byHypervisor(scene)) return 'written by the built-in hypervisor or saved by a VM exit';
  if (write?.linear === undefined) return 'never written since VMCLEAR';
  return `last written at ${codeText(write.linear, scene.symbols, showFile)}`;
}
