/** Exits with bit 31 of the reason set: the VM entry failed after the host state was judged good. */
import { ENTRY_FAILED, step, type ExitHandler } from '../steps.ts';
import { resumeGuest } from './common.ts';

const REPORT = step(
  'report the failed entry',
  'The processor refused the guest state; the checks that failed name the fields.',
);

/** Stops once; whoever goes on has perhaps corrected the VMCS, so the entry is tried again. */
export const handleEntryFailure: ExitHandler = function* (hypervisor) {
  yield REPORT;
  yield ENTRY_FAILED;
  yield* resumeGuest(hypervisor);
};
