/** From power-on to the guest's first instruction: the hypervisor's own state, VMX operation, and a VMCS written in groups. */
import { GENERAL_REGISTERS } from '../cpu/registers.ts';
import { CR0, CR4, EFER } from '../cpu/control-bits.ts';
import { LAYOUT, SEGMENT_NAMES, type SegmentName } from '../cpu/layout.ts';
import type { StartState } from '../cpu/start-state.ts';
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import { FEATURE_CONTROL_LOCK, FEATURE_CONTROL_VMXON_OUTSIDE_SMX } from '../vmx/capabilities.ts';
import type { ControlGroup } from '../vmx/controls.ts';
import type { VmcsFieldKey } from '../vmx/types.ts';
import type { HypervisorContext } from './context.ts';
import { controlValue, msrBitmap, wantedControls } from './controls.ts';
import { controlRegisterMasks, realCr0, realCr4 } from './guest-control-registers.ts';
import { launchGuest } from './handlers/common.ts';
import {
  HOST_AREAS,
  HOST_CODE_SELECTOR,
  HOST_DATA_SELECTOR,
  HOST_EXIT_ENTRY,
  HOST_STACK_TOP,
  HOST_START,
  HOST_TSS_SELECTOR,
  VPID,
} from './host-layout.ts';
import { TSS_LIMIT } from './host-memory.ts';
import { step, TOUCHED_MEMORY, type Handler, type HandlerStep } from './steps.ts';

const RSP = 4;
const IA32_FEATURE_CONTROL = 0x3a;
const HOST_CR0 = CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.WP | CR0.PG;
const HOST_CR4 = CR4.PAE | CR4.PGE | CR4.VMXE;
const HOST_EFER = EFER.LME | EFER.LMA | EFER.NXE;
const GDT_LIMIT = HOST_TSS_SELECTOR + 15;
const IDT_LIMIT = 0xfff;
const NO_LINK = 0xffff_ffff_ffff_ffffn;
const DR7_RESET = 0x400n;
const DATA_RIGHTS = 0xc093;
const CODE64_RIGHTS = 0xa09b;
const BUSY_TSS_RIGHTS = 0x8b;

type Values = readonly (readonly [VmcsFieldKey, bigint])[];

/** A step that writes a group of fields. */
const group = (name: string, describes: string, fields: readonly VmcsFieldKey[]): HandlerStep =>
  step(name, describes, { vmcs: fields });

