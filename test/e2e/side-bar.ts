/** The debug side bar as end-to-end tests arrange and use it, beyond what the harness offers. */
import type { Pane, Workbench } from '../harness/workbench.ts';

/** Drags the side bar's edge so that it becomes as wide as asked. */
export async function widenSideBar({ page }: Workbench, width: number): Promise<void> {
  const box = await page.locator('.part.sidebar').boundingBox();
  if (box === null) throw new Error('the side bar is not shown');
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width, y);
  await page.mouse.down();
  await page.mouse.move(box.x + width - 10, y);
  await page.mouse.move(box.x + width, y);
  await page.mouse.up();
}

/** Makes a pane as high as asked by dragging the edge below it; the panes further down get what it gives. */
export async function resizePane({ page }: Workbench, name: string, height: number): Promise<void> {
  const pane = page.locator(`.part.sidebar .split-view-view:has(> .pane > .pane-header[aria-label^="${name}"])`);
  const box = await pane.boundingBox();
  if (box === null) throw new Error(`${name} is not shown`);
  const x = box.x + box.width / 2;
  await page.mouse.move(x, box.y + box.height);
  await page.mouse.down();
  await page.mouse.move(x, box.y + height + 10);
  await page.mouse.move(x, box.y + height);
  await page.mouse.up();
}

/** Moves the pointer where nothing reacts to it, so that no hover spoils a picture. */
export async function restPointer({ page }: Workbench): Promise<void> {
  await page.mouse.move(1000, 15);
  await page.locator('.workbench-hover-container').first().waitFor({ state: 'hidden' });
}

/** Opens the named panes of the debug side bar and closes all others. */
export async function showOnly(workbench: Workbench, panes: readonly string[]): Promise<void> {
  const headers = workbench.page.locator('.part.sidebar .pane > .pane-header');
  for (const label of await headers.evaluateAll((all) => all.map((each) => each.getAttribute('aria-label') ?? ''))) {
    const pane = workbench.pane(label);
    const wanted = panes.some((name) => label.startsWith(name));
    await (wanted ? pane.expand() : pane.collapse());
  }
}

/** Chooses the launch configuration with this name and starts it; F5 starts the same one from then on. */
export async function startConfiguration(workbench: Workbench, name: string): Promise<void> {
  await workbench.press('Control+p');
  await workbench.page.keyboard.type(`debug ${name}`);
  await workbench.choose(name);
  await workbench.waitForStop();
}

/** Ticks an exception filter in Breakpoints and gives it a condition. */
export async function stopWhen(
  breakpoints: Pane,
  { page }: Workbench,
  filter: string,
  condition: string,
): Promise<void> {
  const row = await breakpoints.waitForRow(filter);
  await row.hover();
  await row.locator('.action-label[aria-label^="Edit Condition"]').click();
  const input = page.locator(
    '.pane:has(> .pane-header[aria-label^="Breakpoints"]) .monaco-list .monaco-inputbox input',
  );
  await input.fill(condition);
  await input.press('Enter');
  await breakpoints.waitForRow(condition);
  await row.locator('[role="checkbox"]').click();
}
