import { fromRoot } from '../../scripts/lib/root.ts';
import { requireFile } from '../harness/tools.ts';
import { useWorkbench } from '../harness/vscode.ts';
import { restPointer } from './side-bar.ts';

describe("memtest86+ on the guest's screen", function () {
  this.timeout(180_000);
  requireFile('/boot/memtest86+x64.bin', 'memtest86+');
  const workbench = useWorkbench({ folder: fromRoot('test', 'e2e', 'memtest') });
  const line = async (text: string | RegExp) =>
    (await workbench().webview('#screen')).locator('#screen .line', { hasText: text }).first();

  it('shows what it has found out about the machine', async () => {
    await workbench().runCommand('Hyperstep: Show Guest Screen');
    await workbench().press('Control+p');
    await workbench().page.keyboard.type('debug memtest86+');
    await workbench().choose('memtest86+');
    await (await line(/Memtest86\+ v6/)).waitFor({ timeout: 60_000 });
    await (await line('Memory')).waitFor();
  });

  it('begins its tests when Enter is pressed', async () => {
    await (await line('<Enter> to start testing')).waitFor({ timeout: 60_000 });
    await (await line('Memory')).click();
    await workbench().press('Enter');
    await (await line(/Test #[1-9]/)).waitFor({ timeout: 90_000 });
  });

  it('looks good meanwhile', async () => {
    // Keys go to the guest until the focus is elsewhere.
    await workbench().page.locator('.repl-input-wrapper .monaco-editor').click();
    await restPointer(workbench());
    await workbench().screenshot('memtest', 'dark');
    await workbench().screenshot('memtest', 'light');
    await workbench().setTheme('dark');
  });
});
