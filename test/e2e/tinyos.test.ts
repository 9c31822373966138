import assert from 'node:assert/strict';
import { fromRoot } from '../../scripts/lib/root.ts';
import { useWorkbench } from '../harness/vscode.ts';
import { readSample } from '../programs/samples.ts';
import { resizePane, restPointer, showOnly, startConfiguration, stopWhen, widenSideBar } from './side-bar.ts';

const PROGRAM = '02-tinyos/tinyos.asm';
const CONFIGURATION = '02-tinyos: in a virtual machine';

/** Line of the first instruction behind a label, counting from 1. */
function lineAfter(label: string): number {
  const line = readSample(PROGRAM)
    .split('\n')
    .findIndex((text) => text.startsWith(`${label}:`));
  assert.notEqual(line, -1, label);
  return line + 2;
}

describe('02-tinyos under the built-in hypervisor', () => {
  const workbench = useWorkbench({ folder: fromRoot('samples') });

  it('starts with F5 and stops before the first instruction', async () => {
    await workbench().openFile(PROGRAM);
    await startConfiguration(workbench(), CONFIGURATION);
    await workbench().stopDebugging();
    await workbench().startDebugging();
    await workbench().pane('Call Stack').waitForRow('boot');
    await widenSideBar(workbench(), 540);
    await workbench().runCommand('View: Toggle Panel Visibility');
  });

  it('stops on the CPUID exit that a condition picks', async () => {
    const breakpoints = await workbench().pane('Breakpoints').expand();
    await stopWhen(breakpoints, workbench(), 'VM exit: CPUID', 'rax == 0x80000001');
    await showOnly(workbench(), ['Call Stack', 'VM Exits', 'VMCS']);
    await workbench().pane('VMCS').waitForRow('VMCS at');
    await workbench().press('F5');
    const exits = workbench().pane('VM Exits');
    await exits.waitForRow(/CPUID.*leaf 80000001h/);
    await workbench().pane('Call Stack').waitForRow('cpuid_extended_features');
  });

  it('shows the VMCS of that moment', async () => {
    const vmcs = workbench().pane('VMCS');
    await vmcs.waitForRow(/VMCS at 0x[0-9a-f]+.*launched/);
    await vmcs.waitForRow(/Changed since the last stop.*\d+ fields/);
    await resizePane(workbench(), 'Call Stack', 110);
    await resizePane(workbench(), 'VM Exits', 250);
    await vmcs.expandRow('Exit information');
    await vmcs.waitForRow(/Exit reason.*0xa/);
    await vmcs.expandRow('Guest state');
    await vmcs.waitForRow(/Guest CR0.*PE/);
  });

  it('looks good while stopped on an exit', async () => {
    await restPointer(workbench());
    await workbench().screenshot('vm-exit', 'dark');
    await workbench().screenshot('vm-exit', 'light');
    await workbench().setTheme('dark');
  });

  it('walks an address of the user task through both sets of tables', async () => {
    const breakpoints = await workbench().pane('Breakpoints').expand();
    await (await breakpoints.waitForRow('VM exit: CPUID')).locator('[role="checkbox"]').click();
    await workbench().openFile(PROGRAM);
    const line = lineAfter('user_first_touch');
    await workbench().setBreakpoint(line);
    await workbench().press('F5');
    await workbench().waitForStopAt(line);
    await showOnly(workbench(), ['Call Stack', 'Page Tables']);
    await workbench().pane('Page Tables').action('Walk an Address');
    await workbench().answer('rip');
    const walk = workbench().pane('Page Tables');
    // Four guest levels in one 2 MiB EPT page (4 reads each with the entry itself), and 4 EPT levels for the result.
    await walk.waitForRow(/rip = 0x9[0-9a-f]{3}.*20 memory references, read by user/);
    await walk.waitForRow(/Host-physical.*0x/);
    await walk.expandRow('PDE [0]');
    await walk.expandRow('EPT of 0x202000');
    await walk.waitForRow(/EPT of 0x202000.*3 reads/);
    await walk.waitForRow(/EPT PDE.*R W X.*PS/);
  });

  it('looks good while it shows a nested walk', async () => {
    await restPointer(workbench());
    await workbench().screenshot('page-walk', 'dark');
    await workbench().screenshot('page-walk', 'light');
    await workbench().setTheme('dark');
  });

  it('marks the entry that is not there yet', async () => {
    const walk = workbench().pane('Page Tables');
    await walk.action('Walk an Address');
    await workbench().answer('20008h');
    await walk.waitForRow(/PTE \[32\].*not present/);
    await walk.waitForRow(/#PF/);
  });

  it('opens the memory of an entry', async () => {
    await (
      await workbench()
        .pane('Page Tables')
        .waitForRow(/^Entry.*0x0 at 0x203100/)
    ).click();
    await workbench().editorLine('guest-physical memory at 0x203100').waitFor();
  });
});
