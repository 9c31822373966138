/** Chromium from the system, driven by playwright-core: nothing is downloaded. */
import { chromium, type BrowserContext } from 'playwright-core';
import { onPath } from '../../scripts/lib/programs.ts';
import { missingTool } from './result.ts';

/** Why no browser can be started; undefined when one can. */
export const browserMissing = (): string | undefined =>
  browserPath() === undefined ? missingTool('chromium', 'chromium') : undefined;

const browserPath = (): string | undefined => process.env['CHROMIUM'] ?? onPath('chromium') ?? onPath('google-chrome');

/** Starts a headless browser that keeps its profile in the given folder. Close the context to end it. */
export async function startBrowser(profile: string, size = { width: 1400, height: 900 }): Promise<BrowserContext> {
  const executablePath = browserPath();
  if (executablePath === undefined) throw new Error(browserMissing());
  return chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    viewport: size,
    chromiumSandbox: false,
    permissions: ['clipboard-read', 'clipboard-write'],
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
