/**
 * `npx tsx scripts/draw-icon.ts`: draws the extension's icon, `media/icon.png`.
 *
 * Two frames, one inside the other, are a machine and the machine it runs; the arrow is the step from one into the other.
 */
import { writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import { fromRoot } from './lib/root.ts';

const SIZE = 256;
/** Sub-samples per pixel side: the edges are smooth. */
const SAMPLES = 4;

type Colour = readonly [red: number, green: number, blue: number];
/** Signed distance to a shape's edge in pixels, negative inside. */
type Shape = (x: number, y: number) => number;

const roundedBox =
  (centerX: number, centerY: number, half: number, radius: number): Shape =>
  (x, y) => {
    const dx = Math.abs(x - centerX) - half + radius;
    const dy = Math.abs(y - centerY) - half + radius;
    return Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius;
  };

const frame =
  (shape: Shape, thickness: number): Shape =>
  (x, y) =>
    Math.abs(shape(x, y)) - thickness / 2;

const line =
  (fromX: number, fromY: number, toX: number, toY: number, thickness: number): Shape =>
  (x, y) => {
    const [lengthX, lengthY] = [toX - fromX, toY - fromY];
    const along = ((x - fromX) * lengthX + (y - fromY) * lengthY) / (lengthX ** 2 + lengthY ** 2);
    const t = Math.min(1, Math.max(0, along));
    return Math.hypot(x - fromX - t * lengthX, y - fromY - t * lengthY) - thickness / 2;
  };

const either =
  (...shapes: readonly Shape[]): Shape =>
  (x, y) =>
    Math.min(...shapes.map((shape) => shape(x, y)));

const grown =
  (shape: Shape, by: number): Shape =>
  (x, y) =>
    shape(x, y) - by;

const BACKGROUND: Colour = [16, 35, 61];
const MACHINE: Colour = [86, 156, 214];
const GUEST: Colour = [126, 231, 135];
const GUEST_INSIDE: Colour = [24, 58, 74];
const STEP: Colour = [255, 200, 87];

const tile = roundedBox(128, 128, 128, 52);
const machine = frame(roundedBox(128, 128, 92, 26), 14);
const guestBox = roundedBox(150, 150, 50, 16);
const arrow = either(line(40, 40, 142, 142, 16), line(142, 142, 142, 100, 16), line(142, 142, 100, 142, 16));

/** Painted in order. */
const LAYERS: readonly (readonly [Shape, Colour])[] = [
  [tile, BACKGROUND],
  [machine, MACHINE],
  [guestBox, GUEST_INSIDE],
  [frame(guestBox, 12), GUEST],
  [grown(arrow, 8), BACKGROUND],
  [arrow, STEP],
];

function pixel(column: number, row: number): readonly [...Colour, alpha: number] {
  const sum = [0, 0, 0];
  let covered = 0;
  for (let sample = 0; sample < SAMPLES ** 2; sample++) {
    const x = column + ((sample % SAMPLES) + 0.5) / SAMPLES;
    const y = row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES;
    if (tile(x, y) > 0) continue;
    covered++;
    const colour = LAYERS.filter(([shape]) => shape(x, y) <= 0).at(-1)?.[1] ?? BACKGROUND;
    colour.forEach((part, index) => (sum[index]! += part));
  }
  const [red = 0, green = 0, blue = 0] = sum.map((part) => Math.round(part / Math.max(1, covered)));
  return [red, green, blue, Math.round((255 * covered) / SAMPLES ** 2)];
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body) >>> 0);
  return Buffer.concat([length, body, check]);
}

function png(): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIZE, 0);
  header.writeUInt32BE(SIZE, 4);
  // 8 bits per channel, red green blue alpha.
  header.set([8, 6, 0, 0, 0], 8);
  const rows = Buffer.alloc(SIZE * (1 + 4 * SIZE));
  for (let row = 0; row < SIZE; row++)
    for (let column = 0; column < SIZE; column++) rows.set(pixel(column, row), row * (1 + 4 * SIZE) + 1 + 4 * column);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

writeFileSync(fromRoot('media', 'icon.png'), png());
console.log('drew media/icon.png');