const HOST_FIELDS = [
  'HOST_CR0',
  'HOST_CR3',
  'HOST_CR4',
  'HOST_IA32_EFER',
  'HOST_IA32_PAT',
  'HOST_CS_SELECTOR',
  'HOST_SS_SELECTOR',
  'HOST_DS_SELECTOR',
  'HOST_ES_SELECTOR',
  'HOST_FS_SELECTOR',
  'HOST_GS_SELECTOR',
  'HOST_TR_SELECTOR',
  'HOST_FS_BASE',
  'HOST_GS_BASE',
  'HOST_TR_BASE',
  'HOST_GDTR_BASE',
  'HOST_IDTR_BASE',
  'HOST_SYSENTER_CS',
  'HOST_SYSENTER_ESP',
  'HOST_SYSENTER_EIP',
  'HOST_RSP',
  'HOST_RIP',
] as const satisfies readonly VmcsFieldKey[];
const EXECUTION_FIELDS = [
  'PIN_CONTROLS',
  'PROC1_CONTROLS',
  'PROC2_CONTROLS',
  'EXCEPTION_BITMAP',
  'PFEC_MASK',
  'PFEC_MATCH',
  'IO_BITMAP_A',
  'IO_BITMAP_B',
  'MSR_BITMAP',
  'TSC_OFFSET',
  'EPTP',
  'VPID',
  'CR3_TARGET_COUNT',
] as const satisfies readonly VmcsFieldKey[];
const MASK_FIELDS = [
  'CR0_GUEST_HOST_MASK',
  'CR0_READ_SHADOW',
  'CR4_GUEST_HOST_MASK',
  'CR4_READ_SHADOW',
] as const satisfies readonly VmcsFieldKey[];
const TRANSITION_FIELDS = [
  'EXIT1_CONTROLS',
  'EXIT_MSR_STORE_COUNT',
  'EXIT_MSR_LOAD_COUNT',
  'ENTRY_CONTROLS',
  'ENTRY_MSR_LOAD_COUNT',
  'ENTRY_INTR_INFO',
] as const satisfies readonly VmcsFieldKey[];
const GUEST_REGISTER_FIELDS = [
  'GUEST_CR0',
  'GUEST_CR3',
  'GUEST_CR4',
  'GUEST_DR7',
  'GUEST_RSP',
  'GUEST_RIP',
  'GUEST_RFLAGS',
  'GUEST_IA32_EFER',
  'GUEST_IA32_PAT',
  'GUEST_IA32_DEBUGCTL',
  'GUEST_SYSENTER_CS',
  'GUEST_SYSENTER_ESP',
  'GUEST_SYSENTER_EIP',
  'GUEST_GDTR_BASE',
  'GUEST_GDTR_LIMIT',
  'GUEST_IDTR_BASE',
  'GUEST_IDTR_LIMIT',
] as const satisfies readonly VmcsFieldKey[];
const GUEST_STATE_FIELDS = [
  'GUEST_ACTIVITY',
  'GUEST_INTERRUPTIBILITY',
  'GUEST_PENDING_DEBUG',
  'VMCS_LINK_PTR',
] as const satisfies readonly VmcsFieldKey[];
const segmentFields = (name: SegmentName): readonly VmcsFieldKey[] => [
  `GUEST_${name}_SELECTOR`,
  `GUEST_${name}_BASE`,
  `GUEST_${name}_LIMIT`,
  `GUEST_${name}_AR`,
];

const PREPARE = step(
  'prepare hypervisor memory',
  'Build GDT, TSS, page tables and the bitmaps that the VMCS will point at.',
  {
    memory: [TOUCHED_MEMORY.host, TOUCHED_MEMORY.bitmaps, TOUCHED_MEMORY.ept],
  },
);
const BRING_UP = step('enter 64-bit mode', 'The hypervisor runs in 64-bit mode on its own tables, with CR4.VMXE set.', {
  registers: [
    'CR0',
    'CR3',
    'CR4',
    'IA32_EFER',
    'IA32_FEATURE_CONTROL',
    'CS',
    'SS',
    'DS',
    'ES',
    'FS',
    'GS',
    'LDTR',
    'TR',
    'GDTR_BASE',
    'GDTR_LIMIT',
    'IDTR_BASE',
    'IDTR_LIMIT',
    'RSP',
    'RIP',
    'RFLAGS',
  ],
});
const REGIONS = { memory: [TOUCHED_MEMORY.regions] } as const;
const VMXON = step('VMXON', 'Enter VMX root operation.', REGIONS);
const VMCLEAR = step('VMCLEAR', 'Make the VMCS region a VMCS whose launch state is clear.', REGIONS);
const VMPTRLD = step('VMPTRLD', 'Make the VMCS current: VMREAD and VMWRITE mean it from here on.', REGIONS);
const WRITE_HOST = group('write the host state', 'What the processor loads at every VM exit.', HOST_FIELDS);
const WRITE_EXECUTION = group(
  'write the execution controls',
  'What makes the guest exit, and the tables that say for which port, MSR and page.',
  EXECUTION_FIELDS,
);
const WRITE_MASKS = group(
  'write the CR0 and CR4 masks',
  'Which bits of CR0 and CR4 the hypervisor owns, and what the guest reads there.',
  MASK_FIELDS,
);
const WRITE_TRANSITIONS = group(
  'write the VM-exit and VM-entry controls',
  'What is saved and loaded at each transition; nothing is injected.',
  TRANSITION_FIELDS,
);
const WRITE_REGISTERS = group(
  'write the guest registers',
  'Control registers, RIP, RSP, RFLAGS and MSRs.',
  GUEST_REGISTER_FIELDS,
);
const WRITE_SEGMENTS = group(
  'write the guest segments',
  'Selector, base, limit and access rights.',
  SEGMENT_NAMES.flatMap(segmentFields),
);
const WRITE_ACTIVITY = group(
  'write the guest non-register state',
  'Active, nothing blocked, nothing pending.',
  GUEST_STATE_FIELDS,
);
const LOAD_GENERAL = step(
  "load the guest's general registers",
  'The VMCS holds RSP only: the others stay in the processor.',
  {
    registers: GENERAL_REGISTERS.filter((name) => name !== 'RSP'),
  },
);

