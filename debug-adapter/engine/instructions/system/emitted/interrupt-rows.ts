/** INT n through a gate of the IDT and IRET, both from 64-bit code to 64-bit code. */
import { ARITHMETIC_FLAGS, AC, DF, ID, IF, IOPL, IOPL_BIT, NT, RF, TF, VIF, VIP, VM } from '../../../cpu/flags.ts';
import { LAYOUT } from '../../../cpu/layout.ts';
import { RSP, type Builder, type EmittedRow, type Value } from '../../builder.ts';
import { flagsWord, opensInterrupts, setFlagsWord, setSystemFlags, systemFlags } from './flags-word.ts';
import {
  cplOf,
  deferIf,
  deferInNonRoot,
  deferUnlessCanonical,
  deferUnlessEqual,
  dplOf,
  dropPrivilegedSegments,
  isSet,
  no,
  readDescriptor,
  requireCode64,
  requireQuiet64,
  requireStack,
  rplOf,
  segmentBase,
  segmentLimit,
  selectorOf,
  setCpl,
  setFromDescriptor,
  setNull,
} from './machine-state.ts';
import { variable } from '../../values.ts';

const GATE_BYTES = 16n;
/** RIP, CS, RFLAGS, RSP and SS. */
const FRAME_BYTES = 40;
/** Offset of RSP0 in a 64-bit TSS (SDM Vol. 3A, figure 7-11). */
const TSS_RSP0 = 4n;
/** S and the upper three bits of the type of a gate's 8 bytes: interrupt and trap gates; P; IST. */
const GATE_KIND = 0x1en << 40n;
const GATE = 0xen << 40n;
const TRAP_GATE = 1n << 40n;
const PRESENT = 1n << 47n;
const IST = 7n << 32n;

interface Gate {
  readonly low: Value;
  readonly offset: Value;
}
function readGate(b: Builder, vector: Value): Gate {
  const at = b.with('mul', vector, GATE_BYTES);
  deferIf(b, b.compare('gt_u', b.with('add', at, GATE_BYTES - 1n), b.state(LAYOUT.idtrLimit, 4)));
  const place = b.placeAt(b.binary('add', b.state(LAYOUT.idtrBase, 8), at), Number(GATE_BYTES), 'read', 'system');
  const low = b.load(place, 8);
  deferUnlessEqual(b, b.with('and', low, GATE_KIND | PRESENT | IST), GATE | PRESENT);
  deferIf(b, b.compare('lt_u', dplOf(b, low), cplOf(b)));
  const upper = b.with('shl', b.load(place, 4, 8), 32n);
  const middle = b.with('and', b.with('shr_u', low, 32n), 0xffff_0000n);
  const offset = b.binary('or', b.binary('or', upper, middle), b.with('and', low, 0xffffn));
  deferUnlessCanonical(b, offset);
  return { low, offset };
}

/** The stack of the handler: from the TSS where the privilege rises, else the current one, aligned. */
function handlerStack(b: Builder, cpl: Value, inner: Value): Value {
  const pointer = variable(b, b.register(RSP, 8));
  b.if(isSet(b, inner), () => {
    const at = b.with('add', b.with('shl', cpl, 3n), TSS_RSP0);
    deferIf(b, b.compare('gt_u', b.with('add', at, 7n), segmentLimit(b, 'TR')));
    b.assign(pointer, b.load(b.placeAt(b.binary('add', segmentBase(b, 'TR'), at), 8, 'read', 'system'), 8));
    deferUnlessCanonical(b, pointer);
  });
  return b.with('sub', b.with('and', pointer, ~15n), BigInt(FRAME_BYTES));
}

