/** The one place that sends responses, and the only one that turns what handlers throw into messages. */
import { DebugSession } from '@vscode/debugadapter';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { didYouMean } from '../debugger/nearest.ts';
import { UserError } from '../debugger/user-error.ts';
import { Session } from '../session/session.ts';
import { REQUEST_NAMES, argumentProblem, isRequestName, withoutNulls } from './arguments.ts';
import { requestHandlers } from './index.ts';

/** Error ids, so that a client can tell the kinds apart. */
const USER_ERROR = 1;
const MALFORMED = 2;
const UNKNOWN = 3;
const INTERNAL = 4;

/** Requests a person makes by a click: the client shows their failure as a message of its own. */
const BY_CLICK: ReadonlySet<string> = new Set([
  'launch',
  'attach',
  'restart',
  'continue',
  'next',
  'stepIn',
  'stepOut',
  'pause',
  'goto',
  'gotoTargets',
  'hyperstep/runToNextExit',
]);

/** The transport of the SDK with our dispatch: the SDK's own handlers answer nothing here. */
export class HyperstepAdapter extends DebugSession {
  private readonly session: Session;

  constructor(onClose: () => void) {
    super();
    this.session = new Session({
      sendEvent: (event, body) => {
        this.sendEvent({ seq: 0, type: 'event', event, ...(body === undefined ? {} : { body }) });
      },
      close: onClose,
      reportBug: (error) => reportBug('a run', error),
    });
    // The SDK ends the process at the first message that is no JSON. Say so and go on instead.
    this.removeAllListeners('error');
    this.on('error', (event: { event?: string; message?: string }) => {
      this.session.output(`A message was not understood and is ignored. ${describeTransport(event)}\n`, 'stderr');
    });
    this.removeAllListeners('close');
    this.on('close', () => {
      this.session.disconnect();
    });
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    void this.answer(request);
  }

  private async answer(request: DebugProtocol.Request): Promise<void> {
    const command: unknown = request.command;
    const response: DebugProtocol.Response = {
      seq: 0,
      type: 'response',
      request_seq: request.seq,
      command: String(command),
      success: true,
    };
    const name = String(command);
    if (typeof command !== 'string' || !isRequestName(name)) {
      this.refuse(response, UNKNOWN, `Unknown request "${name}".${didYouMean(name, REQUEST_NAMES)}`);
      return;
    }
    const args = request.arguments === null ? undefined : withoutNulls(request.arguments);
    const problem = argumentProblem(name, args);
    if (problem !== undefined) {
      this.refuse(response, MALFORMED, `Malformed request "${name}": ${problem}.`);
      return;
    }
    try {
      const handler = requestHandlers[name] as (session: Session, args: unknown) => unknown;
      const body: unknown = await handler(this.session, args ?? {});
      if (body !== undefined) response.body = body;
      this.sendResponse(response);
    } catch (error) {
      if (error instanceof UserError) {
        this.refuse(response, USER_ERROR, error.message);
        return;
      }
      reportBug(`request "${name}"`, error);
      const message = error instanceof Error ? error.message : String(error);
      this.refuse(response, INTERNAL, `Hyperstep itself has failed in "${name}": ${message}`);
    }
  }

  private refuse(response: DebugProtocol.Response, id: number, message: string): void {
    // A brace would be taken for a placeholder of the format; the text goes in as a variable.
    const error: DebugProtocol.Message = {
      id,
      format: '{_text}',
      variables: { _text: message },
      showUser: BY_CLICK.has(response.command),
    };
    const refusal: DebugProtocol.ErrorResponse = { ...response, success: false, message, body: { error } };
    this.sendResponse(refusal);
  }
}

function describeTransport(event: unknown): string {
  if (typeof event === 'object' && event !== null && 'body' in event && typeof event.body === 'string')
    return event.body;
  return 'Messages are JSON with a Content-Length header.';
}

function reportBug(where: string, error: unknown): void {
  process.stderr.write(
    `hyperstep: internal error in ${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}
