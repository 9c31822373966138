/**
 * The real workbench as a test sees it: a page object over VS Code's DOM. Everything waits for what it needs to see, so tests
 * contain no pauses; a wait that fails names what it waited for.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { fromRoot } from '../../scripts/lib/root.ts';

export type Theme = 'dark' | 'light';

/** How the workbench's element tells the colours it shows. */
const THEMES: Record<Theme, string> = {
  dark: '.monaco-workbench.vs-dark',
  light: '.monaco-workbench.vs:not(.vs-dark)',
};

const SCREENSHOTS = fromRoot('out', 'screenshots');
const PICTURES = fromRoot('docs', 'pictures');

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A collapsible part of a side bar: Variables, Call Stack, or a view of ours. */
export class Pane {
  private readonly header: Locator;
  private readonly list: Locator;
  private readonly name: string;

  constructor(page: Page, name: string) {
    this.name = name;
    this.header = page.locator(`.pane > .pane-header[aria-label^="${name}"]`);
    this.list = page.locator(`.pane:has(> .pane-header[aria-label^="${name}"])`);
  }

  /** Opens the pane; contributed debug views start collapsed. */
  async expand(): Promise<this> {
    await this.header.waitFor();
    if ((await this.header.getAttribute('aria-expanded')) !== 'true') await this.header.click();
    return this;
  }

  async collapse(): Promise<this> {
    await this.header.waitFor();
    if ((await this.header.getAttribute('aria-expanded')) === 'true') await this.header.click();
    return this;
  }

  /** The texts of the rows on screen. */
  async rows(): Promise<string[]> {
    return this.list.locator('.monaco-list-row').allTextContents();
  }

  /** The rows that contain a text. */
  row(text: string | RegExp): Locator {
    return this.list.locator('.monaco-list-row', { hasText: text });
  }

  /** Waits until a row shows the text, and returns it. */
  async waitForRow(text: string | RegExp): Promise<Locator> {
    const row = this.row(text).first();
    await row.waitFor().catch(async (error: unknown) => {
      const shown = (await this.rows()).join('\n  ');
      throw new Error(`no row of ${this.name} shows ${String(text)}; it shows\n  ${shown}`, { cause: error });
    });
    return row;
  }

  /** Opens a tree row that can be opened. */
  async expandRow(text: string | RegExp): Promise<void> {
    const row = await this.waitForRow(text);
    if ((await row.getAttribute('aria-expanded')) === 'false') await row.locator('.monaco-tl-twistie').click();
  }

  /** Clicks an action of the pane's title, by its tooltip. */
  async action(label: string): Promise<void> {
    await this.header.hover();
    await this.header.locator(`.action-label[aria-label^="${label}"]`).click();
  }
}

