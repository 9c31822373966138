/** Registers of the local APIC: where they are, what may be written (SDM Vol. 3A, "The Local APIC Register Address Map" 10.4.1). */
import { field, flag, type RegisterRow } from './device.ts';

/** Offsets in the register page. An x2APIC register is MSR 800h + offset / 16. */
export const REGISTER = {
  id: 0x020,
  version: 0x030,
  taskPriority: 0x080,
  arbitrationPriority: 0x090,
  processorPriority: 0x0a0,
  endOfInterrupt: 0x0b0,
  remoteRead: 0x0c0,
  logicalDestination: 0x0d0,
  destinationFormat: 0x0e0,
  spurious: 0x0f0,
  inService: 0x100,
  triggerMode: 0x180,
  requested: 0x200,
  errorStatus: 0x280,
  commandLow: 0x300,
  commandHigh: 0x310,
  lvtTimer: 0x320,
  lvtThermal: 0x330,
  lvtPerformance: 0x340,
  lvtLint0: 0x350,
  lvtLint1: 0x360,
  lvtError: 0x370,
  initialCount: 0x380,
  currentCount: 0x390,
  divideConfiguration: 0x3e0,
  selfInterrupt: 0x3f0,
} as const;

/** Local vector table entries with the bits that can be written, in the order of `LocalApicState.lvt`. */
export const LVT_ENTRIES = [
  { offset: REGISTER.lvtTimer, writable: 0x7_00ff },
  { offset: REGISTER.lvtThermal, writable: 0x1_07ff },
  { offset: REGISTER.lvtPerformance, writable: 0x1_07ff },
  { offset: REGISTER.lvtLint0, writable: 0x1_a7ff },
  { offset: REGISTER.lvtLint1, writable: 0x1_a7ff },
  { offset: REGISTER.lvtError, writable: 0x1_00ff },
] as const;
export const LVT = { timer: 0, thermal: 1, performance: 2, lint0: 3, lint1: 4, error: 5 } as const;

/** x2APIC: bits that WRMSR may set, other bits are #GP(0); registers that are not here cannot be written ("x2APIC Register Address Space" 10.12.1.2). */
export const X2APIC_WRITABLE: ReadonlyMap<number, number> = new Map([
  [REGISTER.taskPriority, 0xff],
  [REGISTER.endOfInterrupt, 0],
  [REGISTER.spurious, 0x1ff],
  [REGISTER.errorStatus, 0],
  ...LVT_ENTRIES.map(({ offset, writable }): [number, number] => [offset, writable]),
  [REGISTER.initialCount, 0xffff_ffff],
  [REGISTER.divideConfiguration, 0x0b],
  [REGISTER.selfInterrupt, 0xff],
]);

/** Registers that x2APIC mode does not have, or that cannot be read there. */
export const X2APIC_UNREADABLE: ReadonlySet<number> = new Set([
  REGISTER.arbitrationPriority,
  REGISTER.endOfInterrupt,
  REGISTER.remoteRead,
  REGISTER.destinationFormat,
  REGISTER.commandHigh,
  REGISTER.selfInterrupt,
]);

const DELIVERY = { 0: 'fixed', 1: 'lowest priority', 2: 'SMI', 4: 'NMI', 5: 'INIT', 6: 'SIPI', 7: 'ExtINT' };
const lvtRow = (title: string, offset: number): RegisterRow => ({
  title,
  offset,
  access: 'read-write',
  bits: 32,
  fields: [
    field('VECTOR', 7, 0, 'vector'),
    field('DM', 10, 8, 'delivery mode', DELIVERY),
    flag('MASK', 16, 'masked'),
    field('MODE', 18, 17, 'timer mode', { 1: 'periodic', 2: 'TSC deadline' }),
  ],
});
const plainRow = (title: string, offset: number, access: RegisterRow['access']): RegisterRow => ({
  title,
  offset,
  access,
  bits: 32,
  fields: [],
});

/** What views show; each 256-bit register as its highest vector (0 where there is none). */
export const LOCAL_APIC_ROWS = {
  ID: plainRow('APIC id', REGISTER.id, 'read-write'),
  TPR: plainRow('Task priority', REGISTER.taskPriority, 'read-write'),
  PPR: plainRow('Processor priority', REGISTER.processorPriority, 'read'),
  LDR: plainRow('Logical destination', REGISTER.logicalDestination, 'read-write'),
  DFR: plainRow('Destination format', REGISTER.destinationFormat, 'read-write'),
  SVR: {
    title: 'Spurious interrupt vector',
    offset: REGISTER.spurious,
    access: 'read-write',
    bits: 32,
    fields: [field('VECTOR', 7, 0, 'vector'), flag('ENABLE', 8, 'APIC software enable')],
  },
  ISR: { title: 'Highest vector in service', access: 'internal', bits: 8, fields: [] },
  IRR: { title: 'Highest vector requested', access: 'internal', bits: 8, fields: [] },
  ESR: {
    title: 'Error status',
    offset: REGISTER.errorStatus,
    access: 'read-write',
    bits: 32,
    fields: [
      flag('SEND', 5, 'send illegal vector'),
      flag('RECEIVE', 6, 'receive illegal vector'),
      flag('REGISTER', 7, 'illegal register address'),
    ],
  },
  ICR: {
    title: 'Interrupt command, low half',
    offset: REGISTER.commandLow,
    access: 'read-write',
    bits: 32,
    fields: [
      field('VECTOR', 7, 0, 'vector'),
      field('DM', 10, 8, 'delivery mode', DELIVERY),
      field('SHORTHAND', 19, 18, 'destination shorthand', { 1: 'self', 2: 'all', 3: 'all but self' }),
    ],
  },
  ICR_HIGH: plainRow('Interrupt command, destination', REGISTER.commandHigh, 'read-write'),
  LVT_TIMER: lvtRow('Local vector: timer', REGISTER.lvtTimer),
  LVT_THERMAL: lvtRow('Local vector: thermal sensor', REGISTER.lvtThermal),
  LVT_PMC: lvtRow('Local vector: performance counters', REGISTER.lvtPerformance),
  LVT_LINT0: lvtRow('Local vector: LINT0', REGISTER.lvtLint0),
  LVT_LINT1: lvtRow('Local vector: LINT1', REGISTER.lvtLint1),
  LVT_ERROR: lvtRow('Local vector: error', REGISTER.lvtError),
  INITIAL_COUNT: plainRow('Timer initial count', REGISTER.initialCount, 'read-write'),
  CURRENT_COUNT: plainRow('Timer current count', REGISTER.currentCount, 'read'),
  DIVIDE: plainRow('Timer divide configuration', REGISTER.divideConfiguration, 'read-write'),
} as const satisfies Record<string, RegisterRow>;
