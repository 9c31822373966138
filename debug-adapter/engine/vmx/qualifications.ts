/** The exit qualification in words and as bit fields (SDM Vol. 3C, "Basic VM-Exit Information", 27.2.1). */
import { GENERAL_REGISTERS } from '../cpu/registers.ts';
import { vectorName } from '../cpu/guest-fault.ts';
import { unreachable } from '../base/unreachable.ts';
import { hex } from './hex.ts';
import { interruptionInformation } from './checks/injection.ts';
import { exitReason } from './exit-reasons.ts';
import type { QualificationFormat } from './exit-reasons.ts';
import type { VmExit } from './types.ts';

/** One named part of a value; as in the register table. */
export interface QualificationField {
  readonly name: string;
  /** Lowest bit. */
  readonly bit: number;
  readonly width: number;
  /** Words for the values that have them. */
  readonly values?: Readonly<Record<number, string>>;
}

const GPRS: Readonly<Record<number, string>> = { ...GENERAL_REGISTERS };
const WHOLE = (name: string): readonly QualificationField[] => [{ name, bit: 0, width: 64 }];

/** Fields of each format, lowest bit first. */
export const QUALIFICATION_FIELDS: Readonly<Record<QualificationFormat, readonly QualificationField[]>> = {
  none: [],
  exception: WHOLE('linear address or debug conditions'),
  sipi: [{ name: 'vector', bit: 0, width: 8 }],
  io: [
    { name: 'size', bit: 0, width: 3, values: { 0: '1 byte', 1: '2 bytes', 3: '4 bytes' } },
    { name: 'direction', bit: 3, width: 1, values: { 0: 'OUT', 1: 'IN' } },
    { name: 'string', bit: 4, width: 1 },
    { name: 'REP', bit: 5, width: 1 },
    { name: 'operand', bit: 6, width: 1, values: { 0: 'DX', 1: 'immediate' } },
    { name: 'port', bit: 16, width: 16 },
  ],
  'task-switch': [
    { name: 'TSS selector', bit: 0, width: 16 },
    { name: 'source', bit: 30, width: 2, values: { 0: 'CALL', 1: 'IRET', 2: 'JMP', 3: 'task gate' } },
  ],
  'linear-address': WHOLE('linear address'),
  displacement: WHOLE('displacement'),
  'cr-access': [
    { name: 'CR', bit: 0, width: 4 },
    { name: 'access', bit: 4, width: 2, values: { 0: 'MOV to CR', 1: 'MOV from CR', 2: 'CLTS', 3: 'LMSW' } },
    { name: 'LMSW operand', bit: 6, width: 1, values: { 0: 'register', 1: 'memory' } },
    { name: 'register', bit: 8, width: 4, values: GPRS },
    { name: 'LMSW source', bit: 16, width: 16 },
  ],
  'dr-access': [
    { name: 'DR', bit: 0, width: 3 },
    { name: 'direction', bit: 4, width: 1, values: { 0: 'MOV to DR', 1: 'MOV from DR' } },
    { name: 'register', bit: 8, width: 4, values: GPRS },
  ],
  mwait: [{ name: 'armed', bit: 0, width: 1 }],
  'apic-access': [
    { name: 'offset', bit: 0, width: 12 },
    { name: 'access', bit: 12, width: 4, values: { 0: 'read', 1: 'write', 2: 'fetch', 3: 'event delivery' } },
  ],
  'eoi-vector': [{ name: 'vector', bit: 0, width: 8 }],
  'apic-write': [{ name: 'offset', bit: 0, width: 12 }],
  'ept-violation': [
    { name: 'read', bit: 0, width: 1 },
    { name: 'write', bit: 1, width: 1 },
    { name: 'fetch', bit: 2, width: 1 },
    { name: 'readable', bit: 3, width: 1 },
    { name: 'writable', bit: 4, width: 1 },
    { name: 'executable', bit: 5, width: 1 },
    { name: 'linear address valid', bit: 7, width: 1 },
    { name: 'final translation', bit: 8, width: 1 },
    { name: 'NMI unblocking', bit: 12, width: 1 },
  ],
  'pml-full': [{ name: 'NMI unblocking', bit: 12, width: 1 }],
  spp: [
    { name: 'type', bit: 11, width: 1, values: { 0: 'misconfiguration', 1: 'miss' } },
    { name: 'NMI unblocking', bit: 12, width: 1 },
  ],
  'instruction-timeout': [
    { name: 'context invalid', bit: 0, width: 1 },
    { name: 'NMI unblocking', bit: 12, width: 1 },
  ],
  'entry-failure': [
    {
      name: 'cause',
      bit: 0,
      width: 64,
      values: { 0: 'guest state', 2: 'PDPTEs', 3: 'NMI injection', 4: 'VMCS link pointer' },
    },
  ],
  'msr-entry': WHOLE('entry number'),
  'msr-index': WHOLE('MSR index'),
};

const plural = (count: bigint, what: string): string => `${count} ${what}${count === 1n ? '' : 's'}`;

function describeException(exit: VmExit): string {
  const { vector } = interruptionInformation(exit.interruptionInformation);
  const code = exit.payload['errorCode'] === undefined ? '' : `, error code ${hex(exit.payload['errorCode'])}`;
  const at = vector === 14 ? ` at ${hex(exit.qualification)}` : '';
  return `${vectorName(vector)}${at}${code}`;
}