export class Workbench {
  readonly page: Page;
  readonly url: string;
  private theme: Theme = 'dark';

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
    page.setDefaultTimeout(20_000);
  }

  /** Opens the workbench on a folder and waits until it takes input. */
  async openFolder(folder: string): Promise<void> {
    await this.page.goto(`${this.url}?folder=${encodeURIComponent(folder)}`);
    await this.page.locator('.monaco-workbench').waitFor();
    await this.page.locator('.activitybar .action-item').first().waitFor();
    await this.page.locator(THEMES[this.theme]).first().waitFor();
    await this.page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
  }

  /** Runs a command from the palette by its title, as the palette shows it. */
  async runCommand(title: string): Promise<void> {
    await this.pick('F1', `>${title}`, title);
  }

  /** Opens a file by its path below the folder, through Quick Open. */
  async openFile(file: string): Promise<void> {
    await this.pick('Control+p', file, path.basename(file));
    await this.page.locator(`.tab.active[aria-label^="${path.basename(file)}"]`).waitFor();
    await this.page.locator('.editor-instance .view-line').first().waitFor();
  }

  /** Answers whatever quick pick is open with the entry that has the label. */
  async choose(label: string): Promise<void> {
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: label }).first().click();
  }

  /** Answers an open input box. */
  async answer(text: string): Promise<void> {
    const input = this.quickInput();
    await input.waitFor();
    await input.fill(text);
    await input.press('Enter');
  }

  async press(keys: string): Promise<void> {
    await this.page.keyboard.press(keys);
  }

  pane(name: string): Pane {
    return new Pane(this.page, name);
  }

  /** Shows a view container by the tooltip of its icon in the activity bar, `Run and Debug` for example. */
  async showContainer(label: string): Promise<void> {
    const icon = this.page.locator(`.activitybar .action-item:has(.action-label[aria-label^="${label}"])`).first();
    await icon.waitFor();
    if ((await icon.getAttribute('aria-expanded')) !== 'true') await icon.locator('.action-label').click();
  }

  /** The line as the active editor shows it, markup and all. */
  editorLine(text: string | RegExp): Locator {
    return this.page.locator('.editor-instance .view-line', { hasText: text }).first();
  }

  async goToLine(line: number): Promise<void> {
    await this.page.keyboard.press('Control+g');
    await this.answer(`:${line}`);
    await this.lineNumber(line).waitFor();
  }

  /** Sets a breakpoint by a click into the gutter. */
  async setBreakpoint(line: number): Promise<void> {
    await this.goToLine(line);
    const number = await this.lineNumber(line).boundingBox();
    const gutter = await this.page.locator('.editor-instance .glyph-margin').first().boundingBox();
    if (number === null || gutter === null) throw new Error(`line ${line} is not on screen`);
    const at = { x: gutter.x + gutter.width / 2, y: number.y + number.height / 2 };
    // The gutter takes clicks only once the debug service is up: it then shows a hint under the pointer.
    const hint = this.page.locator('.editor-instance .codicon-debug-hint');
    for (let nudge = 0; (await hint.count()) === 0; nudge++) {
      if (nudge === 100) throw new Error(`the gutter of line ${line} offers no breakpoint`);
      await this.page.mouse.move(at.x, at.y + (nudge % 2));
      await this.page.waitForTimeout(100);
    }
    await this.page.mouse.click(at.x, at.y);
    await this.page.locator('.editor-instance [class*="codicon-debug-breakpoint"]').first().waitFor();
  }

  /** Sets or clears the breakpoint of a line with the key. */
  async toggleBreakpoint(line: number): Promise<void> {
    await this.page.locator('.editor-instance .view-lines').first().click();
    await this.goToLine(line);
    const breakpoints = this.page.locator('.editor-instance [class*="codicon-debug-breakpoint"]');
    const before = await breakpoints.count();
    await this.press('F9');
    for (let tries = 0; (await breakpoints.count()) === before; tries++) {
      if (tries === 100) throw new Error(`line ${line}: the key changed no breakpoint`);
      await this.page.waitForTimeout(100);
    }
  }

  /**
   * Turns an exception breakpoint (a VM exit, for example) on, with a condition where one is given. They are listed in the Breakpoints
   * pane once a session has told of them.
   */
  async setExceptionBreakpoint(label: string, condition?: string): Promise<void> {
    const pane = await this.pane('Breakpoints').expand();
    const row = await pane.waitForRow(label);
    if ((await row.getAttribute('aria-checked')) !== 'true') await row.locator('.monaco-checkbox').click();
    if (condition === undefined) return;
    await row.hover();
    await row.locator('.action-label[aria-label^="Edit Condition"]').click();
    await this.page.locator('.breakpoint.exception input').fill(condition);
    await this.press('Enter');
    await pane.waitForRow(condition);
  }

  /** F5, then waits until the session has stopped somewhere. */
  async startDebugging(): Promise<void> {
    await this.press('F5');
    await this.waitForStop();
  }

  /** Waits until a stack frame is shown as the place where execution stands. */
  async waitForStop(): Promise<void> {
    await this.page.locator('.codicon-debug-continue').first().waitFor();
    await this.page
      .locator('.debug-top-stack-frame-line, .disassembly-view .codicon-debug-stackframe')
      .first()
      .waitFor();
  }

  /** Waits until the line with this text is the one execution stands on. */
  async waitForStopAt(line: number): Promise<void> {
    await this.waitForStop();
    const marked = async (): Promise<boolean> =>
      this.page.evaluate((wanted) => {
        const arrow = document.querySelector('.editor-instance .codicon-debug-stackframe');
        const top = arrow?.getBoundingClientRect().top ?? Number.NaN;
        const numbers = [...document.querySelectorAll('.editor-instance .margin-view-overlays .line-numbers')];
        const row = numbers.find((element) => element.textContent === String(wanted));
        return row !== undefined && Math.abs(row.getBoundingClientRect().top - top) < 10;
      }, line);
    for (let tries = 0; !(await marked()); tries++) {
      if (tries === 100) throw new Error(`execution does not stand on line ${line}`);
      await this.page.waitForTimeout(100);
    }
  }

  async stopDebugging(): Promise<void> {
    await this.press('Shift+F5');
    await this.page.locator('.codicon-debug-stop').first().waitFor({ state: 'detached' });
  }

  /** Rows of the Disassembly View, which must be open. */
  disassemblyRow(text: string | RegExp): Locator {
    return this.page.locator('.disassembly-view .monaco-list-row', { hasText: text });
  }

  /** Lines of the Debug Console; showing it first makes them exist. */
  async consoleLine(text: string | RegExp): Promise<Locator> {
    await this.runCommand('Debug Console: Focus on Debug Console View');
    const line = this.page.locator('.repl .monaco-list-row', { hasText: text }).first();
    await line.waitFor();
    return line;
  }

  /** Evaluates in the Debug Console. */
  async evaluate(expression: string): Promise<void> {
    await this.runCommand('Debug Console: Focus on Debug Console View');
    await this.page.locator('.repl-input-wrapper .monaco-editor').click();
    await this.page.keyboard.type(expression);
    await this.page.keyboard.press('Enter');
  }

  /** The content of the webview that contains an element matching the selector. */
  async webview(selector: string): Promise<FrameLocator> {
    const outer = this.page.locator('iframe.webview.ready');
    for (let tries = 0; tries < 100; tries++) {
      for (let at = 0; at < (await outer.count()); at++) {
        const content = outer.nth(at).contentFrame().frameLocator('#active-frame');
        if ((await content.locator(selector).count()) > 0) return content;
      }
      await this.page.waitForTimeout(100);
    }
    throw new Error(`no webview contains ${selector}`);
  }

  /** The texts of the notifications on screen. */
  async notifications(): Promise<string[]> {
    return this.page.locator('.notification-list-item-message').allTextContents();
  }

  /** Waits for a notification with the text, and returns the whole of it. */
  async waitForNotification(text: string | RegExp): Promise<string> {
    const toast = this.page.locator('.notification-list-item-message', { hasText: text }).first();
    await toast.waitFor();
    return (await toast.textContent()) ?? '';
  }

  /** Changes the colours of the running workbench. */
  async setTheme(theme: Theme): Promise<void> {
    if (theme === this.theme) return;
    await this.runCommand('Preferences: Toggle between Light/Dark Themes');
    await this.page.locator(THEMES[theme]).first().waitFor();
    this.theme = theme;
  }

  /**
   * Takes `out/screenshots/<name>-<theme>.png`. With UPDATE_PICTURES=1 the picture is also copied to `docs/pictures`, where the
   * README shows it from.
   */
  async screenshot(name: string, theme: Theme = this.theme): Promise<string> {
    await this.setTheme(theme);
    const file = await this.capture(`${name}-${theme}`);
    if (process.env['UPDATE_PICTURES'] === '1') {
      mkdirSync(PICTURES, { recursive: true });
      copyFileSync(file, path.join(PICTURES, path.basename(file)));
    }
    return file;
  }

  /** A screenshot for a person who looks for the reason of a failure. */
  async capture(name: string): Promise<string> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    const file = path.join(SCREENSHOTS, `${name.replaceAll(/[^\w.-]+/g, '-')}.png`);
    await this.page.screenshot({ path: file });
    return file;
  }

  private quickInput(): Locator {
    return this.page
      .locator(
        '.quick-input-widget:not([style*="display: none"]) input[type="text"], .quick-input-widget:not([style*="display: none"]) .quick-input-box input',
      )
      .first();
  }

  private lineNumber(line: number): Locator {
    return this.page.locator('.editor-instance .margin-view-overlays .line-numbers', {
      hasText: new RegExp(`^${line}$`),
    });
  }

  /** Opens a quick pick, filters it and takes the first entry with the label. */
  private async pick(keys: string, filter: string, label: string): Promise<void> {
    await this.page.keyboard.press(keys);
    const input = this.quickInput();
    await input.waitFor();
    await input.fill(filter);
    const entry = this.page.locator('.quick-input-list .monaco-list-row', { hasText: new RegExp(escape(label), 'i') });
    await entry.first().click();
    await this.page.locator('.quick-input-widget').first().waitFor({ state: 'hidden' });
  }
}
