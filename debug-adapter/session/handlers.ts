/** Every request this adapter answers, as one typed map: a missing handler does not compile. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import type { CustomRequests } from '../protocol/requests.ts';

type Row<A, R extends P.Response> = { arguments: A; body: R['body'] };
type NoBody<A> = { arguments: A; body: undefined };

export interface StandardRequests {
  initialize: Row<P.InitializeRequestArguments, P.InitializeResponse>;
  launch: NoBody<P.LaunchRequestArguments>;
  attach: NoBody<P.AttachRequestArguments>;
  configurationDone: NoBody<P.ConfigurationDoneArguments | undefined>;
  restart: NoBody<P.RestartArguments | undefined>;
  terminate: NoBody<P.TerminateArguments | undefined>;
  disconnect: NoBody<P.DisconnectArguments | undefined>;
  cancel: NoBody<P.CancelArguments | undefined>;
  threads: Row<undefined, P.ThreadsResponse>;
  stackTrace: Row<P.StackTraceArguments, P.StackTraceResponse>;
  scopes: Row<P.ScopesArguments, P.ScopesResponse>;
  variables: Row<P.VariablesArguments, P.VariablesResponse>;
  setVariable: Row<P.SetVariableArguments, P.SetVariableResponse>;
  evaluate: Row<P.EvaluateArguments, P.EvaluateResponse>;
  setExpression: Row<P.SetExpressionArguments, P.SetExpressionResponse>;
  completions: Row<P.CompletionsArguments, P.CompletionsResponse>;
  exceptionInfo: Row<P.ExceptionInfoArguments, P.ExceptionInfoResponse>;
  continue: Row<P.ContinueArguments, P.ContinueResponse>;
  next: NoBody<P.NextArguments>;
  stepIn: NoBody<P.StepInArguments>;
  stepOut: NoBody<P.StepOutArguments>;
  pause: NoBody<P.PauseArguments>;
  gotoTargets: Row<P.GotoTargetsArguments, P.GotoTargetsResponse>;
  goto: NoBody<P.GotoArguments>;
  setBreakpoints: Row<P.SetBreakpointsArguments, P.SetBreakpointsResponse>;
  setFunctionBreakpoints: Row<P.SetFunctionBreakpointsArguments, P.SetFunctionBreakpointsResponse>;
  setInstructionBreakpoints: Row<P.SetInstructionBreakpointsArguments, P.SetInstructionBreakpointsResponse>;
  setDataBreakpoints: Row<P.SetDataBreakpointsArguments, P.SetDataBreakpointsResponse>;
  dataBreakpointInfo: Row<P.DataBreakpointInfoArguments, P.DataBreakpointInfoResponse>;
  setExceptionBreakpoints: Row<P.SetExceptionBreakpointsArguments, P.SetExceptionBreakpointsResponse>;
  breakpointLocations: Row<P.BreakpointLocationsArguments, P.BreakpointLocationsResponse>;
  readMemory: Row<P.ReadMemoryArguments, P.ReadMemoryResponse>;
  writeMemory: Row<P.WriteMemoryArguments, P.WriteMemoryResponse>;
  disassemble: Row<P.DisassembleArguments, P.DisassembleResponse>;
  loadedSources: Row<P.LoadedSourcesArguments | undefined, P.LoadedSourcesResponse>;
  source: Row<P.SourceArguments, P.SourceResponse>;
}

export type Requests = StandardRequests & CustomRequests;
export type RequestName = keyof Requests;

/** A handler returns the body; the dispatcher sends it. What it throws becomes the error response. */
export type Handlers<Context, Names extends RequestName = RequestName> = {
  readonly [N in Names]: (
    context: Context,
    args: Requests[N]['arguments'],
  ) => Requests[N]['body'] | Promise<Requests[N]['body']>;
};
