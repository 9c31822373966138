/** Checks that hold for the load segments of every format. */
import type { Diagnostic } from '../base/diagnostic.ts';
import { memoryMap } from '../base/memory-map.ts';
import type { LoadSegment } from '../base/program.ts';
import { fileError, hex } from './file-diagnostic.ts';

/** A segment and what messages call it, for example `segment 2`. */
export interface NamedSegment extends LoadSegment {
  readonly title: string;
}

const MIB = 1024 * 1024;

/** Address after the last byte, zeros included. */
export const segmentEnd = (segment: LoadSegment): number => segment.address + segment.bytes.length + segment.zeroBytes;

/** Every segment that does not fit into the machine's RAM or covers another one. */
export function checkSegments(file: string, segments: readonly NamedSegment[], memoryBytes: number): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const usable = memoryMap(memoryBytes).filter((range) => range.kind === 'usable');
  for (const segment of segments) {
    const end = segmentEnd(segment);
    if (usable.some(({ base, bytes }) => segment.address >= base && end <= base + bytes)) continue;
    const where = `${file}: ${segment.title} occupies ${hex(segment.address)} to ${hex(end - 1)}`;
    const beyond = end > memoryBytes;
    diagnostics.push(
      beyond
        ? fileError(
            file,
            'segment-beyond-memory',
            `${where}, but the guest has ${memoryBytes / MIB} MiB of memory; set "memory" to at least ${Math.ceil(end / MIB)}M or link the program lower.`,
          )
        : fileError(
            file,
            'segment-outside-ram',
            `${where}, where a PC has no RAM (firmware data from 9FC00h, video memory and firmware up to FFFFFh); link the program at 100000h or above.`,
          ),
    );
  }
  const sorted = [...segments].sort((a, b) => a.address - b.address);
  sorted.forEach((segment, index) => {
    const next = sorted[index + 1];
    if (next === undefined || segmentEnd(segment) <= next.address) return;
    diagnostics.push(
      fileError(
        file,
        'segments-overlap',
        `${file}: ${segment.title} (${hex(segment.address)} to ${hex(segmentEnd(segment) - 1)}) and ${next.title} (from ${hex(next.address)}) overlap; give them separate addresses in the linker script.`,
      ),
    );
  });
  return diagnostics;
}
