/** Every instruction whose meaning is TypeScript, by iced `Code`. What is neither here nor emitted stops the machine by name. */
import { DEFERRED_INSTRUCTIONS } from '../instructions/deferred.ts';
import { SIMD_INSTRUCTIONS } from '../instructions/simd/index.ts';
import type { SystemInstruction } from '../instructions/system-instruction.ts';
import { SYSTEM_INSTRUCTIONS } from '../instructions/system/index.ts';
import { X87_INSTRUCTIONS } from '../instructions/x87/index.ts';
import { VMX_INSTRUCTIONS } from '../vmx/index.ts';

export const INSTRUCTIONS: ReadonlyMap<number, SystemInstruction> = new Map([
  ...SYSTEM_INSTRUCTIONS,
  ...VMX_INSTRUCTIONS,
  ...DEFERRED_INSTRUCTIONS,
  ...SIMD_INSTRUCTIONS,
  ...X87_INSTRUCTIONS,
]);
