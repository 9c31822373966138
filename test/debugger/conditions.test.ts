import assert from 'node:assert/strict';
import { EXIT_NAMES } from '../../debug-adapter/engine/index.ts';
import type { ExitName, VmExitRecord } from '../../debug-adapter/engine/index.ts';
import { compileHitCondition, logText } from '../../debug-adapter/debugger/conditions.ts';
import { ProcessorView } from '../../debug-adapter/debugger/processor.ts';
import { STOP_FILTERS, filterOfExit } from '../../debug-adapter/debugger/stop-filters.ts';
import { StopRules } from '../../debug-adapter/debugger/stop-rules.ts';
import { SymbolTable } from '../../debug-adapter/debugger/symbols.ts';
import { standingMachine } from './fixed-machine.ts';

const symbols = new SymbolTable({ symbols: [{ name: 'kernel', address: 0x1000n, bytes: 0, kind: 'code' }], lines: [] });
const machine = standingMachine({
  registers: { RAX: 0x8000_0001n, RIP: 0xbad_c0den },
  vmcs: { GUEST_RIP: 0x1000n, GUEST_RFLAGS: 2n },
});

const record = (name: ExitName, basicReason: number, payload: Record<string, bigint> = {}): VmExitRecord => ({
  number: 1,
  instruction: 100,
  cpu: 0,
  guestRip: 0x1000n,
  guestLinearRip: 0x1000n,
  exit: {
    name,
    basicReason,
    entryFailure: false,
    qualification: 0n,
    instructionBytes: 2,
    interruptionInformation: 0,
    interruptionErrorCode: 0,
    idtVectoringInformation: 0,
    guestLinear: 0n,
    guestPhysical: 0n,
    payload,
  },
});
const cpuid = record('cpuid', 10, { leaf: 0x8000_0001n });
const out = record('ioInstruction', 30, { port: 0x3f8n, size: 1n, direction: 0n });
const violation = record('eptViolation', 48, { gpa: 0x20_0000n, write: 1n });

const STOPS: readonly (readonly [string, string | undefined, VmExitRecord, boolean])[] = [
  ['exit.cpuid', undefined, cpuid, true],
  ['exit.cpuid', undefined, out, false],
  ['exit.cpuid', 'reason == cpuid && rax == 0x80000001', cpuid, true],
  ['exit.cpuid', 'rax == 0', cpuid, false],
  ['exit.cpuid', 'leaf == 0x80000001', cpuid, true],
  ['exit.cpuid', 'rip == kernel', cpuid, true],
  ['exit.cpuid', 'vmcs.GUEST_RIP == 0x1000', cpuid, true],
  ['exit.cpuid', 'port == 0x3f8', cpuid, false], // a fact this exit does not have
  ['exit.io', 'port == 0x3f8 && size == 1', out, true],
  ['exit.io', 'port == 0x3f8 && direction == in', out, false],
  ['exit.io', 'direction == out', out, true],
  ['exit.ept', 'gpa >= 0x200000', violation, true],
  ['exit.ept', 'gpa >= 0x200000 && write == 0', violation, false],
  ['exit.other', undefined, cpuid, false],
  ['exit.other', undefined, record('preemptionTimer', 52), true],
];

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['exit.io', 'prot == 1', /"prot" is no fact of an exit.*Did you mean "port"/],
  ['exit.io', 'port ==', /column 8: The expression ends too early/],
  ['guest.exception', 'gpa == 1', /"gpa" is no register/],
  ['exit.cpiud', '', /no filter "exit.cpiud".*Did you mean "exit.cpuid"/],
];

describe('stop rules', () => {
  for (const [id, condition, exit, expected] of STOPS) {
    it(`${id}${condition === undefined ? '' : ` if ${condition}`}: ${exit.exit.name} ${expected ? 'stops' : 'passes'}`, () => {
      const rules = new StopRules(symbols);
      assert.deepEqual(rules.set([{ id, condition }]), [{ verified: true, message: undefined }]);
      assert.equal(rules.stopsOnExit(exit, machine), expected);
      assert.equal(rules.problem, undefined);
    });
  }

  for (const [id, condition, message] of REFUSED) {
    it(`refuses ${id} if "${condition}"`, () => {
      const [result] = new StopRules(symbols).set([{ id, condition }]);
      assert.equal(result?.verified, false);
      assert.match(result.message ?? '', message);
    });
  }

  it('stops and says so where a condition cannot be evaluated', () => {
    const rules = new StopRules(symbols);
    rules.set([{ id: 'exit.cpuid', condition: 'byte [0x99] == 1' }]);
    assert.equal(rules.stopsOnExit(cpuid, machine), true);
    assert.match(rules.problem ?? '', /cannot be evaluated: There is no linear memory/);
  });

  it('stops on exits of the launch configuration whatever is ticked', () => {
    const rules = new StopRules(symbols, new Set<ExitName>(['cpuid']));
    rules.set([]);
    assert.equal(rules.stopsOnExit(cpuid, machine), true);
    assert.equal(rules.stopsOnExit(out, machine), false);
  });

  it('starts with the filters that are on by default', () => {
    const rules = new StopRules(symbols);
    assert.equal(rules.watchesEntryFailure, true);
    assert.equal(rules.stopsOnTripleFault(machine, 0), true);
    assert.equal(rules.stopsOnExit(cpuid, machine), false);
  });
});

describe('stop filters', () => {
  it('give every exit exactly one filter that exists', () => {
    const ids = new Set(STOP_FILTERS.map(({ id }) => id));
    assert.equal(ids.size, STOP_FILTERS.length);
    for (const name of EXIT_NAMES) assert.ok(ids.has(filterOfExit(name)), name);
  });

  it('show conditions that are accepted', () => {
    const table = new SymbolTable({
      symbols: [{ name: 'kernel_main', address: 1n, bytes: 0, kind: 'code' }],
      lines: [],
    });
    for (const { id, conditionHint } of STOP_FILTERS) {
      const [result] = new StopRules(table).set([{ id, condition: conditionHint }]);
      assert.deepEqual(result, { verified: true, message: undefined }, `${id}: ${conditionHint}`);
    }
  });
});

describe('hit conditions', () => {
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ['3', [3]],
    ['= 3', [3]],
    ['>= 4', [4, 5, 6]],
    ['> 4', [5, 6]],
    ['< 3', [1, 2]],
    ['<= 2', [1, 2]],
    ['% 2', [2, 4, 6]],
  ];
  for (const [text, expected] of cases) {
    it(text, () => {
      const holds = compileHitCondition(text);
      assert.ok(typeof holds === 'function');
      assert.deepEqual([1, 2, 3, 4, 5, 6].filter(holds), expected);
    });
  }
  it('explains what it does not understand', () => {
    assert.match(String(compileHitCondition('often')), /write a number/);
    assert.match(String(compileHitCondition('% 0')), /never happens/);
  });
});

describe('log messages', () => {
  it('put values in and keep doubled braces', () => {
    const context = { view: new ProcessorView(machine, 0), symbols };
    assert.equal(logText('rax is {rax}, {{x}} {al + 1}', context), 'rax is 0x80000001, {x} 0x2');
    assert.match(logText('{nothing}', context), /^\{"nothing" is no register/);
  });
});
