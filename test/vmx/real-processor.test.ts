import assert from 'node:assert/strict';
import { GUEST_RIP } from './fake-cpu.ts';
import { bench, EPT_PT, gate, GUEST_STACK, runGuest } from './real-processor.ts';

const HANDLER = 0x6800;
const HLT = 0xf4;
const NOP = 0x90;

describe('VT-x on the real processor', () => {
  it('runs the guest to an exit and on from there', () => {
    const b = bench();
    b.code([0xb8, 0x2a, 0, 0, 0, 0x0f, 0xa2, HLT]); // mov eax, 2Ah; cpuid; hlt
    assert.equal(b.vmx.vmlaunch(), 'entered');
    const exit = runGuest(b)!;
    assert.equal(exit.name, 'cpuid');
    assert.equal(exit.payload['leaf'], 0x2an);
    assert.equal(b.read('GUEST_RIP'), GUEST_RIP + 5n);
    b.set('GUEST_RIP', b.read('GUEST_RIP') + b.read('EXIT_INSTR_LEN'));
    assert.equal(b.vmx.vmresume(), 'entered');
    assert.equal(runGuest(b)!.name, 'hlt');
  });

  it('exits for INIT, which the guest does not notice', () => {
    const b = bench();
    b.code([NOP, HLT]);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    b.cpu.requestInit();
    const exit = runGuest(b)!;
    assert.deepEqual([exit.name, exit.basicReason, exit.qualification], ['init', 3, 0n]);
    assert.equal(b.read('GUEST_RIP'), GUEST_RIP);
    assert.equal(b.read('GUEST_ACTIVITY'), 0n);
    assert.equal(b.vmx.vmresume(), 'entered');
    assert.equal(runGuest(b)!.name, 'hlt');
  });

  it('blocks INIT in VMX root operation until the guest is entered', () => {
    const b = bench();
    b.code([NOP, HLT]);
    b.cpu.requestInit();
    assert.equal(b.cpu.pendingBoundary(), 'nothing');
    assert.equal(b.vmx.vmlaunch(), 'entered');
    assert.equal(runGuest(b)!.name, 'init');
  });

  it('takes INIT after VMXOFF', () => {
    const b = bench();
    b.cpu.requestInit();
    assert.equal(b.cpu.pendingBoundary(), 'nothing');
    assert.ok(b.vmx.vmxoff());
    assert.equal(b.cpu.pendingBoundary(), 'delivered');
    assert.equal(b.cpu.state.rip, 0xfff0n);
  });

  it('exits for a start-up IPI in the wait-for-SIPI state, where INIT is blocked and interrupts do not wake', () => {
    const b = bench();
    b.code([NOP, HLT]);
    b.set('GUEST_ACTIVITY', 3);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    b.cpu.requestNmi();
    b.cpu.requestInit();
    assert.equal(b.cpu.pendingBoundary(), 'nothing');
    b.cpu.requestStartUp(0x9a);
    const exit = runGuest(b)!;
    assert.deepEqual([exit.name, exit.basicReason, exit.qualification], ['sipi', 4, 0x9an]);
    assert.equal(b.read('GUEST_ACTIVITY'), 3n);
  });

  it('injects through the IDT: frame, error code, handler', () => {
    const b = bench();
    b.code([NOP, HLT]);
    b.cpu.physical.write(HANDLER, 1, HLT);
    gate(b, 13, HANDLER);
    b.set('ENTRY_INTR_INFO', 0x8000_0b0d);
    b.set('ENTRY_EXCEPTION_EC', 0x10);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    assert.equal(runGuest(b)!.name, 'hlt');
    assert.equal(b.read('GUEST_RIP'), BigInt(HANDLER));
    const frame = [0, 1, 2, 3, 4, 5].map((slot) => b.cpu.physical.read64(GUEST_STACK - 48 + 8 * slot));
    assert.deepEqual(frame, [0x10n, GUEST_RIP, 8n, 2n, BigInt(GUEST_STACK), 16n]);
  });

  it('pushes the RIP behind the instruction for an injected software interrupt', () => {
    const b = bench();
    b.cpu.physical.write(HANDLER, 1, HLT);
    gate(b, 0x80, HANDLER);
    b.set('ENTRY_INTR_INFO', 0x8000_0480);
    b.set('ENTRY_INSTR_LEN', 2);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    runGuest(b);
    assert.equal(b.cpu.physical.read64(GUEST_STACK - 40), GUEST_RIP + 2n);
  });

  it('an EPT violation while an injected event is delivered has it as IDT-vectoring information', () => {
    const b = bench();
    b.cpu.physical.write(HANDLER, 1, HLT);
    gate(b, 0x20, HANDLER);
    b.cpu.physical.write64(EPT_PT + 8 * ((GUEST_STACK >> 12) - 1), 0n);
    b.set('GUEST_RFLAGS', 0x202);
    b.set('ENTRY_INTR_INFO', 0x8000_0020);
    assert.equal(b.vmx.vmlaunch(), 'exited');
    const exit = b.exits[0]!;
    assert.equal(exit.name, 'eptViolation');
    assert.equal(exit.idtVectoringInformation, 0x8000_0020);
    assert.equal(exit.qualification, 0x182n);
    assert.equal(exit.guestPhysical >> 12n, BigInt(GUEST_STACK >> 12) - 1n);
    assert.equal(b.read('GUEST_RIP'), GUEST_RIP);
    assert.equal(b.read('GUEST_RSP'), BigInt(GUEST_STACK));
  });

  it('an EPT violation of a store is fault-like; the guest goes on after the page is mapped', () => {
    const b = bench();
    b.code([0x48, 0xc7, 0x04, 0x25, 0, 0, 0x05, 0, 7, 0, 0, 0, HLT]); // mov qword [50000h], 7; hlt
    const entry = EPT_PT + 8 * 0x50;
    b.cpu.physical.write64(entry, 0x5_0031n); // read-only
    assert.equal(b.vmx.vmlaunch(), 'entered');
    const exit = runGuest(b)!;
    assert.equal(exit.name, 'eptViolation');
    assert.equal(exit.qualification, 0x182n | (1n << 3n));
    assert.equal(exit.guestPhysical, 0x5_0000n);
    assert.equal(exit.guestLinear, 0x5_0000n);
    b.cpu.physical.write64(entry, 0x5_0037n);
    assert.equal(b.vmx.inveptAll(), true);
    assert.equal(b.vmx.vmresume(), 'entered');
    assert.equal(runGuest(b)!.name, 'hlt');
    assert.equal(b.cpu.physical.read64(0x5_0000), 7n);
  });

  it('an EPT misconfiguration names the guest-physical address', () => {
    const b = bench();
    b.code([0xa0, 0, 0, 5, 0, 0, 0, 0, 0]); // mov al, [50000h]
    b.cpu.physical.write64(EPT_PT + 8 * 0x50, 0x5_0032n); // writable, not readable
    assert.equal(b.vmx.vmlaunch(), 'entered');
    const exit = runGuest(b)!;
    assert.equal(exit.name, 'eptMisconfiguration');
    assert.equal(exit.guestPhysical, 0x5_0000n);
  });

  it('the monitor trap flag lets one instruction pass per entry', () => {
    const b = bench();
    b.code([NOP, NOP, 0xeb, 0xfe]); // ... jmp $
    b.set('PROC1_CONTROLS', b.read('PROC1_CONTROLS') | (1n << 27n));
    assert.equal(b.vmx.vmlaunch(), 'entered');
    for (const expected of [1n, 2n, 2n, 2n]) {
      assert.equal(runGuest(b)!.name, 'monitorTrapFlag');
      assert.equal(b.read('GUEST_RIP'), GUEST_RIP + expected);
      assert.equal(b.vmx.vmresume(), 'entered');
    }
  });

  it('blocking by STI outlasts exactly one instruction, then the interrupt window opens', () => {
    const b = bench();
    b.code([NOP, NOP, NOP, HLT]);
    b.set('PROC1_CONTROLS', b.read('PROC1_CONTROLS') | (1n << 2n));
    b.set('GUEST_RFLAGS', 0x202);
    b.set('GUEST_INTERRUPTIBILITY', 1);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    assert.equal(runGuest(b)!.name, 'interruptWindow');
    assert.ok(b.read('GUEST_RIP') > GUEST_RIP, 'the window was open before the first instruction');
    assert.equal(b.read('GUEST_INTERRUPTIBILITY'), 0n);
  });

  it('the preemption timer stops a loop', () => {
    const b = bench();
    b.code([0xeb, 0xfe]);
    b.set('PIN_CONTROLS', b.read('PIN_CONTROLS') | (1n << 6n));
    b.set('PREEMPTION_TIMER_VALUE', 2);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    assert.equal(runGuest(b)!.name, 'preemptionTimer');
    assert.ok(b.cpu.state.retired >= 32 && b.cpu.state.retired <= 96);
  });

  it('exceptions of the guest exit by the bitmap, else go through its IDT', () => {
    const exits = bench();
    exits.code([NOP, 0x0f, 0x0b]); // ud2
    exits.set('EXCEPTION_BITMAP', 1 << 6);
    assert.equal(exits.vmx.vmlaunch(), 'entered');
    const exit = runGuest(exits)!;
    assert.equal(exit.name, 'exceptionOrNmi');
    assert.equal(exit.payload['vector'], 6n);
    assert.equal(exits.read('GUEST_RIP'), GUEST_RIP + 1n);

    const handled = bench();
    handled.code([NOP, 0x0f, 0x0b]);
    handled.cpu.physical.write(HANDLER, 1, HLT);
    gate(handled, 6, HANDLER);
    assert.equal(handled.vmx.vmlaunch(), 'entered');
    assert.equal(runGuest(handled)!.name, 'hlt');
    assert.equal(handled.read('GUEST_RIP'), BigInt(HANDLER));
  });

  it('a page fault that exits leaves CR2 alone and reports the address', () => {
    const b = bench();
    b.code([0xa0, 0, 0, 0, 0x40, 0, 0, 0, 0]); // mov al, [40000000h]
    b.set('EXCEPTION_BITMAP', 1 << 14);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    const exit = runGuest(b)!;
    assert.equal(exit.qualification, 0x4000_0000n);
    assert.equal(exit.payload['errorCode'], 0n);
    assert.equal(b.cpu.state.register('CR2'), 0n);
  });

  it('a triple fault exits', () => {
    const b = bench();
    b.code([0x0f, 0x0b]);
    b.set('GUEST_IDTR_LIMIT', 0);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    assert.equal(runGuest(b)!.name, 'tripleFault');
    assert.equal(b.read('IDT_VECTORING_INFO'), 0n);
  });

  it('RDTSC sees the offset, CR0 the shadow; MOV to CR0 keeps masked bits', () => {
    const b = bench();
    b.code([
      ...[0x0f, 0x31], // rdtsc
      ...[0x48, 0x89, 0xc3], // mov rbx, rax
      ...[0x0f, 0x20, 0xc1], // mov rcx, cr0
      ...[0x48, 0x81, 0xc9, 0, 0, 1, 0], // or rcx, 10000h (WP)
      ...[0x0f, 0x22, 0xc1], // mov cr0, rcx
      HLT,
    ]);
    b.set('PROC1_CONTROLS', b.read('PROC1_CONTROLS') | 8n);
    b.set('TSC_OFFSET', 0x1_0000_0000n);
    b.set('CR0_GUEST_HOST_MASK', 0x28); // TS, NE
    b.set('CR0_READ_SHADOW', 8);
    assert.equal(b.vmx.vmlaunch(), 'entered');
    assert.equal(runGuest(b)!.name, 'hlt');
    assert.equal(b.cpu.state.gpr(2), 1n, 'EDX holds the offset');
    assert.equal(b.cpu.state.gpr(1) & 0x28n, 8n, 'the shadow shows TS and hides NE');
    assert.equal(b.read('GUEST_CR0') & 0x1_0028n, 0x1_0020n);
  });

  it('VMLAUNCH as an instruction enters the guest with the next boundary at its first instruction', () => {
    const b = bench();
    const at = Number(b.cpu.state.rip);
    b.cpu.physical.poke(at, Uint8Array.from([0x0f, 0x01, 0xc2]));
    b.code([NOP, HLT]);
    assert.equal(b.executor.run(1, true).kind, 'budget');
    assert.equal(b.vmx.mode, 2);
    assert.equal(b.cpu.state.rip, GUEST_RIP);
    assert.equal(runGuest(b)!.name, 'hlt');
  });
});
