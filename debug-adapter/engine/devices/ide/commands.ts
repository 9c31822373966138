/** The commands of an ATA disk by their codes (ATA/ATAPI-6, "Command descriptions", 8). What is not here is aborted. */

export type AtaCommand =
  | {
      readonly title: string;
      readonly action: 'read' | 'write';
      /** One sector at each DRQ, as many as SET MULTIPLE MODE says, or by bus mastering. */
      readonly by: 'sector' | 'block' | 'dma';
      /** 48-bit address. */
      readonly extended: boolean;
    }
  | { readonly title: string; readonly action: 'verify' | 'native-maximum'; readonly extended: boolean }
  | {
      readonly title: string;
      readonly action:
        'identify' | 'succeed' | 'diagnose' | 'set-geometry' | 'set-multiple' | 'set-features' | 'power-mode';
    };

const succeed = (title: string): AtaCommand => ({ title, action: 'succeed' });
const transfer = (
  title: string,
  action: 'read' | 'write',
  by: 'sector' | 'block' | 'dma',
  extended = false,
): AtaCommand => ({ title: extended ? `${title} EXT` : title, action, by, extended });

/** 10h to 1Fh are all RECALIBRATE on old disks, and 7xh SEEK. */
const sixteen = (first: number, command: AtaCommand): Record<number, AtaCommand> =>
  Object.fromEntries(Array.from({ length: 16 }, (_, index) => [first + index, command]));

export const ATA_COMMANDS: Readonly<Record<number, AtaCommand>> = {
  ...sixteen(0x10, succeed('RECALIBRATE')),
  0x20: transfer('READ SECTORS', 'read', 'sector'),
  0x21: transfer('READ SECTORS without retries', 'read', 'sector'),
  0x24: transfer('READ SECTORS', 'read', 'sector', true),
  0x25: transfer('READ DMA', 'read', 'dma', true),
  0x27: { title: 'READ NATIVE MAX ADDRESS EXT', action: 'native-maximum', extended: true },
  0x29: transfer('READ MULTIPLE', 'read', 'block', true),
  0x30: transfer('WRITE SECTORS', 'write', 'sector'),
  0x31: transfer('WRITE SECTORS without retries', 'write', 'sector'),
  0x34: transfer('WRITE SECTORS', 'write', 'sector', true),
  0x35: transfer('WRITE DMA', 'write', 'dma', true),
  0x39: transfer('WRITE MULTIPLE', 'write', 'block', true),
  0x40: { title: 'READ VERIFY SECTORS', action: 'verify', extended: false },
  0x41: { title: 'READ VERIFY SECTORS without retries', action: 'verify', extended: false },
  0x42: { title: 'READ VERIFY SECTORS EXT', action: 'verify', extended: true },
  ...sixteen(0x70, succeed('SEEK')),
  0x90: { title: 'EXECUTE DEVICE DIAGNOSTIC', action: 'diagnose' },
  0x91: { title: 'INITIALIZE DEVICE PARAMETERS', action: 'set-geometry' },
  0xc4: transfer('READ MULTIPLE', 'read', 'block'),
  0xc5: transfer('WRITE MULTIPLE', 'write', 'block'),
  0xc6: { title: 'SET MULTIPLE MODE', action: 'set-multiple' },
  0xc8: transfer('READ DMA', 'read', 'dma'),
  0xc9: transfer('READ DMA without retries', 'read', 'dma'),
  0xca: transfer('WRITE DMA', 'write', 'dma'),
  0xcb: transfer('WRITE DMA without retries', 'write', 'dma'),
  0xe0: succeed('STANDBY IMMEDIATE'),
  0xe1: succeed('IDLE IMMEDIATE'),
  0xe2: succeed('STANDBY'),
  0xe3: succeed('IDLE'),
  0xe5: { title: 'CHECK POWER MODE', action: 'power-mode' },
  0xe7: succeed('FLUSH CACHE'),
  0xea: succeed('FLUSH CACHE EXT'),
  0xec: { title: 'IDENTIFY DEVICE', action: 'identify' },
  0xef: { title: 'SET FEATURES', action: 'set-features' },
  0xf8: { title: 'READ NATIVE MAX ADDRESS', action: 'native-maximum', extended: false },
};
