/** Bundles our engine as a peer: today's, and that of an earlier commit, so that both run side by side. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { icedPlugin } from '../../scripts/lib/iced-plugin.ts';
import { fromRoot } from '../../scripts/lib/root.ts';
import { EARLIER_BUNDLE, HYPERSTEP_BUNDLE } from './peers.ts';

const PEER_SOURCE = ['test', 'bench', 'hyperstep-peer.ts'] as const;

export const bundleEngine = (): Promise<void> => bundle(fromRoot(...PEER_SOURCE), HYPERSTEP_BUNDLE);

/** Takes the engine as it was at `revision` out of the history; throws where there is no such commit (a shallow clone). */
export async function bundleEarlierEngine(revision: string): Promise<void> {
  const commit = git(['rev-parse', '--verify', '--quiet', `${revision}^{commit}`])
    ?.toString()
    .trim();
  if (commit === undefined)
    throw new Error(`no commit ${revision} in this clone: name another one with --earlier=REVISION`);
  const folder = fromRoot('out', 'bench', `engine-${commit.slice(0, 12)}`);
  if (!existsSync(folder)) {
    const archive = git(['archive', commit, 'tsconfig.base.json', 'debug-adapter', 'test/bench']);
    if (archive === undefined) throw new Error(`git archive ${commit} failed`);
    mkdirSync(folder, { recursive: true });
    const tar = spawnSync('tar', ['-x', '-C', folder], { input: archive });
    if (tar.status !== 0) throw new Error(`the sources of ${commit} could not be unpacked: ${tar.stderr.toString()}`);
  }
  await bundle(path.join(folder, ...PEER_SOURCE), EARLIER_BUNDLE);
}

function git(words: readonly string[]): Buffer | undefined {
  const { status, stdout } = spawnSync('git', ['-C', fromRoot(), ...words], { maxBuffer: 1 << 28 });
  return status === 0 ? stdout : undefined;
}

/** As the adapter is bundled, so that what is measured is what ships. */
async function bundle(entryPoint: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entryPoint],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: ['es2022', 'node20'],
    keepNames: true,
    loader: { '.wasm': 'binary' },
    plugins: [icedPlugin],
    logLevel: 'warning',
  });
}
