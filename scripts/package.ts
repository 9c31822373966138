/** `npm run package`: builds for production and makes `out/hyperstep-<version>.vsix`; refuses one that is too large. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createVSIX } from '@vscode/vsce';
import { alreadyReported, build } from './build.ts';
import { fromRoot, ROOT } from './lib/root.ts';

const LARGEST_BYTES = 3 * 1024 * 1024;

/** Makes the VSIX and returns its path. */
export async function makePackage(): Promise<string> {
  await build({ production: true });
  const { version } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as { version: string };
  const vsix = fromRoot('out', `hyperstep-${version}.vsix`);
  mkdirSync(fromRoot('out'), { recursive: true });
  await createVSIX({ cwd: ROOT, packagePath: vsix, dependencies: false, allowMissingRepository: true });
  const { size } = statSync(vsix);
  const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(2)} MB`;
  if (size > LARGEST_BYTES) {
    throw new Error(`the package has ${megabytes(size)}, at most ${megabytes(LARGEST_BYTES)} are allowed`);
  }
  console.log(`packaged out/hyperstep-${version}.vsix (${megabytes(size)})`);
  return vsix;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await makePackage();
  } catch (error) {
    if (!alreadyReported(error)) console.error(`package: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
