/** Writes ACPI Machine Language (ACPI specification 6.3, "ACPI Machine Language (AML) Specification", 20): the few objects that a DSDT of ours has. */

/** Bytes of one or more terms. */
export type Aml = readonly number[];

const little = (value: number, bytes: number): Aml =>
  Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 256);

/** PkgLength counts itself: one byte up to 63, else four bits in the first byte and the rest in the following ones (20.2.4). */
function sized(body: Aml): Aml {
  if (body.length + 1 <= 0x3f) return [body.length + 1, ...body];
  for (let following = 1; following <= 3; following++) {
    const length = body.length + 1 + following;
    if (length < 2 ** (4 + 8 * following))
      return [(following << 6) | (length & 0xf), ...little(Math.floor(length / 16), following), ...body];
  }
  throw new Error('Invariant broken: an AML package is larger than its length field can say');
}

/** `\_SB`, `PCI0`, `\_SB.PCI0`: names of up to four characters, filled with underscores (20.2.2). */
export function amlName(path: string): Aml {
  const rooted = path.startsWith('\\');
  const segments = path.slice(rooted ? 1 : 0).split('.');
  const bytes = segments.flatMap((segment) => [...segment.padEnd(4, '_')].map((letter) => letter.charCodeAt(0)));
  const prefix = segments.length === 1 ? [] : segments.length === 2 ? [0x2e] : [0x2f, segments.length];
  return [...(rooted ? [0x5c] : []), ...prefix, ...bytes];
}

export function amlInteger(value: number): Aml {
  if (value === 0) return [0x00];
  if (value === 1) return [0x01];
  if (value <= 0xff) return [0x0a, value];
  if (value <= 0xffff) return [0x0b, ...little(value, 2)];
  return [0x0c, ...little(value, 4)];
}

/** `EISAID("PNP0A03")`: three letters of five bits and four hexadecimal digits, most significant byte first. */
export function amlEisaId(id: string): Aml {
  const letters = [...id.slice(0, 3)].reduce((value, letter) => value * 32 + letter.charCodeAt(0) - 0x40, 0);
  const value = letters * 0x1_0000 + parseInt(id.slice(3), 16);
  return [0x0c, ...[...little(value, 4)].reverse()];
}

export const amlNamed = (name: string, value: Aml): Aml => [0x08, ...amlName(name), ...value];
export const amlScope = (name: string, ...terms: readonly Aml[]): Aml => [
  0x10,
  ...sized([...amlName(name), ...terms.flat()]),
];
export const amlDevice = (name: string, ...terms: readonly Aml[]): Aml => [
  0x5b,
  0x82,
  ...sized([...amlName(name), ...terms.flat()]),
];
export const amlPackage = (elements: readonly Aml[]): Aml => [0x12, ...sized([elements.length, ...elements.flat()])];
const amlBuffer = (bytes: Aml): Aml => [0x11, ...sized([...amlInteger(bytes.length), ...bytes])];
export const amlString = (text: string): Aml => [0x0d, ...[...text].map((letter) => letter.charCodeAt(0)), 0];

/** A resource template: descriptors and the end tag, whose checksum 0 means that it counts as right (6.4.2.9). */
export const amlResources = (...descriptors: readonly Aml[]): Aml => amlBuffer([...descriptors.flat(), 0x79, 0x00]);

/** Ports that are not assigned by anybody (6.4.2.5). */
export const ioResource = (first: number, count: number): Aml => [
  0x47,
  0x01,
  ...little(first, 2),
  ...little(first, 2),
  0x01,
  count,
];
/** An ISA interrupt, edge triggered (6.4.2.1). */
export const irqResource = (irq: number): Aml => [0x22, ...little(1 << irq, 2)];
/** Memory at a fixed place, which can be written (6.4.3.4). */
export const memoryResource = (base: number, bytes: number): Aml => [
  0x86,
  ...little(9, 2),
  0x01,
  ...little(base, 4),
  ...little(bytes, 4),
];

const SPACE = { memory: 0, io: 1, bus: 2 } as const;
/** The bridge decodes both ends, which are fixed, and hands them on (6.4.3.5). */
const FIXED_PRODUCER = 0x0c;
const SPACE_FLAGS = { memory: 0x03, io: 0x03, bus: 0x00 } as const;

/** What a bridge hands on to the devices behind it: both ends inclusive. */
export function addressSpace(space: keyof typeof SPACE, first: number, last: number): Aml {
  const bytes = space === 'memory' ? 4 : 2;
  const fields = [0, first, last, 0, last - first + 1].flatMap((value) => little(value, bytes));
  const body = [SPACE[space], FIXED_PRODUCER, SPACE_FLAGS[space], ...fields];
  return [bytes === 4 ? 0x87 : 0x88, ...little(body.length, 2), ...body];
}
