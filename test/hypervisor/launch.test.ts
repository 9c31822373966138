import assert from 'node:assert/strict';
import {
  DEFAULT_EXITING,
  TRAP_EVERYTHING,
  controlValue,
  msrBitmap,
  wantedControls,
} from '../../debug-adapter/engine/hypervisor/controls.ts';
import { HOST_AREAS, HOST_EXIT_ENTRY, HOST_SYMBOLS } from '../../debug-adapter/engine/hypervisor/host-layout.ts';
import { PROCESSOR_FACTS } from '../../debug-adapter/engine/vmx/capabilities.ts';
import { controlMask } from '../../debug-adapter/engine/vmx/controls.ts';
import { BUILT_CONTROLS, VmxCapabilities } from '../../debug-adapter/engine/vmx/index.ts';
import { ORIGIN, TestMachine, type Bits } from './harness.ts';

const capabilities = new VmxCapabilities(PROCESSOR_FACTS);

describe('hypervisor: controls', () => {
  it('adds the bits that must be 1', () => {
    const pin = controlValue(capabilities, 'pin', ['externalInterruptExiting']);
    assert.equal(pin & controlMask('externalInterruptExiting'), 1);
    assert.equal(pin & 0x16, 0x16);
    // CR3 exiting is default1, but may be 0 according to the TRUE capability MSR.
    assert.equal(controlValue(capabilities, 'proc1', []) & controlMask('cr3LoadExiting'), 0);
  });

  it('refuses a control that the processor does not offer, by name', () => {
    const without = new VmxCapabilities(
      PROCESSOR_FACTS,
      new Set([...BUILT_CONTROLS].filter((key) => key !== 'unrestrictedGuest')),
    );
    assert.throws(() => controlValue(without, 'proc2', ['unrestrictedGuest']), /does not offer "Unrestricted guest"/);
    assert.throws(() => controlValue(capabilities, 'pin', ['hltExiting']), /no control of pin/);
  });

  it('asks for every optional exit under TRAP_EVERYTHING and for few by default', () => {
    const trapped = new Set(wantedControls(TRAP_EVERYTHING).proc1);
    const byDefault = new Set(wantedControls(DEFAULT_EXITING).proc1);
    for (const key of ['hltExiting', 'cr3LoadExiting', 'rdtscExiting', 'invlpgExiting', 'movDrExiting'] as const)
      assert.ok(trapped.has(key), key);
    assert.ok(byDefault.has('hltExiting'));
    assert.ok(!byDefault.has('cr3LoadExiting'));
  });

  /** MSR, read or write, exits by default. Positions: SDM Vol. 3C, 24.6.9. */
  const MSR_ROWS: readonly (readonly [msr: number, byte: number, bit: number, exits: boolean])[] = [
    [0x174, 0x2e, 4, false],
    [0x10, 0x02, 0, true],
    [0xc000_0080, 0x410, 0, true],
    [0xc000_0101, 0x420, 1, false],
    [0xc000_0102, 0x420, 2, false],
    [0xc000_0103, 0x420, 3, true],
  ];
  for (const [msr, byte, bit, exits] of MSR_ROWS)
    it(`lets MSR ${msr.toString(16)}h ${exits ? 'exit' : 'pass'}`, () => {
      const bitmap = msrBitmap(DEFAULT_EXITING);
      for (const at of [byte, 0x800 + byte]) assert.equal((bitmap[at]! >> bit) & 1, exits ? 1 : 0);
      for (const at of [byte, 0x800 + byte]) assert.equal((msrBitmap(TRAP_EVERYTHING)[at]! >> bit) & 1, 1);
    });
});

describe('hypervisor: launch', () => {
  const STEPS = [
    'prepare hypervisor memory',
    'enter 64-bit mode',
    'VMXON',
    'VMCLEAR',
    'VMPTRLD',
    'write the host state',
    'write the execution controls',
    'write the CR0 and CR4 masks',
    'write the VM-exit and VM-entry controls',
    'write the guest registers',
    'write the guest segments',
    'write the guest non-register state',
    "load the guest's general registers",
    'VMLAUNCH',
  ];
  for (const bits of [16, 32, 64] as const satisfies readonly Bits[])
    it(`enters a ${bits}-bit guest, each step changing only what it declares`, () => {
      const machine = new TestMachine({ bits, source: 'nop\nout 80h, al\njmp $' });
      machine.launch();
      assert.deepEqual(machine.checkedSteps(), STEPS);
      assert.deepEqual(machine.failures, []);
      assert.equal(machine.vmx.mode, 2);
      assert.equal(machine.state.rip, BigInt(ORIGIN));
      assert.equal(machine.state.codeBits, bits);
      machine.runTo('ioInstruction');
      assert.deepEqual(machine.vmx.audit(), { controlsHost: [], guest: [] });
      assert.equal(machine.field('GUEST_RIP'), BigInt(ORIGIN + 1));
    });

  it('sends exits to the place that is named for them', () => {
    const machine = new TestMachine({ bits: 32, source: 'cpuid' });
    machine.runTo('cpuid');
    assert.equal(machine.state.rip, BigInt(HOST_EXIT_ENTRY));
    assert.equal(HOST_SYMBOLS.find(({ name }) => name === 'hypervisor_exit_entry')?.address, HOST_EXIT_ENTRY);
    assert.equal(machine.state.codeBits, 64);
    assert.equal(machine.state.gpr(4), BigInt(HOST_AREAS.stack.address + HOST_AREAS.stack.bytes));
    // The host's own page tables translate where it is.
    assert.equal(machine.cpu.readSystem(BigInt(HOST_EXIT_ENTRY), 1), 0xf4n);
  });

  it('keeps its areas apart', () => {
    const areas = Object.values(HOST_AREAS);
    for (const [index, area] of areas.entries())
      for (const other of areas.slice(index + 1))
        assert.ok(area.address + area.bytes <= other.address, `${area.holds} reaches into ${other.holds}`);
  });

  it('tries again when somebody corrects the VMCS after a refused entry', () => {
    const machine = new TestMachine({ bits: 32, source: 'cpuid\nout 80h, al\njmp $' });
    machine.runTo('cpuid');
    const run = machine.run!;
    while (run.next?.name !== 'VMRESUME') run.step();
    const rflags = machine.field('GUEST_RFLAGS');
    const pin = machine.field('PIN_CONTROLS');
    assert.equal(machine.vmx.setField('PIN_CONTROLS', 0n), undefined);
    assert.deepEqual(run.step(), { kind: 'entry-failed' });
    assert.equal(run.next?.name, 'VMRESUME');
    assert.equal(machine.failures.at(-1)?.failure?.kind, 'VMfailValid');
    machine.vmx.setField('PIN_CONTROLS', pin);
    // Guest state that is refused: an exit with reason 33, whose handler says so once and then tries again.
    machine.vmx.setField('GUEST_RFLAGS', 0n);
    assert.deepEqual(run.step(), { kind: 'done' });
    assert.equal(machine.exits.at(-1)?.name, 'entryFailureGuestState');
    assert.deepEqual(machine.run!.step(), { kind: 'entry-failed' });
    machine.vmx.setField('GUEST_RFLAGS', rflags);
    assert.deepEqual(machine.run!.finish(), { kind: 'done' });
    machine.runTo('ioInstruction');
  });
});
