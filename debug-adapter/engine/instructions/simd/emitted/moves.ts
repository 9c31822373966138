/** Moves: the emitted counterparts of ../moves.ts. */
import { bytesFrom, ofLast, overLow, zeroLanes } from './lanes.ts';
import type { EmittedMeaning, EmittedMeanings } from './vector-builder.ts';

const whole: EmittedMeaning = ofLast((_b, c) => c);

/** MOVD and MOVQ, in every direction. */
const scalar =
  (bytes: 4 | 8): EmittedMeaning =>
  (b) => {
    const { operands } = b.form;
    if (operands[0].kind === 'general')
      b.writeValue(b.laneOf(bytes === 4 ? 'i32x4_extract_lane' : 'i64x2_extract_lane', b.last(0), 0));
    else if (operands.at(-1)!.kind === 'general')
      b.writeLanes(b.withLane('i64x2_replace_lane', zeroLanes(b), 0, b.lastValue()));
    else b.writeLanes(b.fromMemory ? b.last(0) : overLow(b, bytes, zeroLanes(b), b.last(0)));
  };
/** MOVSS and MOVSD: between registers they replace the low lane, from memory they clear the rest. */
const low =
  (bytes: 4 | 8): EmittedMeaning =>
  (b) => {
    b.writeLanes(b.fromMemory ? b.last(0) : overLow(b, bytes, b.first(0), b.last(0)));
  };
const lowHalf: EmittedMeaning = (b) => {
  b.writeLanes(overLow(b, 8, b.first(0), b.last(0)));
};
const lowToHigh: EmittedMeaning = (b) => {
  b.writeLanes(
    b.shuffle(
      b.first(0),
      b.last(0),
      bytesFrom((i) => (i < 8 ? i : 8 + i)),
    ),
  );
};
const highToLow: EmittedMeaning = (b) => {
  b.writeLanes(
    b.shuffle(
      b.first(0),
      b.last(0),
      bytesFrom((i) => (i < 8 ? 24 + i : i)),
    ),
  );
};
const highHalf: EmittedMeaning = (b) => {
  if (b.form.operands[0].kind === 'memory') highToLow(b);
  else lowToHigh(b);
};

export const EMITTED_MOVES: EmittedMeanings = {
  movaps: whole,
  movapd: whole,
  movdqa: whole,
  movntps: whole,
  movntpd: whole,
  movntdq: whole,
  movntdqa: whole,
  movntq: whole,
  movups: whole,
  movupd: whole,
  movdqu: whole,
  lddqu: whole,
  movd: scalar(4),
  movq: scalar(8),
  movss: low(4),
  movsd: low(8),
  movlps: lowHalf,
  movlpd: lowHalf,
  movhps: highHalf,
  movhpd: highHalf,
  movlhps: lowToHigh,
  movhlps: highToLow,
};

/** Without operands. */
export const EMITTED_CLEARING: EmittedMeanings = {
  vzeroupper: (b) => b.clearRegisters(16),
  vzeroall: (b) => b.clearRegisters(0),
};
