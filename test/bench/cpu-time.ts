/** CPU time of threads, which what else the machine does disturbs less than the time that passes. Linux tells; others do not. */
import { readdirSync, readFileSync } from 'node:fs';

const NANOSECONDS = 1e9;

/** CPU seconds by thread of a process; empty where the system does not tell, or the process has ended. */
export function threadSeconds(pid: number | undefined): ReadonlyMap<string, number> {
  const seconds = new Map<string, number>();
  if (pid === undefined) return seconds;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [running] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      seconds.set(thread, Number(running) / NANOSECONDS);
    }
  } catch {
    seconds.clear();
  }
  return seconds;
}

/** CPU seconds of the calling process's main thread; where the system does not tell, the seconds that passed. */
export const ownSeconds = (): number => threadSeconds(process.pid).get(String(process.pid)) ?? performance.now() / 1000;
