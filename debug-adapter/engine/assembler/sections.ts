/** Where the sections of a flat image go (NASM manual, "bin: Flat-Form Binary Output"). */
import type { Section } from './items.ts';
import type { Messages } from './messages.ts';

/** NASM aligns every section but the first by four bytes unless it says otherwise. */
export const DEFAULT_ALIGN = 4;

export interface PlacedSections {
  /** Load addresses by section number; 0 for absolute ones. */
  readonly starts: readonly bigint[];
  /** Addresses that labels count from. */
  readonly bases: readonly bigint[];
}

function alignUp(address: bigint, align: number): bigint {
  const step = BigInt(align);
  return ((address + step - 1n) / step) * step;
}

/** Bytes in the image first, in order of appearance with .text in front, then the sections without bytes. */
export function placeSections(
  sections: readonly Section[],
  lengths: readonly number[],
  origin: bigint,
  messages: Messages | undefined,
): PlacedSections {
  const starts = sections.map(() => 0n);
  const bases = sections.map(() => 0n);
  let next = origin;
  let virtualNext = origin;
  for (const kind of ['progbits', 'nobits'] as const) {
    sections.forEach((section, index) => {
      if (section.kind !== kind) return;
      const start = section.start ?? alignUp(next, section.align);
      if (messages !== undefined && kind === 'progbits' && start < next && lengths[index] > 0) {
        messages.error(
          'section-overlap',
          `section ${section.name} starts at ${start.toString(16)}h, within the section before it, which ends at ${next.toString(16)}h`,
          section.place,
        );
      }
      starts[index] = start;
      bases[index] = section.virtualStart ?? start;
      next = start + BigInt(lengths[index]);
      virtualNext = bases[index] + BigInt(lengths[index]);
    });
    // Sections without bytes come after the addresses of the last section of the image, not after its place in the image.
    next = virtualNext;
  }
  return { starts, bases };
}
