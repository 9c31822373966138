/** System programs: where they are, and which Debian package brings them. */
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

/** The full path of a program on PATH; undefined when there is none. */
export function onPath(name: string): string | undefined {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    for (const ending of endings) {
      const candidate = path.join(folder, name + ending);
      if (folder !== '' && isProgram(candidate)) return candidate;
    }
  }
  return undefined;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** What to say where a program is missing, with the Debian package that brings it. */
export const missingTool = (name: string, debianPackage: string): string =>
  `not run: ${name} missing (apt-get install ${debianPackage})`;

/** The browser that shows VS Code: the one the variable CHROMIUM names, or one on PATH. */
export const browserPath = (): string | undefined =>
  process.env['CHROMIUM'] ?? onPath('chromium') ?? onPath('google-chrome');
