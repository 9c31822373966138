/** Runs one peer on one guest and times the guest's phases from outside, by the lines `#B phase` and `#E phase` on its console. */
import { spawn } from 'node:child_process';
import { threadSeconds } from './cpu-time.ts';
import type { PeerCommand } from './peers.ts';

export interface Counters {
  /** Guest instructions retired. */
  readonly instructions: number;
  /** Calls between WebAssembly and JavaScript. */
  readonly crossings: number;
}

export interface Phase {
  readonly name: string;
  /** The guest's own comparison of its result with the expected one. */
  readonly ok: boolean;
  /**
   * CPU seconds of the peer's busiest thread, which a busy machine disturbs less than the time that passes; where the system
   * does not tell, the seconds that passed.
   */
  readonly seconds: number;
  /** Only our engine reports them. */
  readonly counters: Counters | undefined;
}

export interface Run {
  readonly phases: readonly Phase[];
  /** Why the run is no result; undefined where the guest printed `#DONE ok`. */
  readonly failure: string | undefined;
}

interface Instant {
  readonly wall: number;
  /** CPU seconds by thread. */
  readonly threads: ReadonlyMap<string, number>;
}

/** What is kept of a peer's other output, to explain a failure. */
const TAIL_CHARACTERS = 600;

export function measure(command: PeerCommand, limitSeconds: number): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(command.program, command.arguments, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...command.environment },
    });
    const phases: Phase[] = [];
    const complaints: string[] = [];
    let begun: Instant | undefined;
    let countersAtBegin: Counters | undefined;
    let counters: Counters | undefined;
    let done: string | undefined;
    let unfinished = '';
    let tail = '';
    const timer = setTimeout(() => {
      complaints.push(`not finished after ${limitSeconds} s`);
      child.kill('SIGKILL');
    }, limitSeconds * 1000);

    const line = (text: string, now: Instant): void => {
      const found = /#(B|E|C|DONE|ERR|FATAL|SKIP) (.*?)\r?$/.exec(text);
      if (found === null) return;
      const [, kind, rest = ''] = found;
      const [name = '', verdict = ''] = rest.split(' ');
      if (kind === 'C') counters = countersOf(rest);
      else if (kind === 'DONE') {
        done = rest;
        if (command.stopAtDone === true) child.kill('SIGKILL');
      } else if (kind === 'ERR' || kind === 'FATAL') complaints.push(text.trim());
      else if (kind === 'B') {
        begun = now;
        countersAtBegin = counters;
      } else if (kind === 'E' && begun !== undefined) {
        if (verdict !== 'ok') complaints.push(text.trim());
        phases.push({
          name,
          ok: verdict === 'ok',
          seconds: secondsBetween(begun, now),
          counters: counters && countersAtBegin && difference(counters, countersAtBegin),
        });
      }
    };
    child.stdout.on('data', (chunk: Buffer) => {
      const now: Instant = { wall: performance.now() / 1000, threads: threadSeconds(child.pid) };
      const lines = (unfinished + chunk.toString('latin1')).split('\n');
      unfinished = lines.pop() ?? '';
      for (const each of lines) line(each, now);
    });
    child.stderr.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString('latin1')).slice(-TAIL_CHARACTERS)));
    child.on('error', (error) => complaints.push(error.message));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (done !== 'ok')
        complaints.push(`${done === undefined ? 'no #DONE' : `#DONE ${done}`} (ended with ${code ?? signal})`);
      const failure =
        complaints.length === 0 ? undefined : [...complaints, done === 'ok' ? '' : tail.trim()].join('; ');
      resolve({ phases, failure });
    });
  });
}

/** `instructions=5 crossings=2`: our engine's line in front of `#B` and `#E`. */
function countersOf(text: string): Counters {
  const value = (name: string): number => Number(new RegExp(`${name}=(\\d+)`).exec(text)?.[1]);
  return { instructions: value('instructions'), crossings: value('crossings') };
}

const difference = (a: Counters, b: Counters): Counters => ({
  instructions: a.instructions - b.instructions,
  crossings: a.crossings - b.crossings,
});

function secondsBetween(from: Instant, to: Instant): number {
  const busiest = Math.max(0, ...[...to.threads].map(([thread, seconds]) => seconds - (from.threads.get(thread) ?? 0)));
  return busiest > 0 ? busiest : to.wall - from.wall;
}
