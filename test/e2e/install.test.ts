import { fromRoot } from '../../scripts/lib/root.ts';
import { useWorkbench } from '../harness/vscode.ts';

describe('the packaged extension in the workbench', () => {
  const workbench = useWorkbench({ folder: fromRoot('samples', '00-hello') });

  it('is among the installed ones', async () => {
    await workbench().showContainer('Extensions');
    await workbench().page.locator('.extensions-list .monaco-list-row', { hasText: 'Hyperstep' }).first().waitFor();
  });

  it('owns the language of guest programs and takes breakpoints in them', async () => {
    await workbench().openFile('hello.asm');
    await workbench().page.locator('#status\\.editor\\.mode', { hasText: 'NASM Guest Program' }).waitFor();
    await workbench().setBreakpoint(12);
  });
});
