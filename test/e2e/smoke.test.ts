import assert from 'node:assert/strict';
import { fromRoot } from '../../scripts/lib/root.ts';
import { useWorkbench } from '../harness/vscode.ts';

describe('workbench with the packaged extension', () => {
  const workbench = useWorkbench({ folder: fromRoot('test', 'harness') });

  it('lists the extension among the installed ones', async () => {
    await workbench().showContainer('Extensions');
    await workbench().page.locator('.extensions-list .monaco-list-row', { hasText: 'Hyperstep' }).first().waitFor();
  });

  it('opens a file, runs a command and changes its colours', async () => {
    await workbench().openFile('browser.ts');
    await workbench().goToLine(9);
    assert.match(await workbench().screenshot('smoke', 'light'), /smoke-light\.png$/);
    assert.match(await workbench().screenshot('smoke', 'dark'), /smoke-dark\.png$/);
    await workbench().runCommand('View: Toggle Primary Side Bar Visibility');
  });
});
