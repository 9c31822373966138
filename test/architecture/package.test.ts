import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { allBundles, pageStyles, viewsWithPage } from '../../scripts/lib/bundles.ts';
import { inlineIcedLoader } from '../../scripts/lib/iced-plugin.ts';
import { manifest } from '../../scripts/lib/manifest.ts';
import { fromRoot, ROOT } from '../../scripts/lib/root.ts';

const git = (...args: readonly string[]): string[] =>
  execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\n').filter(Boolean);

/** The paths `vsce` would put into the package. */
function packagedFiles(): string[] {
  const vsce = fromRoot('node_modules/@vscode/vsce/vsce');
  return execFileSync(process.execPath, [vsce, 'ls', '--no-dependencies'], { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
}

describe('architecture: package', function () {
  this.timeout(60_000);

  it('has an entry point for every bundle', () => {
    const missing = allBundles().filter(({ entry }) => !existsSync(fromRoot(entry)));
    assert.deepEqual(
      missing.map(({ entry }) => entry),
      [],
    );
    assert.ok(allBundles().some(({ output }) => `./${output}` === manifest().main));
  });

  it('contains the bundles and nothing of the sources', () => {
    const files = packagedFiles();
    for (const { output } of allBundles()) assert.ok(files.includes(output), `${output} is missing`);
    for (const view of viewsWithPage()) {
      const { output } = pageStyles(view);
      if (existsSync(fromRoot(output))) assert.ok(files.includes(output), `${output} is missing`);
    }
    for (const file of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
      assert.ok(files.includes(file), `${file} is missing`);
    }
    const allowed =
      /^(dist\/|media\/|syntaxes\/|snippets\/|samples\/|language-configuration\.json$|package\.json$|README\.md$|CHANGELOG\.md$|LICENSE)/;
    assert.deepEqual(
      files.filter((file) => !allowed.test(file) || /\.(ts|map|wasm)$/.test(file)),
      [],
    );
  });

  it('contributes only files that are packaged', () => {
    const files = new Set(packagedFiles());
    const paths: string[] = [];
    JSON.stringify(manifest(), (key, value: unknown) => {
      if (
        /^(path|configuration|icon|dark|light|main|program)$/.test(key) &&
        typeof value === 'string' &&
        value.startsWith('./')
      ) {
        paths.push(value.slice(2));
      }
      return value;
    });
    assert.ok(paths.length > 0);
    assert.deepEqual(
      paths.filter((path) => !files.has(path)),
      [],
    );
  });

  it('has lock files that name no registry', () => {
    for (const file of ['package-lock.json', 'test/harness/vscode/package-lock.json']) {
      assert.doesNotMatch(readFileSync(fromRoot(file), 'utf8'), /"resolved"/, file);
    }
  });

  it('tracks nothing that is built', () => {
    assert.deepEqual(
      git('ls-files').filter((file) => /^(dist|out|node_modules|\.cache)\/|\.vsix$/.test(file)),
      [],
    );
  });
});

describe('architecture: iced-x86 in one file', () => {
  const source = readFileSync(fromRoot('node_modules/iced-x86/iced_x86.js'), 'utf8');

  it('loses its file loader', () => {
    const inlined = inlineIcedLoader(source);
    assert.deepEqual(inlined.match(/^(?!\s*\*).*require\(.*/gm), [
      "const wasmModule = new WebAssembly.Module(require('./iced_x86_bg.wasm'));",
    ]);
  });

  for (const [what, changed] of [
    ['the end of the loader', `${source}\nmodule.exports.more = 1;`],
    ['its start', source.replace("const path = require('path')", "const file = require('path')")],
    ['the import of util', source.replace('require(`util`)', "require('node:util')")],
    ['another import', `const os = require('os');\n${source}`],
  ] as const) {
    it(`is refused when ${what} changes`, () => {
      assert.throws(() => inlineIcedLoader(changed), /iced-x86 changed the layout/);
    });
  }
});
