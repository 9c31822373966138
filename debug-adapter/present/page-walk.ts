/** A page walk for the wire: every entry with its bits decoded (SDM Vol. 3A, "Paging", tables 4-4 to 4-20; Vol. 3C, "EPT", 28.3). */
import type { BitField, EptStep, EptVerdict, EptWalk, EntryVerdict, Walk, WalkStep } from '../engine/index.ts';
import type { EptWalkBody, PageWalkBody, PageWalkStep, TableEntry } from '../protocol/page-walk.ts';
import { decodeFields } from './fields.ts';
import { hex64, hexOf, memoryReference } from './text.ts';

const COMMON: readonly BitField[] = [
  { name: 'P', bit: 0, meaning: 'present' },
  { name: 'R/W', bit: 1, meaning: 'writes allowed' },
  { name: 'U/S', bit: 2, meaning: 'CPL 3 accesses allowed' },
  { name: 'PWT', bit: 3, meaning: 'page-level write-through' },
  { name: 'PCD', bit: 4, meaning: 'page-level cache disable' },
  { name: 'A', bit: 5, meaning: 'accessed' },
];
const DIRTY: BitField = { name: 'D', bit: 6, meaning: 'dirty' };
const GLOBAL: BitField = { name: 'G', bit: 8, meaning: 'global' };
const LARGE: BitField = { name: 'PS', bit: 7, meaning: 'maps a page' };
const EXECUTE_DISABLE: BitField = { name: 'XD', bit: 63, meaning: 'fetches not allowed' };

function entryFields(step: WalkStep): readonly BitField[] {
  const wide = step.entryBytes === 8;
  const fields = [...COMMON];
  let lowest = 12;
  if (step.leaf) {
    const large = step.level !== 'PTE';
    fields.push(DIRTY, large ? LARGE : { name: 'PAT', bit: 7, meaning: 'page-attribute table' }, GLOBAL);
    if (large) {
      fields.push({ name: 'PAT', bit: 12, meaning: 'page-attribute table' });
      lowest = step.level === 'PDPTE' ? 30 : wide ? 21 : 22;
    }
  } else fields.push({ ...LARGE, meaning: 'maps a page (0: points at a table)' });
  fields.push({
    name: step.leaf ? 'page' : 'table',
    bit: lowest,
    width: (wide ? 52 : 32) - lowest,
    meaning: step.leaf ? 'page frame' : 'next table',
  });
  if (wide) {
    if (step.leaf) fields.push({ name: 'key', bit: 59, width: 4, meaning: 'protection key' });
    fields.push(EXECUTE_DISABLE);
  }
  return fields;
}

function eptEntryFields(step: EptStep): readonly BitField[] {
  const lowest = !step.leaf || step.level === 'EPT PTE' ? 12 : step.level === 'EPT PDE' ? 21 : 30;
  const fields: BitField[] = [
    { name: 'R', bit: 0, meaning: 'reads allowed' },
    { name: 'W', bit: 1, meaning: 'writes allowed' },
    { name: 'X', bit: 2, meaning: 'fetches allowed' },
  ];
  if (step.leaf) {
    fields.push(
      { name: 'memory type', bit: 3, width: 3, meaning: '0 uncacheable, 6 write-back' },
      { name: 'IPAT', bit: 6, meaning: "ignore the guest's PAT" },
    );
  }
  if (step.level !== 'EPT PTE' && step.level !== 'EPT PML4E') fields.push(LARGE);
  fields.push({ name: 'A', bit: 8, meaning: 'accessed' });
  if (step.leaf) fields.push({ name: 'D', bit: 9, meaning: 'dirty' });
  fields.push({
    name: step.leaf ? 'page' : 'table',
    bit: lowest,
    width: 52 - lowest,
    meaning: step.leaf ? 'page frame' : 'next table',
  });
  if (step.leaf) fields.push({ name: 'suppress #VE', bit: 63 });
  return fields;
}

