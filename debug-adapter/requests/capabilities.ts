/** What `initialize` promises, derived from what is answered. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { STOP_FILTERS } from '../debugger/stop-filters.ts';
import type { RequestName } from '../session/handlers.ts';

type Flag = {
  [K in keyof DebugProtocol.Capabilities]-?: NonNullable<DebugProtocol.Capabilities[K]> extends boolean ? K : never;
}[keyof DebugProtocol.Capabilities];

/** Capabilities that say "this request is answered". The map of handlers is complete by type, so all hold. */
const BY_REQUEST: Partial<Record<RequestName, Flag>> = {
  configurationDone: 'supportsConfigurationDoneRequest',
  restart: 'supportsRestartRequest',
  terminate: 'supportsTerminateRequest',
  cancel: 'supportsCancelRequest',
  setVariable: 'supportsSetVariable',
  setExpression: 'supportsSetExpression',
  completions: 'supportsCompletionsRequest',
  exceptionInfo: 'supportsExceptionInfoRequest',
  gotoTargets: 'supportsGotoTargetsRequest',
  setFunctionBreakpoints: 'supportsFunctionBreakpoints',
  setInstructionBreakpoints: 'supportsInstructionBreakpoints',
  setDataBreakpoints: 'supportsDataBreakpoints',
  breakpointLocations: 'supportsBreakpointLocationsRequest',
  readMemory: 'supportsReadMemoryRequest',
  writeMemory: 'supportsWriteMemoryRequest',
  disassemble: 'supportsDisassembleRequest',
  loadedSources: 'supportsLoadedSourcesRequest',
};

/** Capabilities that describe how a request is understood. */
const BY_BEHAVIOUR: readonly Flag[] = [
  'supportsConditionalBreakpoints',
  'supportsHitConditionalBreakpoints',
  'supportsLogPoints',
  'supportsEvaluateForHovers',
  'supportsSteppingGranularity',
  'supportsExceptionFilterOptions',
  'supportsDataBreakpointBytes',
  'supportsValueFormattingOptions',
  'supportsClipboardContext',
  'supportsDelayedStackTraceLoading',
];

export function capabilities(): DebugProtocol.Capabilities {
  const flags = [...Object.values(BY_REQUEST), ...BY_BEHAVIOUR];
  return {
    ...Object.fromEntries(flags.map((flag) => [flag, true])),
    completionTriggerCharacters: ['.', '['],
    exceptionBreakpointFilters: STOP_FILTERS.map((filter) => ({
      filter: filter.id,
      label: filter.label,
      description: filter.description,
      default: filter.default,
      supportsCondition: true,
      conditionDescription: `Expression over the event, registers and VMCS fields, for example: ${filter.conditionHint}`,
    })),
  };
}
