/** The interpreter's main function must stay small: see `isHot` in execution/interpreter.ts. */
import assert from 'node:assert/strict';
import { engineMap } from '../../debug-adapter/engine/execution/engine-memory.ts';
import { emitInterpreter, type DispatchStyle } from '../../debug-adapter/engine/execution/interpreter.ts';

/** V8 of Node 20 still chose the better register allocator at 53,700 bytes and no longer at 56,000 (test/bench/dispatch.ts). */
const MOST_BYTES = 52_000;
const CODE_SECTION = 10;
const MODULE_HEADER_BYTES = 8;

/** Bytes of the largest function body of a module, which is the main function. */
function largestBody(module: Uint8Array): number {
  let at = MODULE_HEADER_BYTES;
  const unsigned = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < module.length) {
    const section = module[at++];
    const bytes = unsigned();
    if (section !== CODE_SECTION) {
      at += bytes;
      continue;
    }
    let largest = 0;
    for (let count = unsigned(); count > 0; count--) {
      const body = unsigned();
      largest = Math.max(largest, body);
      at += body;
    }
    return largest;
  }
  throw new Error('the module has no code');
}

function mainBytes(dispatch: DispatchStyle): number {
  const map = engineMap(16);
  return largestBody(
    emitInterpreter({
      memoryPages: map.wasmPages,
      tlbBase: map.tlb,
      poolBase: map.pool,
      codeTable: map.codeTable,
      linkNext: map.linkNext,
      linkTarget: map.linkTarget,
      dispatch,
    }),
  );
}

describe('The emitted interpreter', () => {
  it('keeps its main function within what V8 optimises well', () => {
    assert.ok(mainBytes('hot') < MOST_BYTES, `${mainBytes('hot')} bytes: take 'hot' from the rows that gain least`);
  });

  it('has room for the hot rows besides the branches, and not for all rows', () => {
    assert.ok(mainBytes('none') < mainBytes('hot'));
    assert.ok(mainBytes('all') > MOST_BYTES);
  });
});
