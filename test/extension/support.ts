/** What extension-host tests share: programs, waiting, and a session as the debug service sees it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';

const EXTENSION = 'hyperstep.hyperstep';

/** A file in samples/, by its path below. */
export function sample(name: string): vscode.Uri {
  const extension = vscode.extensions.getExtension(EXTENSION);
  assert.ok(extension);
  return vscode.Uri.file(path.join(extension.extensionPath, 'samples', name));
}

const WITHIN_MS = 20_000;
const EVERY_MS = 25;

/** Waits until a value is there; `what` is what a failure says was missing. */
export async function until<Value>(
  what: string,
  value: () => Value | undefined | Thenable<Value | undefined>,
): Promise<Value> {
  const giveUpAt = performance.now() + WITHIN_MS;
  for (;;) {
    const found = await value();
    if (found !== undefined) return found;
    assert.ok(performance.now() < giveUpAt, `${what} did not appear within ${WITHIN_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

/** Listens to what adapters send, and ends sessions. Make one per suite and dispose of it afterwards. */
export class Debugger {
  readonly #tracker: vscode.Disposable;
  #stops: DebugProtocol.StoppedEvent['body'][] = [];

  constructor() {
    this.#tracker = vscode.debug.registerDebugAdapterTrackerFactory('hyperstep', {
      createDebugAdapterTracker: () => ({
        onDidSendMessage: (message: DebugProtocol.ProtocolMessage) => {
          const event = message as DebugProtocol.Event;
          if (message.type === 'event' && event.event === 'stopped') {
            this.#stops.push((event as DebugProtocol.StoppedEvent).body);
          }
        },
      }),
    });
  }

  get session(): vscode.DebugSession {
    const session = vscode.debug.activeDebugSession;
    assert.ok(session, 'no debug session is active');
    return session;
  }

  /** Does something and waits for the stop that follows. */
  async stopAfter(action: () => Thenable<unknown>): Promise<DebugProtocol.StoppedEvent['body']> {
    this.#stops = [];
    await action();
    const stop = await until('a stop', () => this.#stops[0]);
    // Commands act on the frame in focus, which the workbench asks for after the event.
    await until('the frame in focus', () => {
      const item = vscode.debug.activeStackItem;
      return item instanceof vscode.DebugStackFrame && item.session === vscode.debug.activeDebugSession
        ? item
        : undefined;
    });
    return stop;
  }

  async request<Body>(command: string, args: object = {}): Promise<Body> {
    return (await this.session.customRequest(command, args)) as Body;
  }

  async topFrame(): Promise<DebugProtocol.StackFrame> {
    const { stackFrames } = await this.request<DebugProtocol.StackTraceResponse['body']>('stackTrace', { threadId: 1 });
    assert.ok(stackFrames[0]);
    return stackFrames[0];
  }

  async evaluate(expression: string): Promise<string> {
    const frameId = (await this.topFrame()).id;
    const { result } = await this.request<DebugProtocol.EvaluateResponse['body']>('evaluate', { expression, frameId });
    return result;
  }

  async end(): Promise<void> {
    await vscode.debug.stopDebugging();
    await until('the end of the session', () => (vscode.debug.activeDebugSession === undefined ? true : undefined));
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  }

  dispose(): void {
    this.#tracker.dispose();
  }
}