/** Writes fields whose names and order the step has declared. */
function write({ guest }: HypervisorContext, values: Values): void {
  for (const [field, value] of values) guest.write(field, value);
}

/** Values for a declared list of fields: leaving one out does not compile. */
const fill = <F extends VmcsFieldKey>(fields: readonly F[], values: Readonly<Record<F, bigint>>): Values =>
  fields.map((field) => [field, values[field]] as const);

/** The steps up to the guest's first instruction. */
export function* launch(hypervisor: HypervisorContext, start: StartState): Handler {
  const { vmx, hostMemory, exiting } = hypervisor;
  yield PREPARE;
  hostMemory.prepare();
  hostMemory.fill(HOST_AREAS.ioBitmapA.address, HOST_AREAS.ioBitmapA.bytes, exiting.io ? 0xff : 0);
  hostMemory.fill(HOST_AREAS.ioBitmapB.address, HOST_AREAS.ioBitmapB.bytes, exiting.io ? 0xff : 0);
  hypervisor.physical.poke(HOST_AREAS.msrBitmap.address, msrBitmap(exiting));
  yield BRING_UP;
  bringUpHost(hypervisor);
  yield VMXON;
  vmx.prepareRegion(HOST_AREAS.vmxon.address);
  expect(vmx.vmxon(HOST_AREAS.vmxon.address), 'VMXON');
  yield VMCLEAR;
  vmx.prepareRegion(HOST_AREAS.vmcs.address);
  expect(vmx.vmclear(HOST_AREAS.vmcs.address), 'VMCLEAR');
  yield VMPTRLD;
  expect(vmx.vmptrld(HOST_AREAS.vmcs.address), 'VMPTRLD');
  yield WRITE_HOST;
  write(hypervisor, hostState(hypervisor));
  yield WRITE_EXECUTION;
  write(hypervisor, executionControls(hypervisor));
  yield WRITE_MASKS;
  write(hypervisor, masks(hypervisor, start));
  yield WRITE_TRANSITIONS;
  write(hypervisor, transitions(hypervisor, start));
  yield WRITE_REGISTERS;
  write(hypervisor, guestRegisters(hypervisor, start));
  yield WRITE_SEGMENTS;
  write(hypervisor, guestSegments(start));
  yield WRITE_ACTIVITY;
  write(
    hypervisor,
    fill(GUEST_STATE_FIELDS, {
      GUEST_ACTIVITY: 0n,
      GUEST_INTERRUPTIBILITY: 0n,
      GUEST_PENDING_DEBUG: 0n,
      VMCS_LINK_PTR: NO_LINK,
    }),
  );
  yield LOAD_GENERAL;
  for (let index = 0; index < 16; index++)
    if (index !== RSP) hypervisor.cpu.state.setGpr(index, start.general[index] ?? 0n);
  yield* launchGuest(hypervisor);
}

function expect(succeeded: boolean, instruction: string): void {
  if (!succeeded) throw new Error(`Invariant broken: ${instruction} of the built-in hypervisor failed`);
}

