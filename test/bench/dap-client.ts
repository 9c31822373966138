/** A debug adapter as an editor has it: a process of its own, spoken to on its standard input and output. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { DebugProtocol } from '@vscode/debugprotocol';

const SEPARATOR = '\r\n\r\n';
const LIMIT_MS = 20_000;

interface Waiting {
  readonly accepts: (message: DebugProtocol.ProtocolMessage) => boolean;
  readonly resolve: (message: DebugProtocol.ProtocolMessage) => void;
}

export class DapClient {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly waiting: Waiting[] = [];
  private received = Buffer.alloc(0);
  private sequence = 1;
  private errors = '';

  constructor(adapter: string) {
    this.child = spawn(process.execPath, [adapter], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout.on('data', (chunk: Buffer) => this.receive(chunk));
    this.child.stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
  }

  private receive(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk]);
    for (;;) {
      const headerEnd = this.received.indexOf(SEPARATOR);
      if (headerEnd < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.received.toString('latin1', 0, headerEnd))?.[1]);
      const from = headerEnd + SEPARATOR.length;
      if (this.received.length < from + length) return;
      const message = JSON.parse(this.received.toString('utf8', from, from + length)) as DebugProtocol.ProtocolMessage;
      this.received = this.received.subarray(from + length);
      const index = this.waiting.findIndex(({ accepts }) => accepts(message));
      if (index >= 0) this.waiting.splice(index, 1)[0]!.resolve(message);
    }
  }

  private next(what: string, accepts: Waiting['accepts']): Promise<DebugProtocol.ProtocolMessage> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the adapter sent no ${what} in ${LIMIT_MS / 1000} s; ${this.errors}`)),
        LIMIT_MS,
      );
      this.waiting.push({
        accepts,
        resolve: (message) => {
          clearTimeout(timer);
          resolve(message);
        },
      });
    });
  }

  /** The next event of this name. To be called before what causes it. */
  event(name: string): Promise<DebugProtocol.ProtocolMessage> {
    return this.next(
      `${name} event`,
      (message) => message.type === 'event' && (message as DebugProtocol.Event).event === name,
    );
  }

  /** The body of the response; throws with the adapter's message where the request fails. */
  async request<Body = unknown>(command: string, args: object = {}): Promise<Body> {
    const seq = this.sequence++;
    const answer = this.next(
      `response to ${command}`,
      (message) => message.type === 'response' && (message as DebugProtocol.Response).request_seq === seq,
    );
    const text = JSON.stringify({ seq, type: 'request', command, arguments: args });
    this.child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}${SEPARATOR}${text}`);
    const response = (await answer) as DebugProtocol.Response;
    if (!response.success) {
      const error = (response.body as DebugProtocol.ErrorResponse['body'] | undefined)?.error;
      const text = (error?.format ?? response.message ?? '').replace(/\{(\w+)\}/g, (_, name: string) =>
        String(error?.variables?.[name]),
      );
      throw new Error(`${command} failed: ${text}`);
    }
    return response.body as Body;
  }

  /** The most memory the adapter has had resident, in MB; undefined where the system does not tell. */
  peakMegabytes(): number | undefined {
    try {
      const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'));
      return found === null ? undefined : (Number(found[1]) * 1024) / 1e6;
    } catch {
      return undefined;
    }
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}
