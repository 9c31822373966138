/** Where the board has its IDE controller: both channels at the ports of a PC AT, the bus master where PCI software puts it. */
import type { PortBus } from '../devices/bus.ts';
import { BUS_MASTER_BAR, ideDecodes, ideTimingHigh, PIIX3 } from '../devices/chip-set.ts';
import type { InterruptLine, TimedDevice } from '../devices/device.ts';
import { BusMasterIde, type DmaMemory } from '../devices/ide/bus-master.ts';
import { IdeChannel } from '../devices/ide/channel.ts';
import type { CopyOnWriteDisk } from '../devices/ide/disk.ts';
import type { PciBus } from '../devices/pci.ts';

const PRIMARY = { name: 'primary IDE channel', commandBlock: 0x1f0, control: 0x3f6, irq: 14 } as const;
const SECONDARY = { name: 'secondary IDE channel', commandBlock: 0x170, control: 0x376, irq: 15 } as const;

export interface IdeOptions {
  readonly bus: PortBus;
  readonly pci: PciBus;
  readonly memory: DmaMemory;
  /** Device 0 of the primary channel. */
  readonly disk: CopyOnWriteDisk | undefined;
  readonly irq: (number: number) => InterruptLine;
}

/** Places the controller; gives what does things as time passes, and whose ports therefore move time. */
export function placeIde({ bus, pci, memory, disk, irq }: IdeOptions): {
  readonly timed: readonly TimedDevice[];
  readonly timedPorts: readonly unknown[];
} {
  const ide = pci.functionAt(PIIX3.device, PIIX3.ide);
  const busMaster = new BusMasterIde({
    memory,
    enabled: () => ide.masterEnabled,
    started: (channel) => channels[channel]?.dmaStarted(),
  });
  const channels = ([0, 1] as const).map((index) => {
    const { name, commandBlock, control, irq: number } = index === 0 ? PRIMARY : SECONDARY;
    const channel = new IdeChannel(name, index === 0 ? disk : undefined, {
      interrupt: irq(number),
      dma: busMaster.engine(index),
    });
    const answers = (): boolean => ide.ioEnabled && ideDecodes(ide.byte(ideTimingHigh(index)));
    bus.registerMovable(channel, () => (answers() ? commandBlock : undefined));
    bus.registerMovable(channel.controlPort, () => (answers() ? control : undefined));
    return channel;
  });
  bus.registerMovable(busMaster, () => ide.ioBase(BUS_MASTER_BAR));
  return {
    timed: channels,
    timedPorts: [busMaster, ...channels.flatMap((channel) => [channel, channel.controlPort])],
  };
}
