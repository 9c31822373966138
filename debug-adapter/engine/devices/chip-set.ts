/** The PCI functions of the Intel 440FX chip set (82441FX and 82371SB data sheets, configuration registers), as firmware leaves them. */
import { PIRQ_INTERRUPTS } from '../base/wiring.ts';
import type { PciFunctionDescription } from './pci.ts';

/** The device that holds ISA bridge and IDE controller. */
export const PIIX3 = { device: 1, isaBridge: 0, ide: 1 } as const;

/** PIRQA to PIRQD of the ISA bridge: which ISA interrupt each is routed to; bit 7: none. */
const PIRQ_ROUTES = 0x60;

/** Registers 40h to 43h of the IDE function: timings of both channels; bit 15 of each makes it answer its ports. */
const IDE_TIMING = 0x40;
const IDE_DECODES = 0x80;
/** High byte of a channel's timing register. */
export const ideDecodes = (highTimingByte: number): boolean => (highTimingByte & IDE_DECODES) !== 0;
export const ideTimingHigh = (channel: 0 | 1): number => IDE_TIMING + 2 * channel + 1;

/** Base address register of the bus master's ports. */
export const BUS_MASTER_BAR = 4;
const BUS_MASTER_PORTS = { ports: 16, base: 0xc000 } as const;

export const CHIP_SET_FUNCTIONS: readonly PciFunctionDescription[] = [
  {
    device: 0,
    function: 0,
    vendorId: 0x8086,
    deviceId: 0x1237,
    revision: 2,
    classCode: 0x06_0000,
    headerType: 0,
    command: 0x0006,
    status: 0x0280,
    writable: [],
  },
  {
    device: PIIX3.device,
    function: PIIX3.isaBridge,
    vendorId: 0x8086,
    deviceId: 0x7000,
    revision: 0,
    classCode: 0x06_0100,
    headerType: 0x80,
    command: 0x0007,
    status: 0x0200,
    writable: PIRQ_INTERRUPTS.map((value, index) => ({ offset: PIRQ_ROUTES + index, mask: 0x8f, value })),
  },
  {
    device: PIIX3.device,
    function: PIIX3.ide,
    vendorId: 0x8086,
    deviceId: 0x7010,
    revision: 0,
    // Both channels at the ports of a PC AT; a bus master.
    classCode: 0x01_0180,
    headerType: 0,
    command: 0x0005,
    commandWritable: 0x05,
    status: 0x0280,
    ioBars: [{ index: BUS_MASTER_BAR, ...BUS_MASTER_PORTS }],
    writable: [0, 1, 2, 3].map((index) => ({
      offset: IDE_TIMING + index,
      mask: 0xff,
      value: index % 2 === 1 ? IDE_DECODES : 0,
    })),
  },
];
