/** SYSCALL, SYSRET, SYSENTER and SYSEXIT in 64-bit mode, to and from 64-bit code. */
import { EFER } from '../../../cpu/control-bits.ts';
import { IF, TF, VIF, VIP } from '../../../cpu/flags.ts';
import { LAYOUT } from '../../../cpu/layout.ts';
import { RCX, RDX, RSP, type Builder, type EmittedRow, type Value } from '../../builder.ts';
import { FLAT_RIGHTS, SYSRET_FLAGS } from '../fast-calls.ts';
import { flagsWord, opensInterrupts, setFlagsWord, setSystemFlags, systemFlags } from './flags-word.ts';
import {
  cplOf,
  deferIf,
  deferUnlessCanonical,
  deferUnlessEqual,
  isSet,
  no,
  requireQuiet64,
  setCpl,
  setFlat,
} from './machine-state.ts';

const R11 = 11;
const USER = 3n;

function requireSyscall(b: Builder): void {
  requireQuiet64(b);
  deferIf(b, b.isZero(b.with('and', b.state(LAYOUT.efer, 4), BigInt(EFER.SCE))));
}
const enterKernel = (b: Builder, selector: Value): void => {
  setFlat(b, 'CS', selector, FLAT_RIGHTS.code64);
  setFlat(b, 'SS', b.with('add', selector, 8n), FLAT_RIGHTS.data);
  setCpl(b, b.constant(0n));
};
const enterUser = (b: Builder, code: Value, stack: Value): void => {
  setFlat(b, 'CS', b.with('or', code, USER), FLAT_RIGHTS.userCode64);
  setFlat(b, 'SS', b.with('or', stack, USER), FLAT_RIGHTS.userData);
  setCpl(b, b.constant(USER));
};

const syscall: EmittedRow['meaning'] = (b) => {
  requireSyscall(b);
  const flags = flagsWord(b);
  const mask = b.with('xor', b.state(LAYOUT.fmask, 4), -1n);
  const target = b.state(LAYOUT.lstar, 8);
  const selector = b.with('and', b.with('shr_u', b.state(LAYOUT.star, 8), 32n), 0xfffcn);
  b.setRegister(RCX, 8, b.nextRip(8));
  b.setRegister(R11, 8, flags);
  setFlagsWord(b, b.binary('and', flags, mask));
  enterKernel(b, selector);
  b.enter(target, no(b));
};

const sysret: EmittedRow['meaning'] = (b) => {
  requireSyscall(b);
  deferIf(b, isSet(b, cplOf(b)));
  const target = b.register(RCX, 8);
  deferUnlessCanonical(b, target);
  const flags = b.with('and', b.register(R11, 8), BigInt(SYSRET_FLAGS));
  deferIf(b, isSet(b, b.with('and', flags, BigInt(TF | VIF | VIP))));
  const before = systemFlags(b);
  const selector = b.with('shr_u', b.state(LAYOUT.star, 8), 48n);
  setFlagsWord(b, flags);
  enterUser(b, b.with('add', selector, 16n), b.with('add', selector, 8n));
  b.enter(target, opensInterrupts(b, before, flags));
};

function sysenterSelector(b: Builder): Value {
  requireQuiet64(b);
  const selector = b.with('and', b.state(LAYOUT.sysenterCs, 4), 0xfffcn);
  deferIf(b, b.isZero(selector));
  return selector;
}
const sysenter: EmittedRow['meaning'] = (b) => {
  const selector = sysenterSelector(b);
  setSystemFlags(b, b.with('and', systemFlags(b), BigInt(~IF)));
  enterKernel(b, selector);
  b.setRegister(RSP, 8, b.state(LAYOUT.sysenterEsp, 8));
  b.enter(b.state(LAYOUT.sysenterEip, 8), no(b));
};
const sysexit: EmittedRow['meaning'] = (b) => {
  const selector = sysenterSelector(b);
  deferUnlessEqual(b, cplOf(b), 0n);
  const [rip, rsp] = [b.register(RDX, 8), b.register(RCX, 8)];
  deferUnlessCanonical(b, rip);
  deferUnlessCanonical(b, rsp);
  const code = b.with('add', selector, 32n);
  enterUser(b, code, b.with('add', code, 8n));
  b.setRegister(RSP, 8, rsp);
  b.enter(rip, no(b));
};

const row = (name: string, code: string, sdm: string, meaning: EmittedRow['meaning']): EmittedRow => ({
  name,
  codes: [code],
  bytes: 8,
  shapes: [[]],
  sdm: `Vol. 2B, "${sdm}"`,
  meaning,
});

export const FAST_CALL_ROWS: readonly EmittedRow[] = [
  row('syscall', 'Syscall', 'SYSCALL—Fast System Call', syscall),
  row('sysret', 'Sysretq', 'SYSRET—Return From Fast System Call', sysret),
  row('sysenter', 'Sysenter', 'SYSENTER—Fast System Call', sysenter),
  row('sysexit', 'Sysexitq', 'SYSEXIT—Fast Return from Fast System Call', sysexit),
];
