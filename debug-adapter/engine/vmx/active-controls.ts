/** The control words of a VMCS as VM entry and exit use them: read once, tested by masks. */
import { controlMask } from './controls.ts';
import type { ControlKey } from './controls.ts';
import type { Vmcs } from './vmcs.ts';
import { slotOf } from './vmcs.ts';

const PIN = slotOf('PIN_CONTROLS');
const PROC1 = slotOf('PROC1_CONTROLS');
const PROC2 = slotOf('PROC2_CONTROLS');
const EXIT1 = slotOf('EXIT1_CONTROLS');
const ENTRY = slotOf('ENTRY_CONTROLS');
const ACTIVATE_SECONDARY = controlMask('activateSecondary');

export interface ActiveControls {
  readonly pin: number;
  readonly proc1: number;
  /** 0 without "activate secondary controls". */
  readonly proc2: number;
  readonly exit1: number;
  readonly entry: number;
}

export function activeControls(vmcs: Vmcs): ActiveControls {
  const proc1 = vmcs.lowOf(PROC1);
  return {
    pin: vmcs.lowOf(PIN),
    proc1,
    proc2: (proc1 & ACTIVATE_SECONDARY) !== 0 ? vmcs.lowOf(PROC2) : 0,
    exit1: vmcs.lowOf(EXIT1),
    entry: vmcs.lowOf(ENTRY),
  };
}

/** Masks of the controls that entry and exit look at, by name. */
const mask = (key: ControlKey): number => controlMask(key);
export const TSC_OFFSETTING = mask('tscOffsetting');
export const PREEMPTION_TIMER = mask('preemptionTimer');
export const ENABLE_EPT = mask('enableEpt');
export const ENABLE_VPID = mask('enableVpid');
export const EXIT_SAVE_DEBUG = mask('exitSaveDebugControls');
export const HOST_64 = mask('hostAddressSpaceSize');
export const EXIT_SAVE_PAT = mask('exitSavePat');
export const EXIT_LOAD_PAT = mask('exitLoadPat');
export const EXIT_SAVE_EFER = mask('exitSaveEfer');
export const EXIT_LOAD_EFER = mask('exitLoadEfer');
export const EXIT_SAVE_TIMER = mask('exitSavePreemptionTimer');
export const ENTRY_LOAD_DEBUG = mask('entryLoadDebugControls');
export const IA32E_GUEST = mask('ia32eModeGuest');
export const ENTRY_LOAD_PAT = mask('entryLoadPat');
export const ENTRY_LOAD_EFER = mask('entryLoadEfer');
