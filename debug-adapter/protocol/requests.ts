/** Requests beyond the Debug Adapter Protocol, one row each: name, arguments, body. */
import type { ExitsArguments, ExitsBody } from './exits.ts';
import type { KeyboardInputArguments } from './keyboard.ts';
import type { MachineInfoBody } from './machine-info.ts';
import type { PageWalkArguments, PageWalkBody } from './page-walk.ts';
import type { TextScreenBody } from './text-screen.ts';
import type { VmcsArguments, VmcsBody } from './vmcs.ts';

export interface CustomRequests {
  'hyperstep/machineInfo': { arguments: Record<string, never>; body: MachineInfoBody };
  'hyperstep/pageWalk': { arguments: PageWalkArguments; body: PageWalkBody };
  'hyperstep/exits': { arguments: ExitsArguments; body: ExitsBody };
  'hyperstep/vmcs': { arguments: VmcsArguments; body: VmcsBody };
  'hyperstep/textScreen': { arguments: Record<string, never>; body: TextScreenBody };
  'hyperstep/keyboardInput': { arguments: KeyboardInputArguments; body: Record<string, never> };
  /** Resumes until the next VM exit, or what else stops the machine first. The body is empty; a `stopped` event follows. */
  'hyperstep/runToNextExit': { arguments: { readonly threadId: number }; body: Record<string, never> };
}

export type CustomRequestName = keyof CustomRequests;
