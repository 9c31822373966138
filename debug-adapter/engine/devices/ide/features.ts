/** What SET FEATURES takes (ATA/ATAPI-6, "SET FEATURES", 8.46). */

export const SET_TRANSFER_MODE = 0x03;
/** Transfer modes from here on are for DMA: 20h and the mode for multiword, 40h and the mode for Ultra DMA. */
export const FIRST_DMA_MODE = 0x20;
/** Write cache on and off, look-ahead on and off, settings kept or lost by a software reset: nothing that shows here. */
const WITHOUT_EFFECT: readonly number[] = [0x02, 0x82, 0xaa, 0x55, 0x66, 0xcc];
/** By bits 7:3 of the value: the highest mode in bits 2:0. PIO without and with flow control, multiword and Ultra DMA. */
const HIGHEST_MODE: Readonly<Record<number, number>> = { 0x00: 1, 0x08: 4, 0x20: 2, 0x40: 5 };

export function acceptsFeature(feature: number, value: number): boolean {
  if (feature !== SET_TRANSFER_MODE) return WITHOUT_EFFECT.includes(feature);
  return (value & 7) <= (HIGHEST_MODE[value & 0xf8] ?? -1);
}
