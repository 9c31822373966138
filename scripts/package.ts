/** `npm run package`: builds for production and makes `out/hyperstep-<version>.vsix`; refuses one that is too large. */
import { mkdirSync, statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createVSIX } from '@vscode/vsce';
import { build, fail } from './build.ts';
import { manifest } from './lib/manifest.ts';
import { fromRoot, ROOT } from './lib/root.ts';

const LARGEST_BYTES = 3 * 1024 * 1024;

/** Makes the VSIX and returns its path. */
export async function makePackage(): Promise<string> {
  await build({ production: true });
  const { version } = manifest();
  const vsix = fromRoot('out', `hyperstep-${version}.vsix`);
  mkdirSync(fromRoot('out'), { recursive: true });
  await createVSIX({
    cwd: ROOT,
    packagePath: vsix,
    dependencies: false,
    // There is no public repository yet that links of the README could be completed with.
    allowMissingRepository: true,
    rewriteRelativeLinks: false,
  });
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
    fail('package', error);
  }
}
