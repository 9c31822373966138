/** A debug client over a stream, and the adapter process it talks to. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { DebugProtocol as P } from '@vscode/debugprotocol';

export const ROOT = path.resolve(import.meta.dirname, '../..');
const BUNDLE = path.join(ROOT, 'dist/adapter.cjs');
/** HYPERSTEP_ADAPTER=bundle runs what is shipped; otherwise the sources run as they are. */
const ADAPTER =
  process.env['HYPERSTEP_ADAPTER'] === 'bundle' && existsSync(BUNDLE)
    ? [BUNDLE]
    : ['--import=tsx', path.join(ROOT, 'debug-adapter/main.ts')];

const PATIENCE_MS = 20_000;

/**
 * What an answer or event holds. A test that names a field which is not there fails on it, so types would add nothing but casts.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
export type Body = any;

type Message = P.Response | P.Event;
interface Waiting {
  readonly matches: (message: Message) => boolean;
  readonly resolve: (message: Message) => void;
}

class RequestFailed extends Error {
  readonly response: P.Response;
  constructor(response: P.Response) {
    super(response.message ?? 'no message');
    this.response = response;
  }
}

export class Client {
  /** Everything that was said, in order. */
  readonly log: (P.Request | Message)[] = [];
  private readonly output: Writable;
  private buffer = Buffer.alloc(0);
  private sequence = 0;
  private waiting: Waiting[] = [];
  /** Events that nobody has waited for yet. */
  private unread: P.Event[] = [];

  constructor(input: Readable, output: Writable) {
    this.output = output;
    input.on('data', (data: Buffer) => this.receive(data));
  }

  /** Resolves with the body; rejects with `RequestFailed` where the adapter refuses. */
  async request(command: string, args?: object): Promise<Body> {
    const seq = this.send(command, args);
    const response = (await this.waitFor(
      (message) => message.type === 'response' && (message as P.Response).request_seq === seq,
      `the response to ${command}`,
    )) as P.Response;
    if (!response.success) throw new RequestFailed(response);
    return response.body;
  }

  send(command: string, args?: object): number {
    const request: P.Request = {
      seq: ++this.sequence,
      type: 'request',
      command,
      ...(args === undefined ? {} : { arguments: args }),
    };
    this.log.push(request);
    this.sendRaw(JSON.stringify(request));
    return request.seq;
  }

  sendRaw(text: string): void {
    this.output.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  /** The next event of a kind that has not been waited for, also one that has come already. */
  async event(name: string): Promise<Body> {
    const at = this.unread.findIndex(({ event }) => event === name);
    if (at >= 0) {
      const [event] = this.unread.splice(0, at + 1).slice(-1);
      return event!.body;
    }
    const matches = (message: Message): boolean => message.type === 'event' && (message as P.Event).event === name;
    const event = (await this.waitFor(matches, `event ${name}`)) as P.Event;
    return event.body;
  }

  /** A request that runs the machine, and the stop it ends with. */
  async untilStopped(command: string, args: object = { threadId: 1 }): Promise<P.StoppedEvent['body']> {
    await this.request(command, args);
    return this.event('stopped');
  }

  async launch(args: object, configure?: (client: Client) => Promise<void>): Promise<P.StoppedEvent['body']> {
    await this.request('initialize', {
      adapterID: 'hyperstep',
      supportsInvalidatedEvent: true,
      supportsMemoryEvent: true,
    });
    await this.request('launch', args);
    await this.event('initialized');
    await configure?.(this);
    await this.request('configurationDone');
    return this.event('stopped');
  }

  private async waitFor(matches: (message: Message) => boolean, what: string): Promise<Message> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`waited ${PATIENCE_MS / 1000} s for ${what}; last: ${JSON.stringify(this.log.slice(-3))}`));
      }, PATIENCE_MS);
      this.waiting.push({
        matches,
        resolve: (message) => {
          clearTimeout(timer);
          resolve(message);
        },
      });
    });
  }

  private receive(data: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, data]);
    for (;;) {
      const end = this.buffer.indexOf('\r\n\r\n');
      const length = /Content-Length: (\d+)/.exec(this.buffer.toString('utf8', 0, Math.max(0, end)))?.[1];
      if (end < 0 || length === undefined || this.buffer.length < end + 4 + Number(length)) return;
      const text = this.buffer.toString('utf8', end + 4, end + 4 + Number(length));
      this.buffer = this.buffer.subarray(end + 4 + Number(length));
      this.dispatch(JSON.parse(text) as Message);
    }
  }

  private dispatch(message: Message): void {
    this.log.push(message);
    const index = this.waiting.findIndex(({ matches }) => matches(message));
    if (index >= 0) {
      // Whoever waits for an event is past the ones before it.
      if (message.type === 'event') this.unread = [];
      this.waiting.splice(index, 1)[0]!.resolve(message);
    } else if (message.type === 'event') this.unread.push(message as P.Event);
  }
}

/** One adapter process that speaks on its stdin and stdout, as an editor starts it. */
export class AdapterProcess {
  readonly process: ChildProcess;
  readonly client: Client;
  errors = '';

  constructor() {
    this.process = spawn(process.execPath, ADAPTER, { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.stderr!.on('data', (data: Buffer) => (this.errors += data.toString()));
    this.client = new Client(this.process.stdout!, this.process.stdin!);
  }

  async exited(): Promise<number | null> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    return new Promise((resolve) => this.process.once('exit', (code) => resolve(code)));
  }

  kill(): void {
    this.process.kill();
  }
}

/** One adapter process that many sessions share over a socket: starting one costs more than most tests. */
class AdapterServer {
  private readonly process: ChildProcess;
  readonly port: Promise<number>;

  constructor() {
    this.process = spawn(process.execPath, [...ADAPTER, '--server=0'], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.port = new Promise((resolve, reject) => {
      let text = '';
      this.process.stderr!.on('data', (data: Buffer) => {
        text += data.toString();
        const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (port !== undefined) resolve(Number(port));
      });
      this.process.once('exit', (code) => reject(new Error(`the adapter ended with ${code}: ${text}`)));
    });
    // The test run must end although the server still listens.
    this.process.unref();
    (this.process.stderr as Readable & { unref(): void }).unref();
    process.once('exit', () => this.process.kill());
  }
}

let server: AdapterServer | undefined;

/** A new session of the shared adapter. */
export async function openSession(): Promise<Client & { close(): void }> {
  server ??= new AdapterServer();
  const port = await server.port;
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      resolve(Object.assign(new Client(socket, socket), { close: () => socket.destroy() }));
    });
    socket.once('error', reject);
  });
}
