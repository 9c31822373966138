import assert from 'node:assert/strict';
import { evaluateText } from '../../debug-adapter/debugger/expression-evaluator.ts';
import type { Context } from '../../debug-adapter/debugger/expression-evaluator.ts';
import { parseAssignment, parseExpression } from '../../debug-adapter/debugger/expression-parser.ts';
import { ExpressionError } from '../../debug-adapter/debugger/expression-tokens.ts';
import { writePlace } from '../../debug-adapter/debugger/place.ts';
import { ProcessorView } from '../../debug-adapter/debugger/processor.ts';
import { SymbolTable } from '../../debug-adapter/debugger/symbols.ts';
import { standingMachine } from './fixed-machine.ts';

const machine = standingMachine({
  registers: {
    RAX: 0x1122_3344_5566_7788n,
    RSP: 0x2000n,
    RFLAGS: 0x247n,
    CR0: 0x8000_0011n,
    RIP: 0x400n,
    GDTR_BASE: 0x9000n,
    IDTR_LIMIT: 0xfffn,
  },
  memory: { 0x2000: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 0x5010: [0xaa, 0xbb, 0, 0, 0, 0, 0, 0] },
  vmcs: { GUEST_RIP: 0x1234n, PIN_CONTROLS: 0x16n },
});
const symbols = new SymbolTable({
  symbols: [
    { name: 'main', address: 0x400n, bytes: 0, kind: 'code' },
    { name: 'main.loop', address: 0x410n, bytes: 0, kind: 'code' },
    { name: 'LIMIT', address: 7n, bytes: 0, kind: 'constant' },
  ],
  lines: [],
});
const context: Context = {
  view: new ProcessorView(machine, 0),
  symbols,
  payload: { port: 0x3f8n },
};

const VALUES: readonly (readonly [string, bigint])[] = [
  ['1 + 2 * 3', 7n],
  ['(1 + 2) * 3', 9n],
  ['10 - 2 - 3', 5n],
  ['1 << 4 | 1', 17n],
  ['6 & 3 == 3', 0n], // C's precedence: 6 & (3 == 3)
  ['0x1f + 1fh + 0b11 + 11b + 1_000', 1068n],
  ['-1', 0xffff_ffff_ffff_ffffn],
  ['~0 >> 60', 15n],
  ['!0 && !(1 > 2)', 1n],
  ['1 << 64', 0n],
  ['7 % 4', 3n],
  ['rax', 0x1122_3344_5566_7788n],
  ['EAX', 0x5566_7788n],
  ['ax', 0x7788n],
  ['ah', 0x77n],
  ['al', 0x88n],
  ['$rax', 0x1122_3344_5566_7788n],
  ['zf', 1n],
  ['sf', 0n],
  ['rflags.IF', 1n],
  ['cr0.pg', 1n],
  ['cr0.WP', 0n],
  ['cs.ar', 0xa09bn],
  ['gdtr', 0x9000n],
  ['gdtr.base + 1', 0x9001n],
  ['idtr.limit', 0xfffn],
  ['[rsp]', 0x0807_0605_0403_0201n],
  ['[rsp+8]', 0x100f_0e0d_0c0b_0a09n],
  ['byte [rsp+1]', 2n],
  ['WORD [rsp]', 0x201n],
  ['dword [0x2004]', 0x0807_0605n],
  ['qword gpa:[2000h]', 0x0807_0605_0403_0201n],
  ['word fs:[0x10]', 0xbbaan],
  ['word [fs:0x10]', 0xbbaan],
  ['main', 0x400n],
  ['main+0x10 == main.loop', 1n],
  ['.loop', 0x410n],
  ['LIMIT', 7n],
  ['vmcs.GUEST_RIP', 0x1234n],
  ['vmcs.guest_rip & 0xff', 0x34n],
  ['port == 0x3f8', 1n],
];

const ERRORS: readonly (readonly [string, number, RegExp])[] = [
  ['', 1, /ends too early/],
  ['1 +', 4, /ends too early/],
  ['1 2', 3, /not expected/],
  ['(1', 3, /"\)" is missing before the end/],
  ['[rsp', 5, /"\]" is missing/],
  ['0xzz', 1, /is not a number/],
  ['0x10000000000000000', 1, /does not fit/],
  ['rax # 1', 5, /no meaning/],
  ['raxx', 1, /Did you mean "rax"/],
  ['1 + mian', 5, /Did you mean "main"/],
  ['vmcs.GUEST_RPI', 1, /no VMCS field.*GUEST_RIP/],
  ['vmcs.EPTP', 1, /has no VMCS field EPTP/],
  ['1 / (rax - rax)', 3, /Division by zero/],
  ['byte [0x99999]', 1, /no linear memory to read at 0x99999/],
  ['foo:[1]', 1, /no address space/],
  ['byte 5', 6, /"\[" is missing/],
];

describe('expressions', () => {
  for (const [text, expected] of VALUES) {
    it(text, () => {
      const result = evaluateText(text, context);
      assert.ok(result.ok, result.ok ? '' : result.error.message);
      assert.equal(result.value.number, expected);
    });
  }

  for (const [text, column, message] of ERRORS) {
    it(`refuses "${text}" at column ${column}`, () => {
      const result = evaluateText(text, context);
      assert.ok(!result.ok);
      assert.match(result.error.message, message);
      assert.equal(result.error.column, column);
    });
  }

  it('refuses endless nesting rather than overflow the stack', () => {
    for (const text of ['('.repeat(5000), '-'.repeat(5000), '['.repeat(5000)]) {
      const parsed = parseExpression(text);
      assert.ok(!parsed.ok);
      assert.match(parsed.error.message, /nested too deeply/);
    }
  });

  it('tells assignments from expressions', () => {
    assert.equal(parseAssignment('rax == 1'), undefined);
    assert.ok(parseAssignment('rax =') instanceof ExpressionError);
    const assignment = parseAssignment('byte [rsp] = al + 1');
    assert.ok(assignment !== undefined && !(assignment instanceof ExpressionError));
    assert.equal(assignment.target.kind, 'memory');
  });
});

describe('writing places', () => {
  const writable = standingMachine({ registers: { RAX: 0x1111_2222_3333_4444n, CR0: 0x8000_0001n, RFLAGS: 2n } });
  const write = (name: string, value: bigint): string | undefined => {
    const found = evaluateText(name, { view: new ProcessorView(writable, 0), symbols });
    assert.ok(found.ok && found.value.place);
    return writePlace(writable, found.value.place, value);
  };
  const rax = (): bigint => writable.inspect.register(0, 'RAX');

  it('changes only the named part of a register', () => {
    assert.equal(write('ah', 0x99n), undefined);
    assert.equal(rax(), 0x1111_2222_3333_9944n);
    assert.equal(write('zf', 1n), undefined);
    assert.equal(writable.inspect.register(0, 'RFLAGS'), 0x42n);
  });

  it('takes negative values and refuses ones that are too wide', () => {
    assert.equal(write('al', (1n << 64n) - 1n), undefined);
    assert.equal(rax() & 0xffn, 0xffn);
    assert.match(write('al', 0x100n) ?? '', /does not fit in 8 bits/);
    assert.match(write('zf', 2n) ?? '', /does not fit in 1 bit\./);
  });

  it('passes on what the machine refuses', () => {
    assert.equal(write('cr0.pe', 0n), 'CR0.PG needs CR0.PE.');
  });
});
