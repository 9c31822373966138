/** For every VM-entry check one way to break it, starting from a VMCS that enters. */
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import type { VmcsFieldKey } from '../../debug-adapter/engine/vmx/types.ts';
import type { Fixture } from './fake-cpu.ts';
import { OTHER_VMCS_AT, TABLES_AT, VMCS_AT, withGoodVmcs } from './fake-cpu.ts';

/** A fixture with its VMCS open for changes. */
export interface Bench {
  readonly f: Fixture;
  set(key: VmcsFieldKey, value: bigint | number): void;
  or(key: VmcsFieldKey, bits: bigint | number): void;
  clear(key: VmcsFieldKey, bits: bigint | number): void;
}

const SEGMENTS = ['CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const;
const DATA = ['DS', 'ES', 'FS', 'GS'] as const;
const IA32E_GUEST = 1 << 9;
const EPT = 2;
const UNRESTRICTED = 1 << 7;

/** 64-bit guest. */
export function long(): Bench {
  const f = withGoodVmcs();
  const read = (key: VmcsFieldKey) => f.vmx.vmread(key);
  const set = (key: VmcsFieldKey, value: bigint | number) => void f.vmx.vmwrite(key, BigInt(value));
  return {
    f,
    set,
    or: (key, bits) => set(key, read(key) | BigInt(bits)),
    clear: (key, bits) => set(key, read(key) & ~BigInt(bits)),
  };
}

/** 32-bit protected-mode guest with 32-bit paging. */
export function flat32(): Bench {
  const b = long();
  b.clear('ENTRY_CONTROLS', IA32E_GUEST);
  b.set('GUEST_CR4', 0x2000);
  b.set('GUEST_CS_AR', 0xc09b);
  return b;
}

export function virtual8086(): Bench {
  const b = flat32();
  b.set('GUEST_RFLAGS', 0x2_0002);
  for (const name of SEGMENTS) {
    b.set(`GUEST_${name}_SELECTOR`, 0x1000);
    b.set(`GUEST_${name}_BASE`, 0x1_0000);
    b.set(`GUEST_${name}_LIMIT`, 0xffff);
    b.set(`GUEST_${name}_AR`, 0xf3);
  }
  return b;
}

/** Real-address mode under EPT with "unrestricted guest". */
export function real(): Bench {
  const b = flat32();
  b.set('PROC2_CONTROLS', EPT | UNRESTRICTED);
  b.set('EPTP', TABLES_AT | 0x1e);
  b.set('GUEST_CR0', 0x30);
  for (const name of SEGMENTS) {
    b.set(`GUEST_${name}_SELECTOR`, 0);
    b.set(`GUEST_${name}_LIMIT`, 0xffff);
    b.set(`GUEST_${name}_AR`, 0x93);
  }
  return b;
}

/** PAE paging: PDPTEs in memory, or in the VMCS with EPT. */
export function pae(): Bench {
  const b = flat32();
  b.set('GUEST_CR4', 0x2020);
  return b;
}
export function paeWithEpt(): Bench {
  const b = pae();
  b.set('PROC2_CONTROLS', EPT);
  b.set('EPTP', TABLES_AT | 0x1e);
  return b;
}

/** A 32-bit host. */
export function host32(): Bench {
  const b = flat32();
  b.f.cpu.state.set64(LAYOUT.efer, 0n);
  b.clear('EXIT1_CONTROLS', IA32E_GUEST);
  return b;
}

const inject = (b: Bench, vector: number, type: number, extra = 0) =>
  b.set('ENTRY_INTR_INFO', (0x8000_0000 | (type << 8) | vector | extra) >>> 0);
const ERROR_CODE = 0x800;
const NON_CANONICAL = 0x8000_0000_0000n;
const WIDE = 1n << 40n;

type Break = readonly [start: () => Bench, change: (b: Bench) => void];
const table: Record<string, Break> = {
  'EXEC-01': [long, (b) => b.clear('PIN_CONTROLS', 2)],
  'EXEC-02': [long, (b) => b.or('PROC1_CONTROLS', 1 << 21)],
  'EXEC-03': [long, (b) => b.set('PROC2_CONTROLS', 1 << 14)],
  'EXEC-05': [long, (b) => b.set('CR3_TARGET_COUNT', 5)],
  'EXEC-06': [long, (b) => (b.or('PROC1_CONTROLS', 1 << 25), b.set('IO_BITMAP_A', 8))],
  'EXEC-07': [long, (b) => (b.or('PROC1_CONTROLS', 1 << 25), b.set('IO_BITMAP_B', WIDE))],
  'EXEC-08': [long, (b) => (b.or('PROC1_CONTROLS', 1 << 28), b.set('MSR_BITMAP', 0x800))],
  'EXEC-12': [long, (b) => b.or('PIN_CONTROLS', 1 << 5)],
  'EXEC-13': [long, (b) => b.or('PROC1_CONTROLS', 1 << 22)],
  'EXEC-22': [long, (b) => b.set('PROC2_CONTROLS', 1 << 5)],
  'EXEC-23': [real, (b) => b.set('EPTP', TABLES_AT | 0x19)],
  'EXEC-24': [real, (b) => b.set('EPTP', TABLES_AT | 0x16)],
  'EXEC-26': [real, (b) => b.set('EPTP', BigInt(TABLES_AT | 0x1e) | WIDE)],
  'EXEC-29': [long, (b) => b.set('PROC2_CONTROLS', UNRESTRICTED)],
  'EXIT-01': [long, (b) => b.or('EXIT1_CONTROLS', 1 << 31)],
  'EXIT-03': [long, (b) => b.or('EXIT1_CONTROLS', 1 << 22)],
  'EXIT-04': [long, (b) => (b.set('EXIT_MSR_STORE_COUNT', 1), b.set('EXIT_MSR_STORE_ADDR', 8))],
  'EXIT-05': [long, (b) => (b.set('EXIT_MSR_STORE_COUNT', 2), b.set('EXIT_MSR_STORE_ADDR', WIDE - 16n))],
  'EXIT-06': [long, (b) => (b.set('EXIT_MSR_LOAD_COUNT', 1), b.set('EXIT_MSR_LOAD_ADDR', WIDE))],
  'EXIT-07': [long, (b) => (b.set('EXIT_MSR_LOAD_COUNT', 2), b.set('EXIT_MSR_LOAD_ADDR', WIDE - 16n))],
  'ENTRY-01': [long, (b) => b.clear('ENTRY_CONTROLS', 1)],
  'ENTRY-02': [long, (b) => inject(b, 3, 1)],
  'ENTRY-03': [long, (b) => inject(b, 3, 2)],
  'ENTRY-04': [long, (b) => inject(b, 32, 3)],
  'ENTRY-05': [long, (b) => inject(b, 1, 7)],
  'ENTRY-06': [long, (b) => inject(b, 14, 3)],
  'ENTRY-07': [long, (b) => inject(b, 3, 3, 1 << 12)],
  'ENTRY-08': [long, (b) => (inject(b, 14, 3, ERROR_CODE), b.set('ENTRY_EXCEPTION_EC', 0x1_0000))],
  'ENTRY-09': [long, (b) => inject(b, 0x80, 4)],
  'ENTRY-10': [long, (b) => (b.set('ENTRY_MSR_LOAD_COUNT', 1), b.set('ENTRY_MSR_LOAD_ADDR', 1))],
  'ENTRY-11': [long, (b) => (b.set('ENTRY_MSR_LOAD_COUNT', 2), b.set('ENTRY_MSR_LOAD_ADDR', WIDE - 16n))],
  'ENTRY-12': [long, (b) => b.or('ENTRY_CONTROLS', 1 << 10)],
  'ENTRY-13': [long, (b) => b.or('ENTRY_CONTROLS', 3 << 10)],
  'HOST-01': [long, (b) => b.clear('HOST_CR0', 0x20)],
  'HOST-02': [long, (b) => b.clear('HOST_CR4', 0x2000)],
  'HOST-04': [long, (b) => b.or('HOST_CR3', WIDE)],
  'HOST-05': [long, (b) => b.set('HOST_SYSENTER_ESP', NON_CANONICAL)],
  'HOST-06': [long, (b) => b.set('HOST_SYSENTER_EIP', NON_CANONICAL)],
  'HOST-08': [long, (b) => (b.or('EXIT1_CONTROLS', 1 << 19), b.set('HOST_IA32_PAT', 0x0200))],
  'HOST-09': [long, (b) => (b.or('EXIT1_CONTROLS', 1 << 21), b.set('HOST_IA32_EFER', 0x502))],
  'HOST-10': [long, (b) => (b.or('EXIT1_CONTROLS', 1 << 21), b.set('HOST_IA32_EFER', 0x100))],
  'HOST-SEG-01': [long, (b) => b.set('HOST_CS_SELECTOR', 9)],
  'HOST-SEG-02': [long, (b) => b.set('HOST_SS_SELECTOR', 0x14)],
  'HOST-SEG-03': [long, (b) => b.set('HOST_DS_SELECTOR', 0x13)],
  'HOST-SEG-04': [long, (b) => b.set('HOST_ES_SELECTOR', 0x13)],
  'HOST-SEG-05': [long, (b) => b.set('HOST_FS_SELECTOR', 0x13)],
  'HOST-SEG-06': [long, (b) => b.set('HOST_GS_SELECTOR', 0x13)],
  'HOST-SEG-07': [long, (b) => b.set('HOST_TR_SELECTOR', 0x1b)],
  'HOST-SEG-08': [long, (b) => b.set('HOST_CS_SELECTOR', 0)],
  'HOST-SEG-09': [long, (b) => b.set('HOST_TR_SELECTOR', 0)],
  'HOST-SEG-10': [host32, (b) => b.set('HOST_SS_SELECTOR', 0)],
  'HOST-SEG-11': [long, (b) => b.set('HOST_FS_BASE', NON_CANONICAL)],
  'HOST-SEG-12': [long, (b) => b.set('HOST_GS_BASE', NON_CANONICAL)],
  'HOST-SEG-13': [long, (b) => b.set('HOST_GDTR_BASE', NON_CANONICAL)],
  'HOST-SEG-14': [long, (b) => b.set('HOST_IDTR_BASE', NON_CANONICAL)],
  'HOST-SEG-15': [long, (b) => b.set('HOST_TR_BASE', NON_CANONICAL)],
  'ASIZE-01': [host32, (b) => b.or('ENTRY_CONTROLS', IA32E_GUEST)],
  'ASIZE-02': [host32, (b) => b.or('EXIT1_CONTROLS', IA32E_GUEST)],
  'ASIZE-03': [long, (b) => b.clear('EXIT1_CONTROLS', IA32E_GUEST)],
  'ASIZE-04': [long, (b) => b.clear('EXIT1_CONTROLS', IA32E_GUEST)],
  'ASIZE-05': [host32, (b) => b.or('HOST_CR4', 1 << 17)],
  'ASIZE-06': [host32, (b) => b.set('HOST_RIP', 1n << 32n)],
  'ASIZE-07': [long, (b) => b.clear('HOST_CR4', 0x20)],
  'ASIZE-08': [long, (b) => b.set('HOST_RIP', NON_CANONICAL)],
  'GCR-01': [long, (b) => b.clear('GUEST_CR0', 0x20)],
  'GCR-02': [real, (b) => b.set('GUEST_CR0', 0x8000_0030)],
  'GCR-03': [long, (b) => b.clear('GUEST_CR4', 0x2000)],
  'GCR-05': [long, (b) => (b.or('ENTRY_CONTROLS', 4), b.set('GUEST_IA32_DEBUGCTL', 4))],
  'GCR-06': [long, (b) => b.clear('GUEST_CR4', 0x20)],
  'GCR-07': [flat32, (b) => b.or('GUEST_CR4', 1 << 17)],
  'GCR-08': [long, (b) => b.or('GUEST_CR3', WIDE)],
  'GCR-09': [long, (b) => (b.or('ENTRY_CONTROLS', 4), b.set('GUEST_DR7', 1n << 32n))],
  'GCR-10': [long, (b) => b.set('GUEST_SYSENTER_ESP', NON_CANONICAL)],
  'GCR-11': [long, (b) => b.set('GUEST_SYSENTER_EIP', NON_CANONICAL)],
  'GCR-13': [long, (b) => (b.or('ENTRY_CONTROLS', 1 << 14), b.set('GUEST_IA32_PAT', 3))],
  'GCR-14': [long, (b) => (b.or('ENTRY_CONTROLS', 1 << 15), b.set('GUEST_IA32_EFER', 0x502))],
  'GCR-15': [long, (b) => (b.or('ENTRY_CONTROLS', 1 << 15), b.set('GUEST_IA32_EFER', 0x100))],
  'GCR-16': [long, (b) => (b.or('ENTRY_CONTROLS', 1 << 15), b.set('GUEST_IA32_EFER', 0x400))],
  'GSEG-01': [long, (b) => b.or('GUEST_TR_SELECTOR', 4)],
  'GSEG-02': [long, (b) => (b.set('GUEST_LDTR_AR', 0x82), b.set('GUEST_LDTR_SELECTOR', 4))],
  'GSEG-03': [long, (b) => b.or('GUEST_CS_SELECTOR', 3)],
  'GSEG-10': [long, (b) => b.set('GUEST_TR_BASE', NON_CANONICAL)],
  'GSEG-11': [long, (b) => b.set('GUEST_FS_BASE', NON_CANONICAL)],
  'GSEG-12': [long, (b) => (b.set('GUEST_GS_AR', 0x1_0000), b.set('GUEST_GS_BASE', NON_CANONICAL))],
  'GSEG-13': [long, (b) => (b.set('GUEST_LDTR_AR', 0x82), b.set('GUEST_LDTR_BASE', NON_CANONICAL))],
  'GSEG-14': [long, (b) => b.set('GUEST_CS_BASE', 1n << 32n)],
  'GSEG-15': [long, (b) => b.set('GUEST_SS_BASE', 1n << 32n)],
  'GSEG-16': [long, (b) => b.set('GUEST_DS_BASE', 1n << 32n)],
  'GSEG-17': [long, (b) => b.set('GUEST_ES_BASE', 1n << 32n)],
  'GSEG-30': [long, (b) => b.set('GUEST_CS_AR', 0xa093)],
  'GSEG-31': [long, (b) => b.set('GUEST_SS_AR', 0xc091)],
  'GSEG-46': [real, (b) => b.or('GUEST_CS_AR', 0x60)],
  'GSEG-47': [long, (b) => b.or('GUEST_CS_AR', 0x20)],
  'GSEG-48': [long, (b) => b.set('GUEST_CS_AR', 0xa0bf)],
  'GSEG-49': [long, (b) => (b.or('GUEST_CS_SELECTOR', 1), b.or('GUEST_SS_SELECTOR', 1))],
  'GSEG-50': [real, (b) => b.or('GUEST_SS_AR', 0x20)],
  'GSEG-67': [long, (b) => b.or('GUEST_CS_AR', 0x4000)],
  'GSEG-80': [flat32, (b) => b.set('GUEST_TR_AR', 0x89)],
  'GSEG-81': [long, (b) => b.set('GUEST_TR_AR', 0x83)],
  'GSEG-82': [long, (b) => b.or('GUEST_TR_AR', 0x10)],
  'GSEG-83': [long, (b) => b.clear('GUEST_TR_AR', 0x80)],
  'GSEG-84': [long, (b) => b.or('GUEST_TR_AR', 0x100)],
  'GSEG-85': [long, (b) => b.set('GUEST_TR_LIMIT', 0x10_0067)],
  'GSEG-86': [long, (b) => b.or('GUEST_TR_AR', 0x1_0000)],
  'GSEG-87': [long, (b) => b.or('GUEST_TR_AR', 0x2_0000)],
  'GSEG-88': [long, (b) => b.set('GUEST_LDTR_AR', 0x83)],
  'GSEG-89': [long, (b) => b.set('GUEST_LDTR_AR', 0x92)],
  'GSEG-90': [long, (b) => b.set('GUEST_LDTR_AR', 0x02)],
  'GSEG-91': [long, (b) => b.set('GUEST_LDTR_AR', 0x182)],
  'GSEG-92': [long, (b) => (b.set('GUEST_LDTR_AR', 0x8082), b.set('GUEST_LDTR_LIMIT', 0x10))],
  'GSEG-93': [long, (b) => b.set('GUEST_LDTR_AR', 0x2_0082)],
  'GDT-01': [long, (b) => b.set('GUEST_GDTR_BASE', NON_CANONICAL)],
  'GDT-02': [long, (b) => b.set('GUEST_IDTR_BASE', NON_CANONICAL)],
  'GDT-03': [long, (b) => b.set('GUEST_GDTR_LIMIT', 0x1_0000)],
  'GDT-04': [long, (b) => b.set('GUEST_IDTR_LIMIT', 0x1_0000)],
  'GRIP-01': [flat32, (b) => b.set('GUEST_RIP', 1n << 32n)],
  'GRIP-02': [long, (b) => b.set('GUEST_RIP', 1n << 48n)],
  'GRFL-01': [long, (b) => b.set('GUEST_RFLAGS', 0)],
  'GRFL-02': [long, (b) => b.set('GUEST_RFLAGS', 0x2_0002)],
  'GRFL-03': [long, (b) => inject(b, 0x20, 0)],
  'GACT-01': [long, (b) => b.set('GUEST_ACTIVITY', 5)],
  'GACT-02': [virtual8086, (b) => b.set('GUEST_ACTIVITY', 1)],
  'GACT-03': [long, (b) => (b.set('GUEST_ACTIVITY', 1), b.set('GUEST_INTERRUPTIBILITY', 2))],
  'GACT-04': [long, (b) => (b.set('GUEST_ACTIVITY', 1), inject(b, 6, 3))],
  'GACT-05': [long, (b) => (b.set('GUEST_ACTIVITY', 2), inject(b, 6, 3))],
  'GACT-06': [long, (b) => (b.set('GUEST_ACTIVITY', 3), inject(b, 2, 2))],
  'GINT-01': [long, (b) => b.set('GUEST_INTERRUPTIBILITY', 0x20)],
  'GINT-02': [long, (b) => (b.set('GUEST_INTERRUPTIBILITY', 3), b.set('GUEST_RFLAGS', 0x202))],
  'GINT-03': [long, (b) => b.set('GUEST_INTERRUPTIBILITY', 1)],
  'GINT-04': [long, (b) => (b.set('GUEST_INTERRUPTIBILITY', 2), b.set('GUEST_RFLAGS', 0x202), inject(b, 0x20, 0))],
  'GINT-05': [long, (b) => (b.set('GUEST_INTERRUPTIBILITY', 2), inject(b, 2, 2))],
  'GINT-06': [long, (b) => b.set('GUEST_INTERRUPTIBILITY', 4)],
  'GINT-08': [long, (b) => (b.set('GUEST_INTERRUPTIBILITY', 1), b.set('GUEST_RFLAGS', 0x202), inject(b, 2, 2))],
  'GINT-09': [long, (b) => (b.or('PIN_CONTROLS', 0x28), b.set('GUEST_INTERRUPTIBILITY', 8), inject(b, 2, 2))],
  'GINT-10': [long, (b) => b.set('GUEST_INTERRUPTIBILITY', 0x10)],
  'GPDB-01': [long, (b) => b.set('GUEST_PENDING_DEBUG', 1 << 13)],
  'GPDB-02': [long, (b) => (b.set('GUEST_INTERRUPTIBILITY', 2), b.set('GUEST_RFLAGS', 0x102))],
  'GPDB-03': [long, (b) => (b.set('GUEST_INTERRUPTIBILITY', 2), b.set('GUEST_PENDING_DEBUG', 1 << 14))],
  'GLNK-01': [long, (b) => b.set('VMCS_LINK_PTR', OTHER_VMCS_AT + 4)],
  'GLNK-02': [long, (b) => b.set('VMCS_LINK_PTR', WIDE)],
  'GLNK-03': [long, (b) => b.set('VMCS_LINK_PTR', 0xc000)],
  'GLNK-04': [
    long,
    (b) => {
      b.f.cpu.physical.write(OTHER_VMCS_AT + 3, 1, 0xc8);
      b.set('VMCS_LINK_PTR', OTHER_VMCS_AT);
    },
  ],
  'GLNK-05': [long, (b) => b.set('VMCS_LINK_PTR', VMCS_AT)],
  'GPDP-01': [pae, (b) => b.f.cpu.physical.write64(TABLES_AT + 16, 3n)],
  'GPDP-02': [paeWithEpt, (b) => b.set('GUEST_PDPTE3', 0x21)],
};

SEGMENTS.forEach((name, index) => {
  const id = (first: number) => `GSEG-${String(first + index).padStart(2, '0')}`;
  table[id(4)] = [virtual8086, (b) => b.set(`GUEST_${name}_BASE`, 0x1_0010)];
  table[id(18)] = [virtual8086, (b) => b.set(`GUEST_${name}_LIMIT`, 0xfffff)];
  table[id(24)] = [virtual8086, (b) => b.set(`GUEST_${name}_AR`, 0x93)];
  table[id(40)] = [long, (b) => b.clear(`GUEST_${name}_AR`, 0x10)];
  table[id(55)] = [long, (b) => b.clear(`GUEST_${name}_AR`, 0x80)];
  table[id(61)] = [long, (b) => b.or(`GUEST_${name}_AR`, 0x800)];
  table[id(68)] = [long, (b) => b.set(`GUEST_${name}_LIMIT`, 0xffff_f000)];
  table[id(74)] = [long, (b) => b.or(`GUEST_${name}_AR`, 0x8000_0000)];
});
DATA.forEach((name, index) => {
  const id = (first: number) => `GSEG-${first + index}`;
  table[id(32)] = [long, (b) => b.clear(`GUEST_${name}_AR`, 1)];
  table[id(36)] = [long, (b) => b.set(`GUEST_${name}_AR`, 0xc099)];
  table[id(51)] = [long, (b) => b.or(`GUEST_${name}_SELECTOR`, 3)];
});

export const BREAKS: Readonly<Record<string, Break>> = table;