function describeIo(qualification: bigint): string {
  const size = (qualification & 7n) + 1n;
  const direction = (qualification & 8n) !== 0n ? 'in from' : 'out to';
  const string = (qualification & 16n) !== 0n ? ((qualification & 32n) !== 0n ? ', string with REP' : ', string') : '';
  return `${direction} port ${hex(qualification >> 16n)}, ${plural(size, 'byte')}${string}`;
}

function describeCrAccess(qualification: bigint, exit: VmExit): string {
  const cr = `CR${qualification & 15n}`;
  const register = GPRS[Number((qualification >> 8n) & 15n)];
  const { value } = exit.payload;
  const written = value === undefined ? '' : ` (${hex(value)})`;
  switch (Number((qualification >> 4n) & 3n)) {
    case 0:
      return `MOV to ${cr} from ${register}${written}`;
    case 1:
      return `MOV from ${cr} to ${register}`;
    case 2:
      return 'CLTS';
    default:
      return `LMSW of ${hex(qualification >> 16n)}`;
  }
}

function describeEptViolation(exit: VmExit): string {
  const q = exit.qualification;
  const accesses = [
    ...((q & 1n) !== 0n ? ['read'] : []),
    ...((q & 2n) !== 0n ? ['write'] : []),
    ...((q & 4n) !== 0n ? ['fetch'] : []),
  ].join(' and ');
  const permissions = `R=${(q >> 3n) & 1n} W=${(q >> 4n) & 1n} X=${(q >> 5n) & 1n}`;
  const state = (q & 0x38n) === 0n ? 'not present' : 'not permitted';
  const direction = (q & 1n) !== 0n && (q & 6n) === 0n ? 'of' : (q & 4n) !== 0n ? 'from' : 'to';
  const walk = (q & 0x180n) === 0x80n ? ' (reading a guest paging structure)' : '';
  const linear = (q & 0x80n) !== 0n ? `, linear ${hex(exit.guestLinear)}` : '';
  return `${accesses} ${direction} GPA ${hex(exit.guestPhysical)}: ${state} (${permissions})${walk}${linear}`;
}

/** What the qualification of an exit says, in one line; empty for exits without one. */
export function describeQualification(exit: VmExit): string {
  const q = exit.qualification;
  const { qualification: format } = exitReason(exit.name);
  switch (format) {
    case 'none':
      return describeOther(exit);
    case 'exception':
      return describeException(exit);
    case 'sipi':
      return `vector ${hex(q & 0xffn)}`;
    case 'io':
      return describeIo(q);
    case 'task-switch':
      return `to TSS selector ${hex(q & 0xffffn)} by ${['CALL', 'IRET', 'JMP', 'task gate'][Number((q >> 30n) & 3n)]}`;
    case 'linear-address':
      return `linear address ${hex(q)}`;
    case 'displacement':
      return `displacement ${hex(q)}`;
    case 'cr-access':
      return describeCrAccess(q, exit);
    case 'dr-access':
      return (q & 16n) === 0n
        ? `MOV to DR${q & 7n} from ${GPRS[Number((q >> 8n) & 15n)]}`
        : `MOV from DR${q & 7n} to ${GPRS[Number((q >> 8n) & 15n)]}`;
    case 'mwait':
      return (q & 1n) !== 0n ? 'monitor armed' : 'monitor not armed';
    case 'apic-access':
      return `APIC page offset ${hex(q & 0xfffn)}`;
    case 'eoi-vector':
      return `vector ${hex(q & 0xffn)}`;
    case 'apic-write':
      return `APIC page offset ${hex(q & 0xfffn)}`;
    case 'ept-violation':
      return describeEptViolation(exit);
    case 'pml-full':
      return 'page-modification log full';
    case 'spp':
      return (q & 0x800n) !== 0n ? 'SPP miss' : 'SPP misconfiguration';
    case 'instruction-timeout':
      return (q & 1n) !== 0n ? 'guest state may be unusable' : 'guest state is usable';
    case 'entry-failure':
      return q === 2n ? 'PDPTEs' : q === 3n ? 'NMI injection' : q === 4n ? 'VMCS link pointer' : 'guest state';
    case 'msr-entry':
      return `entry ${q} of the MSR-load area`;
    case 'msr-index':
      return `MSR ${hex(q)}`;
    default:
      return unreachable(format, 'qualification format');
  }
}

/** Exits without a qualification still have something to say: what the registers held. */
function describeOther(exit: VmExit): string {
  const { payload } = exit;
  switch (exit.name) {
    case 'cpuid':
      return `leaf ${hex(payload['leaf'] ?? 0n)}, subleaf ${hex(payload['subleaf'] ?? 0n)}`;
    case 'rdmsr':
      return `MSR ${hex(payload['msr'] ?? 0n)}`;
    case 'wrmsr':
      return `MSR ${hex(payload['msr'] ?? 0n)} := ${hex(payload['value'] ?? 0n)}`;
    case 'vmcall':
      return `RAX ${hex(payload['rax'] ?? 0n)}`;
    case 'externalInterrupt':
      return payload['vector'] === undefined ? 'not acknowledged' : `vector ${hex(payload['vector'])}`;
    case 'eptMisconfiguration':
      return `GPA ${hex(exit.guestPhysical)}`;
    default:
      return '';
  }
}

/** The whole exit in one line: `I/O instruction: out to port 3F8h, 1 byte`. */
export function describeExit(exit: VmExit): string {
  const { title } = exitReason(exit.name);
  const detail = describeQualification(exit);
  return detail === '' ? title : `${title}: ${detail}`;
}
