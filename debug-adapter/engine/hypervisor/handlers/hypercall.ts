/**
 * VMCALL: the hypervisor's interface for its guest. RAX holds the number of the call and takes its result; what is not
 * listed answers -1.
 */
import { step, type ExitHandler } from '../steps.ts';
import { advanceAndResume } from './common.ts';

const RAX = 0;
const RDI = 7;

const HYPERCALLS = {
  /** Result: version of this interface. */
  version: 0,
  /** Prints the character in DIL on the console. Result 0. */
  putCharacter: 1,
} as const;
const HYPERCALL_VERSION = 1;
const UNKNOWN = -1;

const READ_NUMBER = step(
  'read the call number',
  'The guest has the number of the call in RAX and its argument in RDI.',
);
const SERVE = step('serve the call', 'Do what the guest asked for.', { memory: ['console'] });
const WRITE_RESULT = step('write RAX', 'Give the guest the result; -1 for a call that does not exist.', {
  registers: ['RAX'],
});

export const handleVmcall: ExitHandler = function* (hypervisor) {
  const { guest, print, cpu } = hypervisor;
  yield READ_NUMBER;
  const wide = guest.code64;
  const number = wide ? cpu.state.gpr(RAX) : BigInt(cpu.state.gpr32(RAX));
  yield SERVE;
  let result = UNKNOWN;
  if (number === BigInt(HYPERCALLS.version)) result = HYPERCALL_VERSION;
  else if (number === BigInt(HYPERCALLS.putCharacter)) {
    print(cpu.state.gpr32(RDI) & 0xff);
    result = 0;
  }
  yield WRITE_RESULT;
  if (wide) guest.setGeneral(RAX, BigInt.asUintN(64, BigInt(result)));
  else guest.setGeneral32(RAX, result);
  yield* advanceAndResume(hypervisor);
};
