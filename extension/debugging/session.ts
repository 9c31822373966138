/** The debug sessions of our type as the rest of the extension sees them: typed requests, and when to look again. */
import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../../debug-adapter/protocol/ids.ts';
import type { CustomRequestName, CustomRequests } from '../../debug-adapter/protocol/requests.ts';

/** Sends one of our own requests; rejects with the adapter's message. */
export async function request<Name extends CustomRequestName>(
  session: vscode.DebugSession,
  name: Name,
  args: CustomRequests[Name]['arguments'],
): Promise<CustomRequests[Name]['body']> {
  return (await session.customRequest(name, args)) as CustomRequests[Name]['body'];
}

/** Something happened to a session that views show. */
export interface SessionChange {
  readonly session: vscode.DebugSession;
  /**
   * - `stopped`: the machine has moved on and stands still now.
   * - `edited`: it stands where it was, but a value was set.
   * - `resumed`: it runs.
   * - `ended`: the session is over.
   * - `chosen`: another session is the active one.
   */
  readonly kind: 'stopped' | 'edited' | 'resumed' | 'ended' | 'chosen';
}

interface AdapterMessage {
  readonly type?: string;
  readonly event?: string;
  readonly command?: string;
  readonly success?: boolean;
}

const EDITS: ReadonlySet<string> = new Set(['setVariable', 'setExpression', 'writeMemory']);

function changeOf({ type, event, command, success }: AdapterMessage): 'stopped' | 'edited' | 'resumed' | undefined {
  if (type === 'response' && success === true && EDITS.has(command ?? '')) return 'edited';
  if (type !== 'event') return undefined;
  if (event === 'stopped') return 'stopped';
  if (event === 'invalidated' || event === 'memory') return 'edited';
  if (event === 'continued' || event === 'hyperstep/resumed') return 'resumed';
  return undefined;
}

/** Follows every session of our type and knows the one that views are about. */
export class Sessions implements vscode.Disposable {
  readonly #changes = new vscode.EventEmitter<SessionChange>();
  readonly #stopped = new Set<vscode.DebugSession>();
  readonly #disposables: vscode.Disposable[];
  #current: vscode.DebugSession | undefined;

  readonly onDidChange = this.#changes.event;

  constructor() {
    this.#disposables = [
      this.#changes,
      vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
        createDebugAdapterTracker: (session) => ({
          onDidSendMessage: (message: AdapterMessage) => {
            const kind = changeOf(message);
            if (kind !== undefined) this.#note(session, kind);
          },
        }),
      }),
      vscode.debug.onDidTerminateDebugSession((session) => {
        if (session.type === DEBUG_TYPE) this.#note(session, 'ended');
      }),
      vscode.debug.onDidChangeActiveDebugSession((session) => {
        if (session?.type === DEBUG_TYPE && session !== this.#current) this.#note(session, 'chosen');
      }),
    ];
  }

  /** The session that views show; undefined when none runs. */
  get current(): vscode.DebugSession | undefined {
    return this.#current;
  }

  /** The session that views show while its machine stands still. */
  get stopped(): vscode.DebugSession | undefined {
    return this.#current !== undefined && this.#stopped.has(this.#current) ? this.#current : undefined;
  }

  /** Virtual processor chosen in the call stack, else the first. */
  get threadId(): number {
    const item = vscode.debug.activeStackItem;
    return item !== undefined && item.session === this.#current ? item.threadId : 1;
  }

  #note(session: vscode.DebugSession, kind: SessionChange['kind']): void {
    if (kind === 'stopped') this.#stopped.add(session);
    if (kind === 'resumed' || kind === 'ended') this.#stopped.delete(session);
    if (kind === 'ended' && this.#current === session) this.#current = undefined;
    if (kind === 'stopped' || kind === 'chosen') this.#current = session;
    this.#changes.fire({ session, kind });
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose();
  }
}

/** What an adapter's refusal says, without the words VS Code puts around it. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
