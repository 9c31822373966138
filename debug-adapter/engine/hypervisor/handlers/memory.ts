/** EPT violations and misconfigurations: memory of the guest is mapped when it is first touched. */
import { MachineStop } from '../../cpu/guest-fault.ts';
import { controlMask } from '../../vmx/controls.ts';
import type { HypervisorContext } from '../context.ts';
import { EPT_RIGHTS } from '../ept-tables.ts';
import { gpaText } from '../guest-memory.ts';
import { step, TOUCHED_MEMORY, type ExitHandler, type Handler } from '../steps.ts';
import { resumeGuest, retryAndResume } from './common.ts';

/** Bits 2:0 of the qualification of an EPT violation. */
const WRITE = 2;
const EXECUTE = 4;
const MONITOR_TRAP_FLAG = controlMask('monitorTrapFlag');

const LOOK_UP = step(
  'find the guest-physical address',
  'Look up what the guest has at the address: RAM, ROM or nothing.',
);
const MAP = step('map the page', 'Write EPT entries for the page, and tables that are missing on the way to it.', {
  memory: [TOUCHED_MEMORY.ept],
});
const OPEN_ROM = step(
  'open the ROM page',
  'Let this one store through: the ROM behind it keeps its contents, as on the bus. The monitor trap flag brings the exit back.',
  { vmcs: ['PROC1_CONTROLS'], memory: [TOUCHED_MEMORY.ept] },
);
const CLOSE_ROM = step('close the ROM page', 'Take the right to write away again and drop cached translations.', {
  vmcs: ['PROC1_CONTROLS'],
  memory: [TOUCHED_MEMORY.ept],
});

export const handleEptViolation: ExitHandler = function* (hypervisor, exit) {
  const { memory, map } = hypervisor;
  yield LOOK_UP;
  const guestPhysical = Number(exit.guestPhysical);
  const access = Number(exit.qualification) & 7;
  const kind = map.kindOf(guestPhysical);
  if (kind === undefined)
    throw new MachineStop('an access outside memory', { address: guestPhysical, access: accessName(access) });
  if (kind === 'rom' && (access & WRITE) !== 0) {
    yield* letStoreThrough(hypervisor, guestPhysical);
    return;
  }
  yield MAP;
  if (memory.mapPage(guestPhysical) !== 'mapped')
    throw new MachineStop(
      `EPT violation at ${gpaText(guestPhysical)}, which the EPT tables allow: they were changed from outside`,
    );
  yield* retryAndResume(hypervisor);
};

const accessName = (access: number): 'fetch' | 'read' | 'write' =>
  (access & EXECUTE) !== 0 ? 'fetch' : (access & WRITE) !== 0 ? 'write' : 'read';

function* letStoreThrough(hypervisor: HypervisorContext, guestPhysical: number): Handler {
  const { guest, ept, memory } = hypervisor;
  yield OPEN_ROM;
  memory.mapPage(guestPhysical);
  ept.setRights(guestPhysical, EPT_RIGHTS.all);
  hypervisor.openRomPages.add(guestPhysical);
  guest.writeLow('PROC1_CONTROLS', guest.low('PROC1_CONTROLS') | MONITOR_TRAP_FLAG);
  yield* retryAndResume(hypervisor);
}

/** The instruction that stored into ROM has completed. */
export const handleMonitorTrapFlag: ExitHandler = function* (hypervisor) {
  const { guest, ept, vmx } = hypervisor;
  yield CLOSE_ROM;
  guest.writeLow('PROC1_CONTROLS', guest.low('PROC1_CONTROLS') & ~MONITOR_TRAP_FLAG);
  for (const page of hypervisor.openRomPages) ept.setRights(page, EPT_RIGHTS.read | EPT_RIGHTS.execute);
  hypervisor.openRomPages.clear();
  vmx.inveptSingle(ept.pointer);
  yield* resumeGuest(hypervisor);
};

export const handleEptMisconfiguration: ExitHandler = function* (_hypervisor, exit) {
  yield LOOK_UP;
  throw new MachineStop(
    `EPT misconfiguration at ${gpaText(Number(exit.guestPhysical))}: an EPT entry holds reserved bits`,
  );
};