/** The state that a boot loader would leave a 64-bit hypervisor in. */
function bringUpHost({ cpu }: HypervisorContext): void {
  const { state } = cpu;
  const featureControl = cpu.readMsr(IA32_FEATURE_CONTROL);
  if ((featureControl & BigInt(FEATURE_CONTROL_LOCK)) === 0n)
    cpu.writeMsr(IA32_FEATURE_CONTROL, BigInt(FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON_OUTSIDE_SMX));
  state.set64(LAYOUT.cr0, BigInt(HOST_CR0 >>> 0));
  state.set64(LAYOUT.cr3, BigInt(HOST_AREAS.pageTables.address));
  state.set64(LAYOUT.cr4, BigInt(HOST_CR4));
  state.set64(LAYOUT.efer, BigInt(HOST_EFER));
  state.rflags = 2;
  state.rip = BigInt(HOST_START);
  state.setGpr(RSP, BigInt(HOST_STACK_TOP));
  state.set64(LAYOUT.gdtrBase, BigInt(HOST_AREAS.gdt.address));
  state.set32(LAYOUT.gdtrLimit, GDT_LIMIT);
  state.set64(LAYOUT.idtrBase, BigInt(HOST_AREAS.idt.address));
  state.set32(LAYOUT.idtrLimit, IDT_LIMIT);
  const flat = { base: 0n, limit: 0xffff_ffff };
  state.setSegment('CS', { ...flat, selector: HOST_CODE_SELECTOR, accessRights: CODE64_RIGHTS });
  for (const name of ['SS', 'DS', 'ES'] as const)
    state.setSegment(name, { ...flat, selector: HOST_DATA_SELECTOR, accessRights: DATA_RIGHTS });
  for (const name of ['FS', 'GS', 'LDTR'] as const)
    state.setSegment(name, { selector: 0, base: 0n, limit: 0, accessRights: ACCESS_RIGHTS.UNUSABLE });
  state.setSegment('TR', {
    selector: HOST_TSS_SELECTOR,
    base: BigInt(HOST_AREAS.tss.address),
    limit: TSS_LIMIT,
    accessRights: BUSY_TSS_RIGHTS,
  });
  cpu.modeChanged();
}

function hostState({ cpu }: HypervisorContext): Values {
  return fill(HOST_FIELDS, {
    HOST_CR0: BigInt(HOST_CR0 >>> 0),
    HOST_CR3: BigInt(HOST_AREAS.pageTables.address),
    HOST_CR4: BigInt(HOST_CR4),
    HOST_IA32_EFER: BigInt(HOST_EFER),
    HOST_IA32_PAT: cpu.state.get64(LAYOUT.pat),
    HOST_CS_SELECTOR: BigInt(HOST_CODE_SELECTOR),
    HOST_SS_SELECTOR: BigInt(HOST_DATA_SELECTOR),
    HOST_DS_SELECTOR: BigInt(HOST_DATA_SELECTOR),
    HOST_ES_SELECTOR: BigInt(HOST_DATA_SELECTOR),
    HOST_FS_SELECTOR: 0n,
    HOST_GS_SELECTOR: 0n,
    HOST_TR_SELECTOR: BigInt(HOST_TSS_SELECTOR),
    HOST_FS_BASE: 0n,
    HOST_GS_BASE: 0n,
    HOST_TR_BASE: BigInt(HOST_AREAS.tss.address),
    HOST_GDTR_BASE: BigInt(HOST_AREAS.gdt.address),
    HOST_IDTR_BASE: BigInt(HOST_AREAS.idt.address),
    HOST_SYSENTER_CS: 0n,
    HOST_SYSENTER_ESP: 0n,
    HOST_SYSENTER_EIP: 0n,
    HOST_RSP: BigInt(HOST_STACK_TOP),
    HOST_RIP: BigInt(HOST_EXIT_ENTRY),
  });
}

function controls(
  { vmx, exiting }: HypervisorContext,
  which: keyof ReturnType<typeof wantedControls> & ControlGroup,
): bigint {
  return BigInt(controlValue(vmx.capabilities, which, wantedControls(exiting)[which]));
}

