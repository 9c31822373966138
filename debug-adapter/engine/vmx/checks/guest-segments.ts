/** Checks on guest segment registers (SDM Vol. 3C, 26.3.1.2): the same few rules for each register. */
import { ACCESS_RIGHTS } from '../../cpu/state.ts';
import type { VmcsFieldKey } from '../vmcs-fields.ts';
import { hex } from '../hex.ts';
import { BAD_GUEST_STATE } from './check.ts';
import type { CheckContext, EntryCheck } from './check.ts';

type Register = 'CS' | 'SS' | 'DS' | 'ES' | 'FS' | 'GS' | 'LDTR' | 'TR';
/** The order in which the manual lists them within a rule. */
const REGISTERS = ['CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const satisfies readonly Register[];

const selectorOf = (register: Register): VmcsFieldKey => `GUEST_${register}_SELECTOR`;
const baseOf = (register: Register): VmcsFieldKey => `GUEST_${register}_BASE`;
const limitOf = (register: Register): VmcsFieldKey => `GUEST_${register}_LIMIT`;
const rightsOf = (register: Register): VmcsFieldKey => `GUEST_${register}_AR`;

const rights = (c: CheckContext, register: Register): number => c.low(rightsOf(register));
const type = (c: CheckContext, register: Register): number => rights(c, register) & ACCESS_RIGHTS.TYPE;
const dpl = (c: CheckContext, register: Register): number => (rights(c, register) >>> ACCESS_RIGHTS.DPL_BIT) & 3;
const usable = (c: CheckContext, register: Register): boolean => (rights(c, register) & ACCESS_RIGHTS.UNUSABLE) === 0;
const rpl = (c: CheckContext, register: Register): number => c.low(selectorOf(register)) & 3;
const virtual8086 = (c: CheckContext): boolean => c.bit('GUEST_RFLAGS', 17);
const unrestricted = (c: CheckContext): boolean => c.on('unrestrictedGuest');

const EXECUTION_CONTROLS: readonly VmcsFieldKey[] = ['PROC1_CONTROLS', 'PROC2_CONTROLS'];

interface Rule {
  readonly rule: string;
  readonly fields: readonly VmcsFieldKey[];
  readonly given?: readonly VmcsFieldKey[];
  readonly when?: (c: CheckContext) => boolean;
  readonly holds: (c: CheckContext) => boolean;
  readonly remedy: EntryCheck['remedy'];
}

const row = (number: number, rule: Rule): EntryCheck => ({
  id: `GSEG-${String(number).padStart(2, '0')}`,
  section: '26.3.1.2',
  failure: BAD_GUEST_STATE,
  ...rule,
});

/** One row per register, numbered from `first` in the order given. */
const rows = (first: number, registers: readonly Register[], rule: (register: Register) => Rule): EntryCheck[] =>
  registers.map((register, index) => row(first + index, rule(register)));

/** A rule for a segment outside virtual-8086 mode; CS is always usable, the others only count where they are. */
const whenUsed = (register: Register) => ({
  given: ['GUEST_RFLAGS', rightsOf(register)] as const,
  when: (c: CheckContext) => !virtual8086(c) && (register === 'CS' || usable(c, register)),
});

const granularityAgrees = (c: CheckContext, register: Register): boolean => {
  const limit = c.low(limitOf(register));
  return (rights(c, register) & ACCESS_RIGHTS.G) !== 0 ? (limit & 0xfff) === 0xfff : limit >>> 20 === 0;
};
const granularity = (register: Register): Rule => ({
  rule: `${register} limit and granularity agree: with G the low 12 bits are FFFh, without G bits 31:20 are 0.`,
  fields: [rightsOf(register), limitOf(register)],
  holds: (c) => granularityAgrees(c, register),
  remedy: (c) =>
    (rights(c, register) & ACCESS_RIGHTS.G) !== 0
      ? `use a limit ending in FFFh, such as ${hex((c.low(limitOf(register)) | 0xfff) >>> 0)}, or clear G (bit 15)`
      : 'use a limit below 100000h or set G (bit 15)',
});

const rightsBitsClear = (register: Register, mask: number, bits: string): Rule => ({
  rule: `${register} access rights: bits ${bits} are 0.`,
  fields: [rightsOf(register)],
  holds: (c) => (rights(c, register) & mask) === 0,
  remedy: (c) => `use ${hex((rights(c, register) & ~mask) >>> 0)}`,
});
const RESERVED_LOW = 0xf00;
const RESERVED_HIGH = 0xfffe_0000;

const rightsBit = (register: Register, mask: number, name: string, value: 0 | 1): Rule => ({
  rule: `${register} access rights: ${name} is ${value}.`,
  fields: [rightsOf(register)],
  holds: (c) => ((rights(c, register) & mask) !== 0) === (value === 1),
  remedy: (c) => `use ${hex((value === 1 ? rights(c, register) | mask : rights(c, register) & ~mask) >>> 0)}`,
});

const canonicalBase = (register: Register, extra: Partial<Rule> = {}): Rule => ({
  rule: `${register} base is canonical.`,
  fields: [baseOf(register)],
  holds: (c) => c.isCanonical(c.read(baseOf(register))),
  remedy: (c) => `use an address whose bits 63:${c.linearBits - 1} are all equal`,
  ...extra,
});

const whenLdtrUsable = {
  given: ['GUEST_LDTR_AR'] as const,
  when: (c: CheckContext) => usable(c, 'LDTR'),
};
const whenVirtual8086 = { given: ['GUEST_RFLAGS'] as const, when: virtual8086 };
const DATA_REGISTERS = ['DS', 'ES', 'FS', 'GS'] as const;

export const GUEST_SEGMENT_CHECKS: readonly EntryCheck[] = [
  row(1, {
    rule: 'TR selector: TI (bit 2) is 0, so TR comes from the GDT.',
    fields: ['GUEST_TR_SELECTOR'],
    holds: (c) => (c.low('GUEST_TR_SELECTOR') & 4) === 0,
    remedy: (c) => `use selector ${hex(c.low('GUEST_TR_SELECTOR') & ~4)}`,
  }),
  row(2, {
    rule: 'A usable LDTR has a selector with TI (bit 2) 0.',
    fields: ['GUEST_LDTR_SELECTOR'],
    ...whenLdtrUsable,
    holds: (c) => (c.low('GUEST_LDTR_SELECTOR') & 4) === 0,
    remedy: 'clear bit 2 of the selector, or mark LDTR unusable (access rights 10000h)',
  }),
  row(3, {
    rule: 'The RPL of the SS selector equals that of the CS selector.',
    fields: ['GUEST_SS_SELECTOR', 'GUEST_CS_SELECTOR'],
    given: ['GUEST_RFLAGS', ...EXECUTION_CONTROLS],
    when: (c) => !virtual8086(c) && !unrestricted(c),
    holds: (c) => rpl(c, 'SS') === rpl(c, 'CS'),
    remedy: 'use the same bits 1:0 in both selectors',
  }),
  ...rows(4, REGISTERS, (register) => ({
    rule: `In virtual-8086 mode, ${register} base is the selector shifted left by 4.`,
    fields: [baseOf(register), selectorOf(register)],
    ...whenVirtual8086,
    holds: (c) => c.read(baseOf(register)) === BigInt(c.low(selectorOf(register))) << 4n,
    remedy: (c) => `use base ${hex(c.low(selectorOf(register)) << 4)}`,
  })),
  row(10, canonicalBase('TR')),
  row(11, canonicalBase('FS')),
  row(12, canonicalBase('GS')),
  row(13, canonicalBase('LDTR', whenLdtrUsable)),
  ...rows(14, ['CS', 'SS', 'DS', 'ES'], (register) => ({
    rule: `Bits 63:32 of ${register} base are 0.`,
    fields: [baseOf(register)],
    given: [rightsOf(register)],
    when: (c) => register === 'CS' || usable(c, register),
    holds: (c) => c.vmcs.high(baseOf(register)) === 0,
    remedy: 'use a base below 2^32; only FS and GS have 64-bit bases',
  })),
  ...rows(18, REGISTERS, (register) => ({
    rule: `In virtual-8086 mode, ${register} limit is FFFFh.`,
    fields: [limitOf(register)],
    ...whenVirtual8086,
    holds: (c) => c.low(limitOf(register)) === 0xffff,
    remedy: 'use FFFFh',
  })),
  ...rows(24, REGISTERS, (register) => ({
    rule: `In virtual-8086 mode, ${register} access rights are F3h.`,
    fields: [rightsOf(register)],
    ...whenVirtual8086,
    holds: (c) => rights(c, register) === 0xf3,
    remedy: 'use 0F3h',
  })),
  row(30, {
    rule: 'CS type is an accessed code segment: 9, 11, 13 or 15 (or 3 with "unrestricted guest").',
    fields: ['GUEST_CS_AR'],
    given: ['GUEST_RFLAGS', ...EXECUTION_CONTROLS],
    when: (c) => !virtual8086(c),
    holds: (c) => (type(c, 'CS') & 9) === 9 || (type(c, 'CS') === 3 && unrestricted(c)),
    remedy: (c) => `use ${hex(((rights(c, 'CS') & ~0xf) | 0xb) >>> 0)}: type 11 is readable, executable, accessed`,
  }),
  row(31, {
    rule: 'SS type is a writable, accessed data segment: 3 or 7.',
    fields: ['GUEST_SS_AR'],
    ...whenUsed('SS'),
    holds: (c) => type(c, 'SS') === 3 || type(c, 'SS') === 7,
    remedy: (c) => `use ${hex(((rights(c, 'SS') & ~0xf) | 3) >>> 0)}`,
  }),
  ...rows(32, DATA_REGISTERS, (register) => ({
    rule: `${register} type: bit 0 (accessed) is 1.`,
    fields: [rightsOf(register)],
    ...whenUsed(register),
    holds: (c) => (type(c, register) & 1) === 1,
    remedy: (c) => `use ${hex((rights(c, register) | 1) >>> 0)}`,
  })),
  ...rows(36, DATA_REGISTERS, (register) => ({
    rule: `A code segment in ${register} is readable (type bit 1).`,
    fields: [rightsOf(register)],
    given: ['GUEST_RFLAGS'],
    when: (c) => !virtual8086(c) && usable(c, register) && (type(c, register) & 8) !== 0,
    holds: (c) => (type(c, register) & 2) !== 0,
    remedy: (c) => `use ${hex((rights(c, register) | 2) >>> 0)}`,
  })),
  ...rows(40, REGISTERS, (register) => ({
    ...rightsBit(register, ACCESS_RIGHTS.S, 'S (bit 4), code or data segment,', 1),
    ...whenUsed(register),
  })),
  row(46, {
    rule: 'CS of type 3 has DPL 0.',
    fields: ['GUEST_CS_AR'],
    given: ['GUEST_RFLAGS'],
    when: (c) => !virtual8086(c) && type(c, 'CS') === 3,
    holds: (c) => dpl(c, 'CS') === 0,
    remedy: 'clear bits 6:5 of the CS access rights',
  }),
  row(47, {
    rule: 'CS that is not conforming (type 9 or 11) has the DPL of SS.',
    fields: ['GUEST_CS_AR', 'GUEST_SS_AR'],
    given: ['GUEST_RFLAGS'],
    when: (c) => !virtual8086(c) && (type(c, 'CS') === 9 || type(c, 'CS') === 11),
    holds: (c) => dpl(c, 'CS') === dpl(c, 'SS'),
    remedy: 'use the same bits 6:5 in both access rights',
  }),
  row(48, {
    rule: 'Conforming CS (type 13 or 15) has a DPL not above that of SS.',
    fields: ['GUEST_CS_AR', 'GUEST_SS_AR'],
    given: ['GUEST_RFLAGS'],
    when: (c) => !virtual8086(c) && (type(c, 'CS') === 13 || type(c, 'CS') === 15),
    holds: (c) => dpl(c, 'CS') <= dpl(c, 'SS'),
    remedy: 'lower the DPL (bits 6:5) of CS',
  }),
  row(49, {
    rule: 'The DPL of SS equals the RPL of its selector.',
    fields: ['GUEST_SS_AR', 'GUEST_SS_SELECTOR'],
    given: ['GUEST_RFLAGS', ...EXECUTION_CONTROLS],
    when: (c) => !virtual8086(c) && !unrestricted(c),
    holds: (c) => dpl(c, 'SS') === rpl(c, 'SS'),
    remedy: 'use the same privilege level in SS access rights (bits 6:5) and selector (bits 1:0)',
  }),
  row(50, {
    rule: 'With CS of type 3 or outside protected mode, the DPL of SS is 0.',
    fields: ['GUEST_SS_AR', 'GUEST_CS_AR', 'GUEST_CR0'],
    given: ['GUEST_RFLAGS'],
    when: (c) => !virtual8086(c) && (type(c, 'CS') === 3 || !c.bit('GUEST_CR0', 0)),
    holds: (c) => dpl(c, 'SS') === 0,
    remedy: 'clear bits 6:5 of the SS access rights',
  }),
  ...rows(51, DATA_REGISTERS, (register) => ({
    rule: `The DPL of ${register} is not below the RPL of its selector (conforming code aside).`,
    fields: [rightsOf(register), selectorOf(register)],
    given: ['GUEST_RFLAGS', ...EXECUTION_CONTROLS],
    when: (c) => !virtual8086(c) && !unrestricted(c) && usable(c, register) && type(c, register) <= 11,
    holds: (c) => dpl(c, register) >= rpl(c, register),
    remedy: 'raise the DPL (bits 6:5 of the access rights) or lower bits 1:0 of the selector',
  })),
  ...rows(55, REGISTERS, (register) => ({
    ...rightsBit(register, ACCESS_RIGHTS.P, 'P (bit 7), present,', 1),
    ...whenUsed(register),
  })),
  ...rows(61, REGISTERS, (register) => ({
    ...rightsBitsClear(register, RESERVED_LOW, '11:8'),
    ...whenUsed(register),
  })),
  row(67, {
    rule: 'A 64-bit CS (L = 1 in an IA-32e mode guest) has D 0.',
    fields: ['GUEST_CS_AR'],
    given: ['GUEST_RFLAGS', 'ENTRY_CONTROLS'],
    when: (c) => !virtual8086(c) && c.on('ia32eModeGuest') && (rights(c, 'CS') & ACCESS_RIGHTS.L) !== 0,
    holds: (c) => (rights(c, 'CS') & ACCESS_RIGHTS.DB) === 0,
    remedy: (c) => `use ${hex((rights(c, 'CS') & ~ACCESS_RIGHTS.DB) >>> 0)}: A09Bh is 64-bit ring 0 code`,
  }),
  ...rows(68, REGISTERS, (register) => ({ ...granularity(register), ...whenUsed(register) })),
  ...rows(74, REGISTERS, (register) => ({
    ...rightsBitsClear(register, RESERVED_HIGH, '31:17'),
    ...whenUsed(register),
  })),
  row(80, {
    rule: 'Without "IA-32e mode guest", TR is a busy TSS: type 3 (16-bit) or 11 (32-bit).',
    fields: ['GUEST_TR_AR'],
    given: ['ENTRY_CONTROLS'],
    when: (c) => !c.on('ia32eModeGuest'),
    holds: (c) => type(c, 'TR') === 3 || type(c, 'TR') === 11,
    remedy: 'use access rights 8Bh: present, busy 32-bit TSS',
  }),
  row(81, {
    rule: 'With "IA-32e mode guest", TR is a busy 64-bit TSS: type 11.',
    fields: ['GUEST_TR_AR'],
    given: ['ENTRY_CONTROLS'],
    when: (c) => c.on('ia32eModeGuest'),
    holds: (c) => type(c, 'TR') === 11,
    remedy: 'use access rights 8Bh: present, busy 64-bit TSS',
  }),
  row(82, rightsBit('TR', ACCESS_RIGHTS.S, 'S (bit 4)', 0)),
  row(83, rightsBit('TR', ACCESS_RIGHTS.P, 'P (bit 7), present,', 1)),
  row(84, rightsBitsClear('TR', RESERVED_LOW, '11:8')),
  row(85, granularity('TR')),
  row(86, {
    rule: 'TR is usable (access rights bit 16 is 0): a guest always has a task register.',
    fields: ['GUEST_TR_AR'],
    holds: (c) => usable(c, 'TR'),
    remedy: 'use access rights 8Bh with limit 67h, even where the guest never uses its TSS',
  }),
  row(87, rightsBitsClear('TR', RESERVED_HIGH, '31:17')),
  row(88, {
    rule: 'A usable LDTR has type 2 (LDT).',
    fields: ['GUEST_LDTR_AR'],
    when: whenLdtrUsable.when,
    holds: (c) => type(c, 'LDTR') === 2,
    remedy: 'use access rights 82h, or 10000h for an unusable LDTR',
  }),
  row(89, { ...rightsBit('LDTR', ACCESS_RIGHTS.S, 'S (bit 4)', 0), when: whenLdtrUsable.when }),
  row(90, { ...rightsBit('LDTR', ACCESS_RIGHTS.P, 'P (bit 7), present,', 1), when: whenLdtrUsable.when }),
  row(91, { ...rightsBitsClear('LDTR', RESERVED_LOW, '11:8'), when: whenLdtrUsable.when }),
  row(92, { ...granularity('LDTR'), when: whenLdtrUsable.when }),
  row(93, { ...rightsBitsClear('LDTR', RESERVED_HIGH, '31:17'), when: whenLdtrUsable.when }),
];
