/** FLDCW FNSTCW FNSTSW FNCLEX FFREE FINCSTP FDECSTP FNOP WAIT. */
import { CR0 } from '../../../cpu/control-bits.ts';
import { LAYOUT } from '../../../cpu/layout.ts';
import {
  BUSY,
  CONTROL_AFTER_RESET,
  CONTROL_WRITABLE,
  ERROR_SUMMARY,
  EXCEPTIONS,
  STACK_FAULT,
} from '../../../cpu/x87-state.ts';
import { RAX, type EmittedRow, type Value } from '../../builder.ts';
import { whenSet } from '../../values.ts';
import { controlWord, row } from './rows.ts';
import {
  begin,
  empty,
  endTurned,
  endWith,
  notePointers,
  placeOf,
  requireFpu,
  requireQuietFpu,
  statusWith,
} from './stack.ts';

/** The new control word may unmask an exception that is flagged: that is for the TypeScript implementation. */
const loadControl: EmittedRow['meaning'] = (b) => {
  const status = requireQuietFpu(b);
  const word = b.load(b.place(2, 'read'), 2);
  const control = b.with('or', b.with('and', word, BigInt(CONTROL_WRITABLE)), BigInt(CONTROL_AFTER_RESET));
  const flagged = b.with('and', status, BigInt(EXCEPTIONS));
  whenSet(b, b.binary('and', flagged, b.with('xor', control, -1n)), () => b.defer());
  b.setState(LAYOUT.x87Control, 4, control);
};

const storeWord =
  (word: (b: Parameters<EmittedRow['meaning']>[0]) => Value): EmittedRow['meaning'] =>
  (b, [target]) => {
    requireFpu(b);
    if (target.kind !== 'memory') return b.setRegister(RAX, 2, word(b));
    const at = b.place(2, 'write');
    b.store(at, 2, word(b));
    b.commit(at);
  };

const clearExceptions: EmittedRow['meaning'] = (b) => {
  requireFpu(b);
  const cleared = EXCEPTIONS | STACK_FAULT | ERROR_SUMMARY | BUSY;
  endWith(b, b.with('and', b.state(LAYOUT.x87Status, 4), BigInt(~cleared)));
};

const free: EmittedRow['meaning'] = (b, [register]) => {
  const fpu = begin(b);
  empty(fpu, placeOf(fpu, b.registerNumber(register), 'value'));
  endWith(b, statusWith(fpu));
  notePointers(b, 'none');
};
const rotate =
  (by: 1n | -1n): EmittedRow['meaning'] =>
  (b) => {
    endTurned(b, statusWith(begin(b)), by);
    notePointers(b, 'none');
  };
const nop: EmittedRow['meaning'] = (b) => {
  requireQuietFpu(b);
  notePointers(b, 'none');
};

/** CR0.EM does not matter, CR0.TS only together with CR0.MP. */
const wait: EmittedRow['meaning'] = (b) => {
  const both = BigInt(CR0.MP | CR0.TS);
  const forbidden = b.compare('eq', b.with('and', b.state(LAYOUT.cr0, 4), both), b.constant(both));
  b.if(forbidden, () => b.defer());
  whenSet(b, b.with('and', b.state(LAYOUT.x87Status, 4), BigInt(ERROR_SUMMARY)), () => b.defer());
};

const FNSTSW = 'FSTSW/FNSTSW—Store x87 FPU Status Word';

export const CONTROL_ROWS: readonly EmittedRow[] = [
  row('fldcw', ['Fldcw_m2byte'], ['memory'], 2, 'FLDCW—Load x87 FPU Control Word', loadControl),
  row('fnstcw', ['Fnstcw_m2byte'], ['memory'], 2, 'FSTCW/FNSTCW—Store x87 FPU Control Word', storeWord(controlWord)),
  row(
    'fnstsw',
    ['Fnstsw_m2byte'],
    ['memory'],
    2,
    FNSTSW,
    storeWord((b) => b.state(LAYOUT.x87Status, 4)),
  ),
  row(
    'fnstsw',
    ['Fnstsw_AX'],
    ['register'],
    2,
    FNSTSW,
    storeWord((b) => b.state(LAYOUT.x87Status, 4)),
  ),
  row('fnclex', ['Fnclex'], [], 8, 'FCLEX/FNCLEX—Clear Exceptions', clearExceptions),
  row('ffree', ['Ffree_sti'], ['register'], 8, 'FFREE—Free Floating-Point Register', free),
  row('fincstp', ['Fincstp'], [], 8, 'FINCSTP—Increment Stack-Top Pointer', rotate(1n)),
  row('fdecstp', ['Fdecstp'], [], 8, 'FDECSTP—Decrement Stack-Top Pointer', rotate(-1n)),
  row('fnop', ['Fnop'], [], 8, 'FNOP—No Operation', nop),
  row('wait', ['Wait'], [], 8, 'WAIT/FWAIT—Wait', wait),
];
