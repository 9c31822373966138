/** From `initialize` to `disconnect`. */
import { UserError } from '../debugger/user-error.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';
import { capabilities } from './capabilities.ts';

export const lifecycleRequests: Handlers<
  Session,
  'initialize' | 'launch' | 'attach' | 'configurationDone' | 'restart' | 'terminate' | 'disconnect' | 'cancel'
> = {
  initialize: (session, args) => {
    if (args.linesStartAt1 === false || args.columnsStartAt1 === false) {
      throw new UserError('Lines and columns must count from 1 ("linesStartAt1", "columnsStartAt1").');
    }
    if (args.pathFormat !== undefined && args.pathFormat !== 'path') {
      throw new UserError(`Path format "${args.pathFormat}" is not supported: use "path".`);
    }
    session.client = args;
    return capabilities();
  },

  launch: (session, args) => {
    session.launch({ ...args });
    return undefined;
  },

  attach: () => {
    throw new UserError('Hyperstep runs guests itself and attaches to nothing: use "request": "launch".');
  },

  configurationDone: (session) => {
    session.configurationDone();
    return undefined;
  },

  restart: (session, args) => {
    const updated: unknown = args?.arguments;
    session.restart(typeof updated === 'object' && updated !== null ? { ...updated } : undefined);
    return undefined;
  },

  terminate: (session) => {
    session.terminate();
    return undefined;
  },

  disconnect: (session) => {
    session.disconnect();
    return undefined;
  },

  // Every request is answered within one turn of the event loop; there is never one left to cancel.
  cancel: () => undefined,
};
