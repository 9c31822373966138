/** Chromium from the system, driven by playwright-core: nothing is downloaded. */
import { chromium, type BrowserContext } from 'playwright-core';
import { browserPath, missingTool } from '../../scripts/lib/programs.ts';

/** Starts a headless browser that keeps its profile in the given folder. Close the context to end it. */
export async function startBrowser(profile: string, size = { width: 1400, height: 900 }): Promise<BrowserContext> {
  const executablePath = browserPath();
  if (executablePath === undefined) throw new Error(missingTool('chromium', 'chromium'));
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
