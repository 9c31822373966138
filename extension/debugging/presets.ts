/** Launch configurations that somebody has already written for a program. */
import path from 'node:path';

export interface Preset {
  readonly type?: unknown;
  readonly program?: unknown;
  readonly name?: unknown;
}

/**
 * The configurations of a type whose program is the given file. Only `${workspaceFolder}` is put in; other variables
 * cannot name one particular file.
 */
export function presetsFor<P extends Preset>(
  presets: readonly P[],
  type: string,
  program: string,
  workspaceFolder: string,
): P[] {
  return presets.filter((preset) => {
    if (preset.type !== type || typeof preset.program !== 'string' || typeof preset.name !== 'string') return false;
    const named = preset.program.replaceAll('${workspaceFolder}', workspaceFolder);
    return path.resolve(workspaceFolder, named) === path.resolve(program);
  });
}
