import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { COMMANDS, VIEWS } from '../../debug-adapter/protocol/ids.ts';

describe('activation', () => {
  it('succeeds and registers every command and view', async () => {
    const extension = vscode.extensions.getExtension('hyperstep.hyperstep');
    assert.ok(extension);
    await extension.activate();
    assert.ok(extension.isActive);
    const known = new Set(await vscode.commands.getCommands(true));
    const expected = [...Object.values(COMMANDS), ...Object.values(VIEWS).map((view) => `${view}.focus`)];
    assert.deepEqual(
      expected.filter((command) => !known.has(command)),
      [],
    );
  });
});
