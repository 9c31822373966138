import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkLayering } from '../../scripts/layering.ts';
import { engineReach } from '../../scripts/lib/layers.ts';

/** The report over a small tree of files, given as path -> text. */
async function report(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(path.join(tmpdir(), 'hyperstep-layering-'));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    }
    return await checkLayering(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

describe('architecture: direction of imports', function () {
  this.timeout(60_000);

  it('holds in this tree, without cycles', async () => {
    const { lines, broken, files } = await checkLayering();
    assert.ok(!broken, lines.join('\n'));
    assert.ok(files > 50, `only ${files} files were looked at`);
    assert.ok(lines.includes('layering: engine imports only engine and iced-x86: ok'));
    assert.equal(lines.at(-1), `cycles: none in ${files} files`);
  });

  const FORBIDDEN: readonly (readonly [what: string, from: string, to: string, rule: RegExp])[] = [
    ['the engine from Node', 'debug-adapter/engine/cpu/a.ts', 'node:fs', /engine imports only engine/],
    ['the engine from vscode', 'debug-adapter/engine/cpu/a.ts', 'vscode', /engine imports only engine/],
    [
      'the engine from the debugger',
      'debug-adapter/engine/cpu/a.ts',
      '../../debugger/b.ts',
      /engine imports only engine/,
    ],
    ['memory from cpu', 'debug-adapter/engine/memory/a.ts', '../cpu/b.ts', /knowledge goes one way/],
    ['devices from cpu', 'debug-adapter/engine/devices/a.ts', '../cpu/b.ts', /knowledge goes one way/],
    ['cpu from vmx', 'debug-adapter/engine/cpu/a.ts', '../vmx/b.ts', /knowledge goes one way/],
    ['a part from index', 'debug-adapter/engine/cpu/a.ts', '../index.ts', /knowledge goes one way/],
    ['an unknown part', 'debug-adapter/engine/cpu/a.ts', '../surprise/b.ts', /knowledge goes one way/],
    ['the debugger past the index', 'debug-adapter/debugger/a.ts', '../engine/cpu/b.ts', /debugger imports only/],
    ['the debugger from the protocol', 'debug-adapter/debugger/a.ts', '../protocol/b.ts', /debugger imports only/],
    ['a request past the index', 'debug-adapter/requests/a.ts', '../engine/cpu/b.ts', /requests, session and present/],
    ['the adapter from vscode', 'debug-adapter/main.ts', 'vscode', /the adapter imports neither/],
    ['the adapter from the extension', 'debug-adapter/main.ts', '../extension/b.ts', /the adapter imports neither/],
    ['the adapter past the index', 'debug-adapter/cli.ts', './engine/cpu/b.ts', /the adapter imports neither/],
    ['the protocol from anything', 'debug-adapter/protocol/a.ts', '../engine/index.ts', /protocol imports nothing/],
    [
      'the extension from the engine',
      'extension/main.ts',
      '../debug-adapter/engine/index.ts',
      /the extension imports only/,
    ],
    ['the extension from the server', 'extension/main.ts', './language/server/b.ts', /the extension imports only/],
    ['the server from vscode', 'extension/language/server/a.ts', 'vscode', /the language server imports only/],
    ['a page from vscode', 'extension/views/vmcs/page/a.ts', 'vscode', /pages import only/],
    ['a page from its provider', 'extension/views/vmcs/page/a.ts', '../provider.ts', /pages import only/],
    ['something that is not there', 'debug-adapter/engine/cpu/a.ts', './missing.ts', /every import is found/],
  ];
  for (const [what, from, to, rule] of FORBIDDEN) {
    it(`refuses ${what}`, async () => {
      const target = to.startsWith('.') && !to.includes('missing') ? path.join(path.dirname(from), to) : undefined;
      const { lines, broken } = await report({
        [from]: `import type { B } from '${to}';\nexport type A = B;\n`,
        ...(target === undefined ? {} : { [target]: 'export type B = number;\n' }),
      });
      assert.ok(broken);
      const named = lines.filter((line) => line.includes('BROKEN') && line.includes(from));
      assert.ok(
        named.some((line) => rule.test(line)),
        lines.join('\n'),
      );
    });
  }

  it('refuses a cycle, even of types only', async () => {
    const { lines, broken } = await report({
      'debug-adapter/engine/cpu/a.ts': `import type { B } from './b.ts';\nexport type A = B | 1;\n`,
      'debug-adapter/engine/cpu/b.ts': `import type { A } from './a.ts';\nexport type B = A | 2;\n`,
    });
    assert.ok(broken);
    assert.match(lines.at(-1) ?? '', /^cycles: \d+ BROKEN\n.*cpu\/[ab]\.ts -> /);
  });

  it('allows what is below, however far', async () => {
    assert.deepEqual(engineReach('vmx'), ['base', 'cpu', 'instructions', 'isa', 'memory', 'vmx', 'wasm']);
    const { broken, lines } = await report({
      'debug-adapter/engine/vmx/a.ts': `import { b } from '../base/b.ts';\nexport const a = b;\n`,
      'debug-adapter/engine/base/b.ts': 'export const b = 1;\n',
      'debug-adapter/main.ts': `import { sep } from 'node:path';\nimport { a } from './debugger/a.ts';\nexport const c = a + sep;\n`,
      'debug-adapter/debugger/a.ts': `import { a } from '../engine/index.ts';\nexport { a };\n`,
      'debug-adapter/engine/index.ts': `export { a } from './vmx/a.ts';\n`,
    });
    assert.ok(!broken, lines.join('\n'));
  });
});