/** In VMX non-root operation the event that is being delivered is noted: that is for the TypeScript implementation. */
const interrupt: EmittedRow['meaning'] = (b, [vector]) => {
  requireQuiet64(b);
  deferInNonRoot(b);
  const gate = readGate(b, b.read(vector));
  const gateSelector = b.with('and', b.with('shr_u', gate.low, 16n), 0xffffn);
  const code = readDescriptor(b, gateSelector);
  requireCode64(b, code);
  const before = cplOf(b);
  const cpl = dplOf(b, code);
  deferIf(b, b.compare('gt_u', cpl, before));
  const inner = b.asValue(b.compare('lt_u', cpl, before));
  // A stack that stays is written as one of CPL 0, so it must be one that AC does not matter for.
  const kind = b.with('and', b.state(LAYOUT.tlbTag, 4), 3n);
  b.if(b.isZero(inner), () => deferIf(b, isSet(b, kind)));
  const frame = handlerStack(b, cpl, inner);
  const place = b.placeAt(frame, FRAME_BYTES, 'write', 'system');
  const flags = flagsWord(b);
  [b.nextRip(8), selectorOf(b, 'CS'), flags, b.register(RSP, 8), selectorOf(b, 'SS')].forEach((value, i) =>
    b.store(place, 8, value, 8 * i),
  );
  b.if(isSet(b, inner), () => setNull(b, 'SS', cpl, cpl));
  b.setRegister(RSP, 8, frame);
  setFromDescriptor(b, 'CS', b.binary('or', b.with('and', gateSelector, 0xfffcn), cpl), code);
  const masked = b.select(b.isZero(b.with('and', gate.low, TRAP_GATE)), b.constant(BigInt(~IF)), b.constant(-1n));
  setSystemFlags(b, b.binary('and', systemFlags(b), masked));
  setCpl(b, cpl);
  b.enter(gate.offset, no(b));
};

/** Flags that IRET of 64 bits may change at a privilege. */
function writableFlags(b: Builder, cpl: Value): Value {
  const always = b.constant(BigInt(ARITHMETIC_FLAGS | TF | DF | NT | RF | AC | ID));
  const iopl = b.with('and', b.with('shr_u', systemFlags(b), BigInt(IOPL_BIT)), 3n);
  const withIf = b.select(b.compare('le_u', cpl, iopl), b.constant(BigInt(IF)), b.constant(0n));
  const privileged = b.select(b.isZero(cpl), b.constant(BigInt(IOPL | VIF | VIP)), b.constant(0n));
  return b.binary('or', always, b.binary('or', withIf, privileged));
}

const iret: EmittedRow['meaning'] = (b) => {
  requireQuiet64(b);
  const place = b.placeAt(b.register(RSP, 8), FRAME_BYTES, 'read', 'current');
  const [offset, selectorQuad, wanted, pointer, stackQuad] = [0, 8, 16, 24, 32].map((at) => b.load(place, 8, at));
  deferIf(b, isSet(b, b.with('and', wanted, BigInt(TF | NT | RF | VM | VIF | VIP))));
  deferUnlessCanonical(b, offset);
  const selector = b.truncate(selectorQuad, 2);
  const code = readDescriptor(b, selector);
  requireCode64(b, code);
  const before = cplOf(b);
  const cpl = rplOf(b, selector);
  deferIf(b, b.compare('lt_u', cpl, before));
  deferIf(b, b.compare('ne', dplOf(b, code), cpl));
  const stackSelector = b.truncate(stackQuad, 2);
  deferIf(b, b.compare('ne', rplOf(b, stackSelector), cpl));
  // 64-bit code below CPL 3 may run without a stack segment.
  const stack = b.constant(0n);
  const isNull = b.isZero(b.with('and', stackSelector, 0xfffcn));
  b.if(
    isNull,
    () => deferIf(b, b.compare('eq', cpl, b.constant(3n))),
    () => {
      b.assign(stack, readDescriptor(b, stackSelector));
      requireStack(b, stack);
      deferIf(b, b.compare('ne', dplOf(b, stack), cpl));
    },
  );
  const mask = writableFlags(b, before);
  const old = flagsWord(b);
  const flags = b.binary('or', b.binary('and', old, b.with('xor', mask, -1n)), b.binary('and', wanted, mask));
  setFromDescriptor(b, 'CS', selector, code);
  b.if(
    isNull,
    () => setNull(b, 'SS', stackSelector, cpl),
    () => setFromDescriptor(b, 'SS', stackSelector, stack),
  );
  b.setRegister(RSP, 8, pointer);
  b.if(b.compare('ne', cpl, before), () => dropPrivilegedSegments(b, cpl));
  setFlagsWord(b, flags);
  setCpl(b, cpl);
  b.enter(offset, opensInterrupts(b, old, flags));
};

export const INTERRUPT_ROWS: readonly EmittedRow[] = [
  {
    name: 'int',
    codes: ['Int_imm8'],
    bytes: 1,
    shapes: [['immediate']],
    sdm: 'Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"',
    meaning: interrupt,
  },
  {
    name: 'iret',
    codes: ['Iretq'],
    bytes: 8,
    shapes: [[]],
    sdm: 'Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return"',
    meaning: iret,
  },
];
