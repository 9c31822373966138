/**
 * iced-x86 is published for Node only: its JavaScript reads the .wasm beside itself. This esbuild plugin replaces that loader
 * with one whose bytes lie in the bundle, so that the engine runs in Node, in a VS Code extension and in a browser worker alike.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Plugin } from 'esbuild';

const UTIL_IMPORT = 'const { TextDecoder, TextEncoder } = require(`util`);';
const LOADER_START = "const path = require('path').join(__dirname, 'iced_x86_bg.wasm');";
const LOADER_END = 'module.exports.__wasm = wasm;';

/** `require` in a line that is no comment. */
const CODE_WITH_REQUIRE = /^(?!\s*(\*|\/\/)).*\brequire\(/m;

const INLINE_LOADER = `
const wasmModule = new WebAssembly.Module(require('./iced_x86_bg.wasm'));
wasm = new WebAssembly.Instance(wasmModule, imports).exports;
module.exports.__wasm = wasm;
`;

/** Replaces the file loader of iced-x86's JavaScript; throws when the package no longer looks as expected. */
export function inlineIcedLoader(source: string): string {
  const start = source.lastIndexOf(LOADER_START);
  const loader = source.slice(start).trimEnd();
  const expected = source.includes(UTIL_IMPORT) && start >= 0 && loader.endsWith(LOADER_END);
  const leftover = expected ? source.slice(0, start).replace(UTIL_IMPORT, '') : source;
  if (!expected || CODE_WITH_REQUIRE.test(leftover)) {
    throw new Error('iced-x86 changed the layout of iced_x86.js: adapt scripts/lib/iced-plugin.ts to the new version.');
  }
  return leftover + INLINE_LOADER;
}

export const icedPlugin: Plugin = {
  name: 'iced-x86',
  setup(build) {
    build.onLoad({ filter: /[\\/]iced-x86[\\/]iced_x86\.js$/ }, async ({ path: file }) => ({
      contents: inlineIcedLoader(await readFile(file, 'utf8')),
      loader: 'js',
      resolveDir: path.dirname(file),
    }));
  },
};
