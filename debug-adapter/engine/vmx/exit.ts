/** VM exits (SDM Vol. 3C, "VM Exits", chapter 27): exit information, saving guest state, the MSR areas, loading host state. */
import { VmExitTaken } from '../cpu/guest-fault.ts';
import { activeControls } from './active-controls.ts';
import type { VmxContext } from './context.ts';
import { informationOf, isSoftware } from './events.ts';
import type { ExitFacts } from './exit-facts.ts';
import { EXIT_REASON_ENTRY_FAILURE, EXIT_REASONS } from './exit-reasons.ts';
import type { ExitName } from './exit-reasons.ts';
import { saveGuestState } from './guest-area.ts';
import { abort, loadHostState } from './host-area.ts';
import { storeMsrs } from './msr-areas.ts';
import { payloadOf } from './payload.ts';
import type { VmExit } from './types.ts';
import type { Vmcs } from './vmcs.ts';
import { slotOf } from './vmcs.ts';

const REASON = slotOf('EXIT_REASON');
const INTERRUPTION_INFORMATION = slotOf('EXIT_INTR_INFO');
const INTERRUPTION_ERROR_CODE = slotOf('EXIT_INTR_EC');
const VECTORING_INFORMATION = slotOf('IDT_VECTORING_INFO');
const VECTORING_ERROR_CODE = slotOf('IDT_VECTORING_EC');
const INSTRUCTION_LENGTH = slotOf('EXIT_INSTR_LEN');
const INSTRUCTION_INFORMATION = slotOf('EXIT_INSTR_INFO');
const ENTRY_INFORMATION = slotOf('ENTRY_INTR_INFO');
const STORE_COUNT = slotOf('EXIT_MSR_STORE_COUNT');

/** Takes a VM exit from non-root operation. Ends what was being executed: always throws `VmExitTaken`. */
export function takeExit(vmx: VmxContext, name: ExitName, facts: ExitFacts = {}): never {
  const { cpu } = vmx;
  const vmcs = vmx.current;
  const controls = activeControls(vmcs);
  const exit = writeExitInformation(vmx, vmcs, name, facts);
  const guestRip = cpu.state.rip;
  const guestLinearRip = cpu.state.linearRip;
  saveGuestState(vmx, vmcs, controls, name, facts);
  const stores = vmcs.lowOf(STORE_COUNT) >>> 0;
  if (stores !== 0) {
    const failed = storeMsrs(cpu, vmcs.number('EXIT_MSR_STORE_ADDR'), stores);
    if (failed !== undefined) abort(vmcs, 1, `saving guest MSRs: entry ${failed} of the VM-exit MSR-store area`);
  }
  loadHostState(vmx, vmcs, controls, facts.event?.type === 'nmi');
  vmx.events.exit(exit, guestRip, guestLinearRip);
  throw new VmExitTaken();
}

/** Ends a VM entry that failed after the checks on controls and host state: exit with bit 31 of the reason set. */
export function failEntry(vmx: VmxContext, name: ExitName, qualification: bigint): never {
  const vmcs = vmx.current;
  const reason = EXIT_REASONS[name].code;
  // SDM Vol. 3C, 26.7: only the reason and the qualification are recorded, and the guest-state area stays as it is.
  vmcs.setLowOf(REASON, reason | EXIT_REASON_ENTRY_FAILURE);
  vmcs.write('EXIT_QUALIFICATION', qualification);
  loadHostState(vmx, vmcs, activeControls(vmcs), false);
  const exit: VmExit = {
    name,
    basicReason: reason,
    entryFailure: true,
    qualification,
    instructionBytes: 0,
    interruptionInformation: 0,
    interruptionErrorCode: 0,
    idtVectoringInformation: 0,
    guestLinear: 0n,
    guestPhysical: 0n,
    payload: { reason: BigInt(reason), qualification },
  };
  const guestRip = vmcs.read('GUEST_RIP');
  vmx.events.exit(exit, guestRip, BigInt.asUintN(64, vmcs.read('GUEST_CS_BASE') + guestRip));
  throw new VmExitTaken();
}

/** SDM Vol. 3C, "Recording VM-Exit Information and Updating VM-entry Control Fields", 27.2. */
function writeExitInformation(vmx: VmxContext, vmcs: Vmcs, name: ExitName, facts: ExitFacts): VmExit {
  const { event } = facts;
  const { vectoring } = vmx;
  vmx.vectoring = undefined;
  const reason = EXIT_REASONS[name].code;
  const qualification = facts.qualification ?? 0n;
  const interruption = event === undefined ? 0 : informationOf(event);
  const vectoringInformation = vectoring === undefined ? 0 : informationOf(vectoring);
  const software = event !== undefined && isSoftware(event) ? event : vectoring;
  const instructionBytes =
    facts.instructionBytes ?? (software !== undefined && isSoftware(software) ? software.instructionBytes : 0);
  const guestPhysical = BigInt(facts.guestPhysical ?? 0);
  const guestLinear = facts.guestLinear ?? 0n;

  vmcs.setLowOf(REASON, reason);
  vmcs.write('EXIT_QUALIFICATION', qualification);
  vmcs.setLowOf(INTERRUPTION_INFORMATION, interruption);
  vmcs.setLowOf(INTERRUPTION_ERROR_CODE, event?.errorCode ?? 0);
  vmcs.setLowOf(VECTORING_INFORMATION, vectoringInformation);
  vmcs.setLowOf(VECTORING_ERROR_CODE, vectoring?.errorCode ?? 0);
  vmcs.setLowOf(INSTRUCTION_LENGTH, instructionBytes);
  vmcs.setLowOf(INSTRUCTION_INFORMATION, facts.instructionInformation ?? 0);
  vmcs.write('GUEST_PHYSICAL_ADDRESS', guestPhysical);
  vmcs.write('GUEST_LINEAR_ADDRESS', guestLinear);
  vmcs.setLowOf(ENTRY_INFORMATION, vmcs.lowOf(ENTRY_INFORMATION) & 0x7fff_ffff);

  return {
    name,
    basicReason: reason,
    entryFailure: false,
    qualification,
    instructionBytes,
    interruptionInformation: interruption,
    interruptionErrorCode: event?.errorCode ?? 0,
    idtVectoringInformation: vectoringInformation,
    guestLinear,
    guestPhysical,
    payload: payloadOf(vmx.cpu.state, name, qualification, facts),
  };
}
