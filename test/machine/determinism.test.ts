/** A run is a function of the program, and looking is not touching. */
import assert from 'node:assert/strict';
import { REGISTER_NAMES, VMCS_FIELD_KEYS, type Machine, type MachineMode } from '../../debug-adapter/engine/index.ts';
import { budget, runToStop, startSample, type Guest } from './guest.ts';
import { snapshot } from './snapshot.ts';

/** Programs to be stopped in their middle: paging and user mode; a guest of their own; under the built-in hypervisor. */
const PLACES: readonly (readonly [program: string, mode: MachineMode])[] = [
  ['02-tinyos/tinyos.asm', 'bare'],
  ['25-ept/ept.asm', 'bare'],
  ['02-tinyos/tinyos.asm', 'vm'],
];

/** Three quarters of the instructions of a whole run. */
function middleOf(program: string, mode: MachineMode): number {
  const { machine } = startSample(program, mode);
  runToStop(machine);
  return Math.floor(machine.instructionsRetired * 0.75);
}

const runFor = ({ machine }: Guest, instructions: number): void =>
  assert.equal(machine.run(budget(instructions)).kind, 'budget');

/** Asks for everything that views show. */
function lookAtEverything(machine: Machine): void {
  const { inspect } = machine;
  inspect.mode(0);
  inspect.segments(0);
  inspect.devices();
  inspect.vmcs(0);
  for (const name of REGISTER_NAMES) inspect.register(0, name);
  for (const key of VMCS_FIELD_KEYS) inspect.lastVmcsWrite(key, 0);
  const addresses = [
    0n,
    0x7c00n,
    0x8000n,
    0x10_0000n,
    0xfee0_0000n,
    0x40_0000_0000n,
    0xffff_8000_0000_0000n,
    1n << 63n,
  ];
  for (const space of ['linear', 'guest-physical', 'host-physical'] as const)
    for (const address of addresses)
      if (address < 1n << 52n || space === 'linear') inspect.readMemory(space, address, 5000, 0);
  for (const address of [...addresses, inspect.register(0, 'RIP'), inspect.register(0, 'RSP')])
    for (const kind of ['read', 'write', 'execute'] as const)
      for (const user of [false, true]) {
        inspect.walk(address, { kind, user }, 0);
        inspect.walkEpt(Number(address & 0xffff_ffffn), { kind, user }, 0);
      }
}

describe('a run', function () {
  this.timeout(20_000);

  for (const [program, mode] of PLACES) {
    const title = `${program} (${mode})`;
    let instructions: number;
    before(() => {
      instructions = middleOf(program, mode);
    });

    it(`${title}: is the same each time, and after reset`, () => {
      const first = startSample(program, mode);
      runFor(first, instructions);
      const middle = snapshot(first.machine);
      const second = startSample(program, mode);
      const fresh = snapshot(second.machine);
      runFor(second, instructions);
      assert.deepEqual(snapshot(second.machine), middle);

      first.machine.reset();
      assert.deepEqual(snapshot(first.machine), fresh);
      runFor(first, instructions);
      assert.deepEqual(snapshot(first.machine), middle);
      assert.equal(first.machine.crossings, second.machine.crossings);
    });

    it(`${title}: is not changed by looking at everything, twice`, () => {
      const looked = startSample(program, mode);
      runFor(looked, instructions);
      const before = snapshot(looked.machine);
      lookAtEverything(looked.machine);
      lookAtEverything(looked.machine);
      assert.deepEqual(snapshot(looked.machine), before);

      const alone = startSample(program, mode);
      runFor(alone, instructions);
      assert.deepEqual(runToStop(looked.machine), runToStop(alone.machine));
      assert.deepEqual(snapshot(looked.machine), snapshot(alone.machine));
      assert.equal(looked.console(), alone.console());
      // The TLB and the decoded code were not warmed up by looking either.
      assert.equal(looked.machine.crossings, alone.machine.crossings);
    });
  }

  it('does not depend on how it is cut into pieces', () => {
    const whole = startSample('02-tinyos/tinyos.asm');
    const end = runToStop(whole.machine);
    const cut = startSample('02-tinyos/tinyos.asm');
    let stop = cut.machine.run(budget(1));
    for (let n = 1; stop.kind === 'budget'; n = (n * 7) % 1009) stop = cut.machine.run(budget(n));
    assert.deepEqual(stop, end);
    assert.deepEqual(snapshot(cut.machine), snapshot(whole.machine));
    assert.equal(cut.console(), whole.console());
  });

  it('keeps its end: a machine that is over says so again, until reset', () => {
    const { machine, console } = startSample('00-hello/hello.asm');
    const end = runToStop(machine);
    const printed = console();
    assert.deepEqual(machine.run(budget(1)), end);
    machine.reset();
    assert.equal(machine.instructionsRetired, 0);
    assert.deepEqual(runToStop(machine), end);
    assert.equal(console(), printed + printed);
  });
});