const VERDICTS: { readonly [V in EntryVerdict | EptVerdict]: string } = {
  ok: 'ok',
  'not-present': 'not present',
  'reserved-bits': 'a reserved bit is set',
  'not-writable': 'not writable',
  'supervisor-only': 'supervisor only',
  'user-page-smep': 'user page (SMEP forbids supervisor fetches)',
  'user-page-smap': 'user page (SMAP forbids supervisor accesses)',
  'execute-disabled': 'execute disabled',
  'protection-key': 'PKRU denies access with this protection key',
  'table-unreadable': 'the table cannot be read',
  'non-canonical': 'the address is not canonical',
  'not-readable': 'not readable',
  'not-executable': 'not executable',
  misconfigured: 'misconfigured',
};

function presentEptStep(step: EptStep): TableEntry {
  return {
    level: step.level,
    index: step.index,
    entryAddress: hex64(step.entryAddress),
    entryReference: memoryReference(step.entryAddress, 'host-physical'),
    entry: hex64(step.entry),
    entryBytes: 8,
    leaf: step.leaf,
    flags: step.flags,
    fields: decodeFields(step.entry, eptEntryFields(step)),
    points: hex64(step.points),
    pointsReference: memoryReference(step.points, 'host-physical'),
    failing: step.verdict !== 'ok',
    verdict: VERDICTS[step.verdict],
  };
}

function presentEptWalk(walk: EptWalk): EptWalkBody {
  return {
    guestPhysical: hex64(walk.guestPhysical),
    eptPointer: hex64(walk.eptPointer),
    steps: walk.steps.map(presentEptStep),
    ...(walk.hostPhysical === undefined
      ? {}
      : {
          hostPhysical: hex64(walk.hostPhysical),
          hostPhysicalReference: memoryReference(walk.hostPhysical, 'host-physical'),
        }),
    ...(walk.pageBytes === undefined ? {} : { pageBytes: walk.pageBytes }),
    ...(walk.failure === undefined ? {} : { failure: walk.failure }),
  };
}

function presentStep(step: WalkStep): PageWalkStep {
  return {
    level: step.level,
    index: step.index,
    entryAddress: hex64(step.entryAddress),
    entryReference: memoryReference(step.entryAddress, 'guest-physical'),
    entry: hexOf(step.entry, 8 * step.entryBytes),
    entryBytes: step.entryBytes,
    leaf: step.leaf,
    flags: step.flags,
    fields: decodeFields(step.entry, entryFields(step)),
    points: hex64(step.points),
    pointsReference: memoryReference(step.points, 'guest-physical'),
    failing: step.verdict !== 'ok' || step.ept?.failure !== undefined,
    verdict:
      step.verdict === 'ok' && step.ept?.failure !== undefined ? 'EPT refuses the table' : VERDICTS[step.verdict],
    ...(step.ept === undefined ? {} : { ept: presentEptWalk(step.ept) }),
  };
}

export function presentWalk(walk: Walk): PageWalkBody {
  return {
    linear: hex64(walk.linear),
    mode: walk.mode,
    cr3: hex64(walk.cr3),
    access: walk.access.kind,
    user: walk.access.user,
    steps: walk.steps.map(presentStep),
    ...(walk.guestPhysical === undefined
      ? {}
      : {
          guestPhysical: hex64(walk.guestPhysical),
          guestPhysicalReference: memoryReference(walk.guestPhysical, 'guest-physical'),
        }),
    ...(walk.ept === undefined ? {} : { ept: presentEptWalk(walk.ept) }),
    ...(walk.hostPhysical === undefined
      ? {}
      : {
          hostPhysical: hex64(walk.hostPhysical),
          hostPhysicalReference: memoryReference(walk.hostPhysical, 'host-physical'),
        }),
    ...(walk.pageBytes === undefined ? {} : { pageBytes: walk.pageBytes }),
    ...(walk.failure === undefined ? {} : { failure: walk.failure }),
    references: walk.references,
    nested: walk.ept !== undefined || walk.steps.some((step) => step.ept !== undefined),
  };
}
