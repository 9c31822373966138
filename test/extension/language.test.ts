import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { sample, until } from './support.ts';

const guest = async (content: string): Promise<vscode.TextDocument> =>
  vscode.workspace.openTextDocument({ language: 'nasm-guest', content });

describe('language', () => {
  after(async () => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  it('is what an .asm file has', async () => {
    const document = await vscode.workspace.openTextDocument(sample('00-hello/hello.asm'));
    assert.equal(document.languageId, 'nasm-guest');
  });

  it('underlines an unknown mnemonic', async () => {
    const { uri } = await guest('bits 64\n    vmlanch\n');
    const found = await until('a diagnostic', () => vscode.languages.getDiagnostics(uri)[0]);
    assert.equal(found.range.start.line, 1);
    assert.match(found.message, /vmlanch.*vmlaunch/);
  });

  it('outlines a sample and finds nothing wrong with it', async () => {
    const document = await vscode.workspace.openTextDocument(sample('00-hello/hello.asm'));
    // The outline comes from the same assembly as the diagnostics.
    await until('the outline', async () => {
      const symbols = await vscode.commands.executeCommand<vscode.DocumentSymbol[] | undefined>(
        'vscode.executeDocumentSymbolProvider',
        document.uri,
      );
      return symbols?.find(({ name }) => name === 'power_off');
    });
    assert.deepEqual(vscode.languages.getDiagnostics(document.uri), []);
  });

  it('goes to a label', async () => {
    const document = await guest('    jmp finish\n    nop\nfinish:\n    hlt\n');
    const found = await until('a definition', async () => {
      const all = await vscode.commands.executeCommand<vscode.Location[]>(
        'vscode.executeDefinitionProvider',
        document.uri,
        new vscode.Position(0, 9),
      );
      return all[0];
    });
    assert.equal(found.range.start.line, 2);
  });
});
