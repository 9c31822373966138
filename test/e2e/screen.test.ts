import assert from 'node:assert/strict';
import { fromRoot } from '../../scripts/lib/root.ts';
import { useWorkbench } from '../harness/vscode.ts';
import { restPointer } from './side-bar.ts';

describe("the guest's screen", () => {
  const workbench = useWorkbench({ folder: fromRoot('test', 'e2e', 'screen') });
  const screen = async () => (await workbench().webview('#screen')).locator('#screen');
  const line = async (text: string) => (await screen()).locator('.line', { hasText: text }).first();

  it('says that there is none before a session', async () => {
    await workbench().openFile('screen.asm');
    await workbench().runCommand('Hyperstep: Show Guest Screen');
    const page = await workbench().webview('#status');
    await page.locator('#status', { hasText: 'No guest is being debugged' }).waitFor();
  });

  it('shows what a running guest draws', async () => {
    await workbench().press('F5');
    await (await line('Virtual  machine')).waitFor();
    await (await line('╔══════════════════╗')).waitFor();
    const colours = await (
      await line('Virtual  machine')
    )
      .locator('> span', { hasText: 'Virtual' })
      .evaluate((piece) => [getComputedStyle(piece).color, getComputedStyle(piece).backgroundColor]);
    assert.deepEqual(colours, ['rgb(255, 255, 85)', 'rgb(0, 0, 170)']);
  });

  it('keeps every piece of a line in its columns', async () => {
    const [title, frame] = await Promise.all(
      ['Virtual  machine', '╔══'].map(async (text) =>
        (await line(text)).locator('> span').evaluateAll((pieces) => {
          const cells = pieces.map((piece) => piece.getBoundingClientRect());
          return { left: cells[0]?.left ?? 0, right: cells.at(-1)?.right ?? 0 };
        }),
      ),
    );
    assert.ok(title !== undefined && frame !== undefined && title.right > title.left);
    assert.ok(Math.abs(title.right - frame.right) < 1, `${title.right} and ${frame.right}`);
  });

  it('takes keys to the guest', async () => {
    await (await screen()).click();
    await workbench().page.keyboard.type('helloringzero');
    await (await line('helloringzero')).waitFor();
  });

  it('looks good', async () => {
    // Keys go to the guest until the focus is elsewhere.
    await workbench().editorLine('Draws a coloured frame').click();
    await restPointer(workbench());
    await workbench().screenshot('screen', 'dark');
    await workbench().screenshot('screen', 'light');
    await workbench().setTheme('dark');
  });

  it('says so when the session is over', async () => {
    await workbench().stopDebugging();
    const page = await workbench().webview('#status');
    await page.locator('#status', { hasText: 'No guest is being debugged' }).waitFor();
  });
});