function executionControls(hypervisor: HypervisorContext): Values {
  return fill(EXECUTION_FIELDS, {
    PIN_CONTROLS: controls(hypervisor, 'pin'),
    PROC1_CONTROLS: controls(hypervisor, 'proc1'),
    PROC2_CONTROLS: controls(hypervisor, 'proc2'),
    EXCEPTION_BITMAP: BigInt(hypervisor.exiting.exceptions >>> 0),
    PFEC_MASK: 0n,
    PFEC_MATCH: 0n,
    IO_BITMAP_A: BigInt(HOST_AREAS.ioBitmapA.address),
    IO_BITMAP_B: BigInt(HOST_AREAS.ioBitmapB.address),
    MSR_BITMAP: BigInt(HOST_AREAS.msrBitmap.address),
    TSC_OFFSET: 0n,
    EPTP: hypervisor.ept.pointer,
    VPID: BigInt(VPID),
    CR3_TARGET_COUNT: 0n,
  });
}

function masks({ exiting, cpu }: HypervisorContext, start: StartState): Values {
  const { cr0, cr4 } = controlRegisterMasks(exiting, cpu.features);
  return fill(MASK_FIELDS, {
    CR0_GUEST_HOST_MASK: cr0,
    CR0_READ_SHADOW: BigInt(start.cr0 >>> 0),
    CR4_GUEST_HOST_MASK: cr4,
    CR4_READ_SHADOW: BigInt(start.cr4 >>> 0),
  });
}

function transitions(hypervisor: HypervisorContext, start: StartState): Values {
  const { vmx, exiting } = hypervisor;
  const { entry } = wantedControls(exiting);
  const longMode = (start.efer & EFER.LMA) !== 0;
  return fill(TRANSITION_FIELDS, {
    EXIT1_CONTROLS: controls(hypervisor, 'exit1'),
    EXIT_MSR_STORE_COUNT: 0n,
    EXIT_MSR_LOAD_COUNT: 0n,
    ENTRY_CONTROLS: BigInt(controlValue(vmx.capabilities, 'entry', longMode ? [...entry, 'ia32eModeGuest'] : entry)),
    ENTRY_MSR_LOAD_COUNT: 0n,
    ENTRY_INTR_INFO: 0n,
  });
}

function guestRegisters({ cpu }: HypervisorContext, start: StartState): Values {
  return fill(GUEST_REGISTER_FIELDS, {
    GUEST_CR0: realCr0(start.cr0),
    GUEST_CR3: start.cr3,
    GUEST_CR4: realCr4(start.cr4),
    GUEST_DR7: DR7_RESET,
    GUEST_RSP: start.general[RSP] ?? 0n,
    GUEST_RIP: start.rip,
    GUEST_RFLAGS: BigInt(start.rflags >>> 0),
    GUEST_IA32_EFER: BigInt(start.efer >>> 0),
    GUEST_IA32_PAT: cpu.state.get64(LAYOUT.pat),
    GUEST_IA32_DEBUGCTL: 0n,
    GUEST_SYSENTER_CS: 0n,
    GUEST_SYSENTER_ESP: 0n,
    GUEST_SYSENTER_EIP: 0n,
    GUEST_GDTR_BASE: start.gdtr.base,
    GUEST_GDTR_LIMIT: BigInt(start.gdtr.limit),
    GUEST_IDTR_BASE: start.idtr.base,
    GUEST_IDTR_LIMIT: BigInt(start.idtr.limit),
  });
}

function guestSegments(start: StartState): Values {
  return SEGMENT_NAMES.flatMap((name): Values => {
    const { selector, base, limit, accessRights } = start.segments[name];
    return [
      [`GUEST_${name}_SELECTOR`, BigInt(selector)],
      [`GUEST_${name}_BASE`, base],
      [`GUEST_${name}_LIMIT`, BigInt(limit)],
      [`GUEST_${name}_AR`, BigInt(accessRights)],
    ];
  });
}
