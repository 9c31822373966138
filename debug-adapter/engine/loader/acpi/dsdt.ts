/** The differentiated definition block: processors, the PCI root with its interrupts, devices of the ISA bus, soft off. */
import { PIRQ_INTERRUPTS, SLEEP_TYPE_S5 } from '../../base/wiring.ts';
import { HPET_ADDRESS, IO_APIC_ADDRESS, LOW_RAM_LIMIT } from '../../base/memory-map.ts';
import {
  addressSpace,
  amlDevice,
  amlEisaId,
  amlInteger,
  amlNamed,
  amlPackage,
  amlResources,
  amlScope,
  amlString,
  ioResource,
  irqResource,
  memoryResource,
  type Aml,
} from './aml.ts';

/** Devices on PCI bus 0 that may have interrupts. */
const PCI_DEVICES = 8;
const ISA_BRIDGE = 1;
const HPET_BYTES = 0x400;

/** `_PRT`: pins of the devices rotate over PIRQA to PIRQD, beginning with device 1. */
function routingTable(): Aml {
  const rows: Aml[] = [];
  for (let device = 1; device < PCI_DEVICES; device++)
    for (let pin = 0; pin < 4; pin++) {
      const interrupt = PIRQ_INTERRUPTS[(pin + device - 1) & 3] ?? 0;
      rows.push(amlPackage([device * 0x1_0000 + 0xffff, pin, 0, interrupt].map(amlInteger)));
    }
  return amlPackage(rows);
}

const isaDevice = (name: string, id: string, ...resources: readonly Aml[]): Aml =>
  amlDevice(name, amlNamed('_HID', amlEisaId(id)), amlNamed('_CRS', amlResources(...resources)));

/** The terms, without the table's header. */
export function definitionBlock(processors: number): Aml {
  const pciRoot = amlDevice(
    'PCI0',
    amlNamed('_HID', amlEisaId('PNP0A03')),
    amlNamed('_UID', amlInteger(0)),
    amlNamed('_BBN', amlInteger(0)),
    amlNamed(
      '_CRS',
      amlResources(
        addressSpace('bus', 0, 0xff),
        ioResource(0xcf8, 8),
        addressSpace('io', 0x0000, 0x0cf7),
        addressSpace('io', 0x0d00, 0xffff),
        addressSpace('memory', 0xa_0000, 0xb_ffff),
        addressSpace('memory', LOW_RAM_LIMIT, IO_APIC_ADDRESS - 1),
      ),
    ),
    amlNamed('_PRT', routingTable()),
    amlDevice(
      'ISA',
      amlNamed('_ADR', amlInteger(ISA_BRIDGE * 0x1_0000)),
      isaDevice('RTC', 'PNP0B00', ioResource(0x70, 2), irqResource(8)),
      isaDevice('TIMR', 'PNP0100', ioResource(0x40, 4), irqResource(0)),
      isaDevice('KBD', 'PNP0303', ioResource(0x60, 1), ioResource(0x64, 1), irqResource(1)),
      amlDevice(
        'COM1',
        amlNamed('_HID', amlEisaId('PNP0501')),
        amlNamed('_UID', amlInteger(1)),
        amlNamed('_CRS', amlResources(ioResource(0x3f8, 8), irqResource(4))),
      ),
    ),
  );
  const hpet = amlDevice(
    'HPET',
    amlNamed('_HID', amlEisaId('PNP0103')),
    amlNamed('_UID', amlInteger(0)),
    amlNamed('_CRS', amlResources(memoryResource(HPET_ADDRESS, HPET_BYTES))),
  );
  const cores = Array.from({ length: processors }, (_, index) =>
    amlDevice(`CPU${index}`, amlNamed('_HID', amlString('ACPI0007')), amlNamed('_UID', amlInteger(index))),
  );
  return [
    ...amlScope('\\_SB', pciRoot, hpet, ...cores),
    ...amlNamed('\\_S5', amlPackage([SLEEP_TYPE_S5, SLEEP_TYPE_S5, 0, 0].map(amlInteger))),
  ];
}
