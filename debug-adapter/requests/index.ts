/** All requests, complete by type. */
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';
import { breakpointRequests } from './breakpoints.ts';
import { customRequests } from './custom.ts';
import { evaluationRequests } from './evaluation.ts';
import { executionRequests } from './execution.ts';
import { inspectionRequests } from './inspection.ts';
import { lifecycleRequests } from './lifecycle.ts';
import { memoryRequests } from './memory.ts';
import { sourceRequests } from './sources.ts';

export const requestHandlers: Handlers<Session> = {
  ...lifecycleRequests,
  ...executionRequests,
  ...inspectionRequests,
  ...evaluationRequests,
  ...breakpointRequests,
  ...memoryRequests,
  ...sourceRequests,
  ...customRequests,
};
