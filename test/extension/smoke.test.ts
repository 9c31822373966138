import assert from 'node:assert/strict';
import * as vscode from 'vscode';

describe('extension host', () => {
  it('knows the extension under test', () => {
    assert.equal(vscode.extensions.getExtension('hyperstep.hyperstep')?.id, 'hyperstep.hyperstep');
  });
});
