/** The host processor's side: builds test/oracles/host/batch.c and runs batches through it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CodeBits } from '../../../debug-adapter/engine/base/program.ts';
import { SEGMENT_ORDER } from '../../instructions/environment.ts';
import { CASE_BYTES, type Cases } from './record.ts';
import { CODE, SEGMENTS, WINDOWS } from './world.ts';

const SOURCE = fileURLToPath(new URL('../../oracles/host/batch.c', import.meta.url));
const LIMIT_MILLISECONDS = 120_000;

export interface Stray {
  readonly address: number;
  readonly value: number;
}

export class NativeRunner {
  private readonly folder = mkdtempSync(join(tmpdir(), 'hyperstep-batch-'));
  private readonly program = join(this.folder, 'batch');
  private readonly world: Buffer;

  constructor() {
    execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-fno-stack-protector', '-o', this.program, SOURCE]);
    const windows = WINDOWS.flatMap(({ at, bytes, readOnlyFrom, absentFrom }) => [at, bytes, readOnlyFrom, absentFrom]);
    const segments = SEGMENT_ORDER.flatMap((name) => {
      const { base, limit, rights } = SEGMENTS[16][name];
      return [base, limit, rights];
    });
    this.world = Buffer.from(Uint32Array.from([...windows, ...segments]).buffer);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Executes the cases; the states behind them come to `results`. Gives what was written outside of their windows. */
  run(bits: CodeBits, code: Uint8Array, cases: Cases, results: Cases): Stray[] {
    const [input, output] = [join(this.folder, 'input'), join(this.folder, 'output')];
    const into = openSync(input, 'w');
    const head = Buffer.from(Uint32Array.of(bits, cases.count, code.length, 0).buffer);
    for (const part of [this.world, head, code, cases.bytes]) writeSync(into, part);
    closeSync(into);
    const [from, to] = [openSync(input, 'r'), openSync(output, 'w')];
    const child = spawnSync(this.program, [], { stdio: [from, to, 'pipe'], timeout: LIMIT_MILLISECONDS });
    closeSync(from);
    closeSync(to);
    if (child.status !== 0)
      throw new Error(`the host's side ended with ${child.status ?? child.signal}: ${child.stderr.toString()}`);
    const bytes = readFileSync(output);
    const length = cases.count * CASE_BYTES;
    results.bytes.set(bytes.subarray(0, length));
    const strays = bytes.readUInt32LE(length) / 2;
    return Array.from({ length: strays }, (_, i) => ({
      address: bytes.readUInt32LE(length + 4 + 8 * i),
      value: bytes.readUInt32LE(length + 8 + 8 * i),
    }));
  }
}

/** Room for the code of a batch. */
export const CODE_BYTES = CODE.absentFrom - CODE.at;
