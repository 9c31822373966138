/** The files a program was made from. */
import { readFileSync } from 'node:fs';
import { UserError } from '../debugger/user-error.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';
import { sourceOf } from '../present/breakpoint.ts';

export const sourceRequests: Handlers<Session, 'loadedSources' | 'source'> = {
  loadedSources: (session) => ({ sources: session.target.symbols.files.map(sourceOf) }),

  source: (session, args) => {
    const file = session.target.sourceFile(args.source?.path ?? '');
    if (!session.target.symbols.files.includes(file)) {
      throw new UserError(`${file === '' ? 'This source' : file} is not part of the program that is being debugged.`);
    }
    try {
      return { content: readFileSync(file, 'utf8'), mimeType: 'text/x-asm' };
    } catch {
      throw new UserError(`${file} cannot be read any more.`);
    }
  },
};
