import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fromRoot } from '../../scripts/lib/root.ts';
import { requireTool } from '../harness/tools.ts';
import { useWorkbench } from '../harness/vscode.ts';
import { restPointer, showOnly, startConfiguration, widenSideBar } from './side-bar.ts';

const FOLDER = fromRoot('test', 'e2e', 'c-kernel');

/** The line of the C source that contains a text, counting from 1. */
function lineOf(text: string): number {
  const lines = readFileSync(`${FOLDER}/kernel.c`, 'utf8').split('\n');
  const line = lines.findIndex((each) => each.includes(text)) + 1;
  assert.notEqual(line, 0, text);
  return line;
}

describe('a Multiboot kernel that gcc -g built', () => {
  const gcc = requireTool('gcc');
  const build = (folder: string): void => {
    const words = '-m32 -g -O0 -ffreestanding -fno-pic -fno-asynchronous-unwind-tables -nostdlib -static';
    const link = '-Wl,-Ttext=0x101000,-z,max-page-size=4096,--build-id=none boot.S kernel.c -o kernel.elf';
    execFileSync(gcc, `${words} ${link}`.split(' '), { cwd: folder });
  };
  const workbench = useWorkbench({ folder: FOLDER, prepare: build });

  it('stops at a line of C', async () => {
    await workbench().openFile('kernel.c');
    await workbench().setBreakpoint(lineOf('found++;'));
    await startConfiguration(workbench(), 'C kernel');
    await widenSideBar(workbench(), 480);
    await workbench().press('F5');
    await workbench().waitForStopAt(lineOf('found++;'));
  });

  it('shows who called whom', async () => {
    await showOnly(workbench(), ['Call Stack', 'Variables']);
    const calls = workbench().pane('Call Stack');
    await calls.waitForRow(/count.*kernel\.c/);
    await calls.waitForRow(/report.*kernel\.c/);
    await calls.waitForRow(/kernel_main.*kernel\.c/);
    await calls.waitForRow(/_start.*boot\.S/);
    const rows = await calls.rows();
    const order = ['count', 'report', 'kernel_main', '_start'].map((name) =>
      rows.findIndex((row) => row.includes(name)),
    );
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  });

  it('looks good there', async () => {
    await restPointer(workbench());
    await workbench().screenshot('c-kernel', 'dark');
    await workbench().screenshot('c-kernel', 'light');
    await workbench().setTheme('dark');
  });

  it('goes to the line of a caller', async () => {
    await (
      await workbench()
        .pane('Call Stack')
        .waitForRow(/report.*kernel\.c/)
    ).click();
    await workbench().page.locator('.debug-focused-stack-frame-line').first().waitFor();
  });

  it('steps over a line of C and out of the function', async () => {
    await (
      await workbench()
        .pane('Call Stack')
        .waitForRow(/count.*kernel\.c/)
    ).click();
    await workbench().press('F10');
    await workbench().waitForStopAt(lineOf('for (; *text; text++)'));
    await workbench().toggleBreakpoint(lineOf('found++;'));
    await workbench().press('Shift+F11');
    await workbench().waitForStopAt(lineOf('int vowels'));
  });
});
