/**
 * One row per behaviour of an exit handler: a guest that exits, the steps of the handler, and what the guest finds afterwards.
 * Every step is held against what it declares to touch (`TestMachine.checkedStep`).
 */
import assert from 'node:assert/strict';
import type { RegisterName } from '../../debug-adapter/engine/cpu/registers.ts';
import type { Exiting } from '../../debug-adapter/engine/hypervisor/controls.ts';
import type { ExitName, VmExit, VmcsFieldKey } from '../../debug-adapter/engine/vmx/types.ts';
import { TestMachine, type Bits } from './harness.ts';

const END_PORT = 0x80n;
/** Access bytes of an interrupt gate. */
const PRESENT = 0x8e;
const NOT_PRESENT = 0x0e;

interface Row {
  readonly title: string;
  readonly bits: Bits;
  /** Ends with OUT 80h, which `END` appends. */
  readonly source: string;
  readonly exiting?: Partial<Exiting>;
  readonly prepare?: (machine: TestMachine) => void;
  readonly exit: ExitName;
  /** Which of the exits with that name; the first where absent. */
  readonly when?: (exit: VmExit, machine: TestMachine) => boolean;
  /** Steps but the last, VMRESUME. */
  readonly steps: readonly string[];
  /** Guest registers at the end. */
  readonly registers?: Partial<Record<RegisterName, bigint>>;
  readonly fields?: Partial<Record<VmcsFieldKey, bigint>>;
  readonly log?: readonly string[];
  readonly after?: (machine: TestMachine) => void;
}

/** Behind the code under test. */
const END = '\nout 80h, al\njmp $';

/** Real-mode interrupt vectors: each leaves its number in BL and the pushed IP in CX, then ends the test. */
const vectors = (...numbers: readonly number[]): string =>
  numbers.map((number) => `vector${number}: mov bl, ${number}\npop cx\nout 80h, al\njmp $\n`).join('');
const setVectors = (...numbers: readonly number[]): string =>
  numbers.map((number) => `mov word [${number * 4}], vector${number}\nmov word [${number * 4 + 2}], 0\n`).join('');

const ADVANCE = 'advance GUEST_RIP';
const INJECT = 'inject the exception';
const CPUID_STEPS = ['read the leaf', 'query the processor', 'filter the answer', 'write RAX, RBX, RCX, RDX', ADVANCE];

const ROWS: readonly Row[] = [
  {
    title: 'CPUID.1 hides VMX and shows a hypervisor',
    bits: 64,
    source: 'mov eax, 1\nxor ecx, ecx\ncpuid\nmov r8, rcx\nmov r9, rdx',
    exit: 'cpuid',
    steps: CPUID_STEPS,
    after: ({ state }) => {
      assert.equal(state.gpr(8) & (1n << 5n), 0n, 'VMX');
      assert.notEqual(state.gpr(8) & (1n << 31n), 0n, 'hypervisor present');
      assert.notEqual(state.gpr(9) & (1n << 6n), 0n, 'PAE, which the processor has');
    },
  },
  {
    title: 'CPUID.40000000H names the hypervisor',
    bits: 32,
    source: 'mov eax, 40000000h\ncpuid',
    exit: 'cpuid',
    steps: CPUID_STEPS,
    registers: { RAX: 0x4000_0000n, RBX: 0x65707948n, RCX: 0x65747372n, RDX: 0x584d5670n },
  },
  {
    title: 'OUT of a word goes to the device',
    bits: 32,
    source: 'mov eax, 12345678h\nmov dx, 3F8h\nout dx, ax',
    exit: 'ioInstruction',
    steps: ['read the exit qualification', 'write to the port', ADVANCE],
    log: ['out 3f8 2 5678'],
  },
  {
    title: 'IN of a byte changes AL only',
    bits: 64,
    source: 'mov rax, -1\nin al, 60h\nmov rbx, rax',
    prepare: (machine) => machine.input.push(0x5a),
    exit: 'ioInstruction',
    steps: ['read the exit qualification', 'read from the port', 'write RAX', ADVANCE],
    registers: { RBX: 0xffff_ffff_ffff_ff5an },
    log: ['in 60 1'],
  },
  {
    title: 'IN of a double word clears the upper half of RAX',
    bits: 64,
    source: 'mov rax, -1\nmov dx, 0CF8h\nin eax, dx\nmov rbx, rax',
    prepare: (machine) => machine.input.push(0x8123_4567),
    exit: 'ioInstruction',
    steps: ['read the exit qualification', 'read from the port', 'write RAX', ADVANCE],
    registers: { RBX: 0x8123_4567n },
  },
  {
    title: 'REP OUTSB takes one element for each exit',
    bits: 16,
    source: 'mov si, text\nmov cx, 3\nmov dx, 0E9h\ncld\nrep outsb\njmp done\ntext: db "abc"\ndone:',
    exit: 'ioInstruction',
    steps: [
      'read the exit qualification',
      'find the string element',
      'load the element',
      'write to the port',
      'move RSI',
      'stay on the instruction',
    ],
    registers: { RCX: 0n },
    log: ['out e9 1 61', 'out e9 1 62', 'out e9 1 63'],
  },
  {
    title: 'the last element of REP INSW ends the instruction',
    bits: 32,
    source: 'mov edi, 9000h\nmov ecx, 2\nmov dx, 1F0h\nstd\nrep insw',
    prepare: (machine) => machine.input.push(0x1111, 0x2222),
    exit: 'ioInstruction',
    when: (_exit, { state }) => state.gpr32(1) === 1,
    steps: [
      'read the exit qualification',
      'find the string element',
      'read from the port',
      'store the element',
      'move RDI',
      ADVANCE,
    ],
    registers: { RCX: 0n, RDI: 0x8ffcn },
    after: (machine) => assert.deepEqual([...machine.peek(0x8ffe, 4)], [0x22, 0x22, 0x11, 0x11]),
  },
  {
    title: 'INSB into a page that the guest does not map is #PF with CR2, and no port access',
    bits: 64,
    source: `
      lidt [idtr]
      mov edi, 600000h
      mov dx, 60h
      insb
      page_fault: pop r8
      mov r9, cr2
      out 80h, al
      idtr: dw 0FFFh
      dq 5000h`,
    prepare: (machine) => idtGate(machine, 14, 'page_fault'),
    exit: 'ioInstruction',
    steps: ['read the exit qualification', 'find the string element', INJECT],
    registers: { R8: 2n, R9: 0x60_0000n },
    log: [],
  },
  {
    title: 'OUTSB beyond the segment limit is #GP',
    bits: 32,
    source: `
      lidt [idtr]
      lgdt [gdtr]
      mov ax, 10h
      mov ds, ax
      mov esi, 10000h
      mov dx, 60h
      outsb
      fault: pop ebx
      out 80h, al
      idtr: dw 0FFFh
      dd 5000h
      gdtr: dw 17h
      dd gdt
      gdt: dq 0, 00CF9B000000FFFFh, 004093000000FFFFh`,
    prepare: (machine) => {
      idtGate(machine, 13, 'fault');
      machine.poke(0x1_0000, Uint8Array.of(0x77));
    },
    exit: 'ioInstruction',
    steps: ['read the exit qualification', 'find the string element', INJECT],
    registers: { RBX: 0n },
    log: [],
  },
  {
    title: 'a firmware call may change registers',
    bits: 16,
    source: 'mov eax, 11112222h\nout 0B5h, al\nmov ebx, eax',
    prepare: (machine) => {
      machine.firmware = () => {
        const { guestAccess } = machine.hypervisor;
        assert.equal(guestAccess.register('eax'), 0x1111_2222);
        guestAccess.setRegister('eax', 0x3333_4444);
        guestAccess.loadSegment('es', 0x1234);
        guestAccess.writeMemory(0x500, Uint8Array.of(1, 2));
        assert.deepEqual([...guestAccess.readMemory(0x500, 2)], [1, 2]);
        assert.equal(guestAccess.segmentBase('es'), 0x1_2340);
      };
    },
    exit: 'ioInstruction',
    steps: ['read the exit qualification', 'call the firmware', ADVANCE],
    registers: { RBX: 0x3333_4444n },
    fields: { GUEST_ES_SELECTOR: 0x1234n, GUEST_ES_BASE: 0x1_2340n, GUEST_ES_LIMIT: 0xffffn },
  },
  {
    title: 'WRMSR EFER sets LME in the VMCS field',
    bits: 32,
    source: 'mov ecx, 0C0000080h\nmov eax, 901h\nxor edx, edx\nwrmsr\nxor eax, eax\nrdmsr\nmov ebx, eax',
    exit: 'wrmsr',
    steps: ['read the MSR index', 'write the MSR', ADVANCE],
    registers: { RBX: 0x901n },
    fields: { GUEST_IA32_EFER: 0x901n },
  },
  {
    title: 'WRMSR STAR goes to the processor',
    bits: 64,
    source: 'mov ecx, 0C0000081h\nmov edx, 00230008h\nmov eax, 5\nwrmsr',
    exit: 'wrmsr',
    steps: ['read the MSR index', 'write the MSR', ADVANCE],
    registers: { IA32_STAR: 0x0023_0008_0000_0005n },
  },
  {
    title: 'WRMSR of an address that is not canonical is #GP',
    bits: 16,
    source: `${setVectors(13)}mov ecx, 0C0000082h\nmov edx, 00008000h\nxor eax, eax\nwrmsr\n${vectors(13)}`,
    exit: 'wrmsr',
    steps: ['read the MSR index', 'write the MSR', INJECT],
    registers: { RBX: 13n, IA32_LSTAR: 0n },
  },
  {
    title: 'RDMSR of a VMX capability is #GP: the guest has no VMX',
    bits: 16,
    source: `${setVectors(13)}mov ecx, 480h\nrdmsr\n${vectors(13)}`,
    exit: 'rdmsr',
    steps: ['read the MSR index', 'read the MSR', INJECT],
    registers: { RBX: 13n },
  },
  {
    title: 'RDMSR FS_BASE reads the VMCS under TRAP_EVERYTHING-like MSR exiting',
    bits: 64,
    source: 'mov ecx, 0C0000100h\nmov edx, 1\nmov eax, 2\nwrmsr\nxor eax, eax\nxor edx, edx\nrdmsr\nmov rbx, rdx',
    exiting: { msr: 'all' },
    exit: 'rdmsr',
    steps: ['read the MSR index', 'read the MSR', 'write RDX:RAX', ADVANCE],
    registers: { RBX: 1n, RAX: 2n },
    fields: { GUEST_FS_BASE: 0x1_0000_0002n },
  },
  {
    title: 'MOV CR0 that sets PE: the guest reads its own value, the processor keeps NE',
    bits: 16,
    source: 'mov eax, cr0\nor al, 1\nmov cr0, eax\nmov ebx, cr0',
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write CR0', ADVANCE],
    registers: { RBX: 0x11n },
    fields: { GUEST_CR0: 0x31n, CR0_READ_SHADOW: 0x11n },
  },
  {
    title: 'MOV CR0 that sets PG under EFER.LME activates IA-32e mode',
    bits: 32,
    source: `
      mov eax, cr4
      or eax, 20h
      mov cr4, eax
      mov eax, 2000h
      mov cr3, eax
      mov ecx, 0C0000080h
      rdmsr
      or eax, 100h
      wrmsr
      mov eax, cr0
      or eax, 80000000h
      mov cr0, eax
      rdmsr
      mov ebx, eax`,
    exit: 'crAccess',
    when: (exit) => (exit.qualification & 15n) === 0n,
    steps: ['read the exit qualification', 'write CR0', ADVANCE],
    registers: { RBX: 0x500n },
    fields: { GUEST_CR0: 0x8000_0031n, GUEST_IA32_EFER: 0x500n },
    after: (machine) => assert.notEqual(machine.field('ENTRY_CONTROLS') & (1n << 9n), 0n, 'IA-32e mode guest'),
  },
  {
    title: 'MOV CR0 with PG but not PE is #GP',
    bits: 16,
    source: `${setVectors(13)}mov eax, 80000010h\nmov cr0, eax\n${vectors(13)}`,
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write CR0', INJECT],
    registers: { RBX: 13n },
    fields: { GUEST_CR0: 0x30n },
  },
  {
    title: 'MOV CR0 that sets PG with PAE loads the PDPTEs',
    bits: 32,
    source: `
      mov eax, cr4
      or eax, 20h
      mov cr4, eax
      mov eax, 10000h
      mov cr3, eax
      mov dword [10000h], 11001h
      mov dword [11000h], 87h
      mov eax, cr0
      or eax, 80000000h
      mov cr0, eax`,
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write CR0', ADVANCE],
    fields: { GUEST_PDPTE0: 0x1_1001n, GUEST_IA32_EFER: 0n },
  },
  {
    title: 'MOV CR4 with VMXE is #GP: the guest has no VMX',
    bits: 16,
    source: `${setVectors(13)}mov eax, cr4\nor eax, 2000h\nmov cr4, eax\n${vectors(13)}`,
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write CR4', INJECT],
    registers: { RBX: 13n },
    fields: { GUEST_CR4: 0x2000n },
  },
  {
    title: 'MOV CR4 under full interception changes the real register and the shadow',
    bits: 32,
    source: 'mov eax, 90h\nmov cr4, eax\nmov ebx, cr4',
    exiting: { controlRegisters: 'all' },
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write CR4', ADVANCE],
    registers: { RBX: 0x90n },
    fields: { GUEST_CR4: 0x2090n, CR4_READ_SHADOW: 0x90n },
  },
  {
    title: 'CLTS and LMSW under full interception',
    bits: 32,
    source: 'mov eax, cr0\nor eax, 8\nmov cr0, eax\nclts\nmov ax, 3\nlmsw ax\nmov ebx, cr0',
    exiting: { controlRegisters: 'all' },
    exit: 'crAccess',
    when: (exit) => ((exit.qualification >> 4n) & 3n) === 2n,
    steps: ['read the exit qualification', 'write CR0', ADVANCE],
    registers: { RBX: 0x13n },
  },
  {
    title: 'MOV to CR3 from RSP, intercepted',
    bits: 64,
    source: 'mov rbx, rsp\nmov rsp, 2000h\nmov cr3, rsp\nmov rsp, rbx\nmov rcx, cr3',
    exiting: { cr3: true },
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write CR3', ADVANCE],
    registers: { RCX: 0x2000n },
    fields: { GUEST_CR3: 0x2000n },
  },
  {
    title: 'MOV from CR3 into RSP, intercepted',
    bits: 64,
    source: 'mov rbx, rsp\nmov rsp, cr3\nmov rcx, rsp\nmov rsp, rbx',
    exiting: { cr3: true },
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write the general register', ADVANCE],
    registers: { RCX: 0x2000n },
  },
  {
    title: 'MOV to CR8, intercepted',
    bits: 64,
    source: 'mov eax, 5\nmov cr8, rax\nmov rbx, cr8',
    exiting: { cr8: true },
    exit: 'crAccess',
    steps: ['read the exit qualification', 'write CR8', ADVANCE],
    registers: { RBX: 5n, CR8: 5n },
  },
  {
    title: 'MOV to DR0 and DR6, intercepted',
    bits: 32,
    source: 'mov eax, 1234h\nmov dr0, eax\nmov ebx, dr0',
    exiting: { debugRegisters: true },
    exit: 'drAccess',
    steps: ['read the exit qualification', 'write the debug register', ADVANCE],
    registers: { RBX: 0x1234n, DR0: 0x1234n },
  },
  {
    title: 'MOV to DR7, intercepted, goes to the VMCS',
    bits: 32,
    source: 'mov eax, 300h\nmov dr7, eax\nmov ebx, dr7',
    exiting: { debugRegisters: true },
    exit: 'drAccess',
    steps: ['read the exit qualification', 'write the debug register', ADVANCE],
    registers: { RBX: 0x700n },
    fields: { GUEST_DR7: 0x700n },
  },
  {
    title: 'RDTSC counts on',
    bits: 64,
    source: 'mov rax, -1\nmov rdx, -1\nrdtsc\nmov rbx, rdx\nmov rcx, rax',
    exiting: { rdtsc: true },
    exit: 'rdtsc',
    steps: ['read the time-stamp counter', 'write RDX:RAX', ADVANCE],
    registers: { RBX: 0n },
    after: ({ state }) => assert.ok(state.gpr(1) > 0n && state.gpr(1) < 1000n, `TSC ${state.gpr(1)}`),
  },
  {
    title: 'RDTSCP gives IA32_TSC_AUX, too',
    bits: 64,
    source: 'mov ecx, 0C0000103h\nmov eax, 77h\nxor edx, edx\nwrmsr\nrdtscp\nmov rbx, rcx',
    exiting: { rdtsc: true },
    exit: 'rdtscp',
    steps: ['read the time-stamp counter', 'write RDX:RAX and RCX', ADVANCE],
    registers: { RBX: 0x77n },
  },
  {
    title: 'INVLPG, intercepted',
    bits: 32,
    source: 'invlpg [1234h]',
    exiting: { invlpg: true },
    exit: 'invlpg',
    steps: ['INVVPID', ADVANCE],
  },
  {
    title: 'PAUSE, intercepted',
    bits: 32,
    source: 'pause',
    exiting: { pause: true },
    exit: 'pause',
    steps: ['nothing to do', ADVANCE],
  },
  {
    title: 'VMCALL 0: version of the interface',
    bits: 64,
    source: 'xor eax, eax\nvmcall\nmov rbx, rax',
    exit: 'vmcall',
    steps: ['read the call number', 'serve the call', 'write RAX', ADVANCE],
    registers: { RBX: 1n },
  },
  {
    title: 'VMCALL 1 prints',
    bits: 32,
    source: 'mov eax, 1\nmov edi, "!"\nvmcall\nmov ebx, eax',
    exit: 'vmcall',
    steps: ['read the call number', 'serve the call', 'write RAX', ADVANCE],
    registers: { RBX: 0n },
    after: ({ printed }) => assert.equal(printed, '!'),
  },
  {
    title: 'an unknown VMCALL answers -1',
    bits: 64,
    source: 'mov eax, 99\nvmcall\nmov rbx, rax',
    exit: 'vmcall',
    steps: ['read the call number', 'serve the call', 'write RAX', ADVANCE],
    registers: { RBX: 0xffff_ffff_ffff_ffffn },
  },
  {
    title: 'VMXOFF is #UD for a guest without VMX',
    bits: 32,
    source: `
      lidt [idtr]
      vmxoff
      fault: mov ebx, 6
      out 80h, al
      idtr: dw 0FFFh
      dd 5000h`,
    prepare: (machine) => idtGate(machine, 6, 'fault'),
    exit: 'vmxoff',
    steps: ['refuse the instruction', INJECT],
    registers: { RBX: 6n },
  },
  {
    title: 'RAM is mapped when it is touched: below 2 MiB by the page',
    bits: 32,
    source: 'mov dword [12345h], 55h\nmov ebx, [12345h]',
    exit: 'eptViolation',
    when: (exit) => exit.guestPhysical === 0x1_2345n,
    steps: ['find the guest-physical address', 'map the page'],
    registers: { RBX: 0x55n },
    after: (machine) => {
      assert.deepEqual([...machine.peek(0x1_2345, 1)], [0x55]);
      const touched = machine.exits.filter(({ name }) => name === 'eptViolation').map((exit) => exit.guestPhysical);
      assert.deepEqual(touched, [0x8000n, 0x1_2345n]);
    },
  },
  {
    title: 'and above 2 MiB by the large page',
    bits: 32,
    source: 'mov dword [300000h], 1\nmov dword [2FF000h], 2\nmov ebx, [300000h]',
    exit: 'eptViolation',
    when: (exit) => exit.guestPhysical === 0x30_0000n,
    steps: ['find the guest-physical address', 'map the page'],
    registers: { RBX: 1n },
    after: (machine) => assert.equal(machine.exits.filter(({ name }) => name === 'eptViolation').length, 2),
  },
  {
    title: 'an event whose delivery ran into an EPT violation is delivered again',
    bits: 16,
    source: 'mov sp, 3000h\nint 40h\nmov bx, ax\njmp done\nhandler: mov ax, 1234h\niret\ndone:',
    prepare: (machine) => {
      const handler = Number(machine.symbol('handler'));
      machine.poke(0x40 * 4, Uint8Array.of(handler & 0xff, handler >> 8, 0, 0));
    },
    exit: 'eptViolation',
    when: (exit) => exit.idtVectoringInformation !== 0,
    steps: ['find the guest-physical address', 'map the page', 're-inject the interrupted event'],
    registers: { RBX: 0x1234n, RSP: 0x3000n },
  },
  {
    title: 'a store into ROM goes through once and changes nothing',
    bits: 32,
    source: 'mov al, [0F1000h]\nmov byte [0F1000h], 99h\nmov byte [0F1001h], 99h\nmov bl, [0F1000h]',
    prepare: (machine) => machine.poke(0xf_1000, Uint8Array.of(0x42, 0x43)),
    exit: 'eptViolation',
    when: (exit) => exit.guestPhysical === 0xf_1000n && (exit.qualification & 2n) !== 0n,
    steps: ['find the guest-physical address', 'open the ROM page'],
    registers: { RBX: 0x42n },
    after: (machine) => {
      assert.deepEqual([...machine.peek(0xf_1000, 2)], [0x42, 0x43]);
      assert.equal(machine.exits.filter(({ name }) => name === 'monitorTrapFlag').length, 2);
    },
  },
  {
    title: 'the monitor trap flag closes the ROM page',
    bits: 32,
    source: 'mov byte [0F1000h], 99h\nnop',
    exit: 'monitorTrapFlag',
    steps: ['close the ROM page'],
    after: (machine) => assert.equal(machine.field('PROC1_CONTROLS') & (1n << 27n), 0n),
  },
  {
    title: 'HLT waits and the interrupt is injected',
    bits: 16,
    source: 'sti\nhlt\nmov bx, ax\njmp done\nhandler: mov ax, 77h\niret\ndone:',
    prepare: (machine) => {
      const handler = Number(machine.symbol('handler'));
      machine.poke(0x21 * 4, Uint8Array.of(handler & 0xff, handler >> 8, 0, 0));
    },
    exit: 'hlt',
    when: (_exit, machine) => {
      machine.pendingVector = 0x21;
      return true;
    },
    steps: ['look at RFLAGS.IF', ADVANCE, 'wait for an interrupt', 'acknowledge the interrupt', 'inject the interrupt'],
    registers: { RBX: 0x77n },
  },
  {
    title: 'an external interrupt reaches a guest that takes it',
    bits: 16,
    source: 'cpuid\nxor ebx, ebx\nsti\nnop\nnop\nmov bx, ax\njmp done\nhandler: mov ax, 77h\niret\ndone:',
    prepare: (machine) => {
      const handler = Number(machine.symbol('handler'));
      machine.poke(0x21 * 4, Uint8Array.of(handler & 0xff, handler >> 8, 0, 0));
      machine.runTo('cpuid');
      machine.vmx.setField('GUEST_RFLAGS', 0x202n);
      machine.pendingVector = 0x21;
    },
    exit: 'externalInterrupt',
    steps: ['can the guest take it?', 'acknowledge the interrupt', 'inject the interrupt'],
    registers: { RBX: 0x77n },
  },
  {
    title: 'an interrupt for a guest with IF 0 stays in the controller',
    bits: 16,
    source: 'cpuid\nxor ebx, ebx\nnop\nnop',
    prepare: (machine) => {
      machine.runTo('cpuid');
      machine.pendingVector = 0x21;
    },
    exit: 'externalInterrupt',
    steps: ['can the guest take it?', 'ask for an interrupt window'],
    after: (machine) => assert.equal(machine.pendingVector, 0x21),
  },
  {
    title: 'and is injected when the window opens',
    bits: 16,
    source: 'cpuid\nxor ebx, ebx\nnop\nsti\nnop\nnop\nmov bx, ax\njmp done\nhandler: mov ax, 77h\niret\ndone:',
    prepare: (machine) => {
      const handler = Number(machine.symbol('handler'));
      machine.poke(0x21 * 4, Uint8Array.of(handler & 0xff, handler >> 8, 0, 0));
      machine.runTo('cpuid');
      machine.pendingVector = 0x21;
    },
    exit: 'interruptWindow',
    steps: ['close the interrupt window', 'acknowledge the interrupt', 'inject the interrupt'],
    registers: { RBX: 0x77n },
    after: (machine) => {
      assert.equal(machine.field('PROC1_CONTROLS') & 4n, 0n);
      assert.equal(machine.field('PIN_CONTROLS') & 1n, 1n);
    },
  },
  {
    title: 'an interrupt that goes away before the window opens is not injected',
    bits: 16,
    source: 'cpuid\nxor ebx, ebx\nnop\nsti\nnop\nnop\nmov bx, 1',
    prepare: (machine) => {
      machine.runTo('cpuid');
      machine.pendingVector = 0x21;
      machine.runTo('externalInterrupt');
      machine.run!.finish();
      machine.pendingVector = undefined;
    },
    exit: 'interruptWindow',
    steps: ['close the interrupt window'],
    registers: { RBX: 1n },
  },
  {
    title: 'an intercepted exception is reflected with its error code',
    bits: 32,
    source: `
      lidt [idtr]
      mov ax, 0FFF8h
      mov ds, ax
      fault: pop ebx
      out 80h, al
      idtr: dw 0FFFh
      dd 5000h`,
    exiting: { exceptions: 1 << 13 },
    prepare: (machine) => idtGate(machine, 13, 'fault'),
    exit: 'exceptionOrNmi',
    steps: ['look at the exception', 'reflect the exception'],
    registers: { RBX: 0xfff8n },
  },
  {
    title: 'an intercepted page fault sets CR2',
    bits: 64,
    source: `
      lidt [idtr]
      mov al, [600123h]
      fault: pop rbx
      mov rcx, cr2
      out 80h, al
      idtr: dw 0FFFh
      dq 5000h`,
    exiting: { exceptions: 1 << 14 },
    prepare: (machine) => idtGate(machine, 14, 'fault'),
    exit: 'exceptionOrNmi',
    steps: ['look at the exception', 'set CR2 or DR6', 'reflect the exception'],
    registers: { RBX: 0n, RCX: 0x60_0123n },
  },
  {
    title: 'an intercepted INT3 returns behind itself',
    bits: 16,
    source: `${setVectors(3)}int3\nbehind: nop\n${vectors(3)}`,
    exiting: { exceptions: 1 << 3 },
    exit: 'exceptionOrNmi',
    steps: ['look at the exception', 'reflect the exception'],
    registers: { RBX: 3n },
    after: (machine) => assert.equal(machine.state.gpr(1), machine.symbol('behind')),
  },
  {
    title: 'an intercepted single-step trap sets DR6.BS',
    bits: 16,
    source: `${setVectors(1)}pushf\nor word [esp], 100h\npopf\nnop\nbehind: nop\n${vectors(1)}`,
    exiting: { exceptions: 1 << 1 },
    exit: 'exceptionOrNmi',
    steps: ['look at the exception', 'set CR2 or DR6', 'reflect the exception'],
    registers: { RBX: 1n, DR6: 0xffff_4ff0n },
    after: (machine) => assert.equal(machine.state.gpr(1), machine.symbol('behind')),
  },
  {
    title: 'a second contributory fault becomes #DF',
    bits: 32,
    source: `
      lidt [idtr]
      mov ax, 0FFF8h
      mov ds, ax
      double_fault: pop ebx
      mov ecx, 8
      out 80h, al
      idtr: dw 0FFFh
      dd 5000h`,
    exiting: { exceptions: 1 << 11 },
    prepare: (machine) => {
      idtGate(machine, 8, 'double_fault');
      idtGate(machine, 13, 'double_fault', NOT_PRESENT);
    },
    exit: 'exceptionOrNmi',
    when: (exit) => exit.idtVectoringInformation !== 0,
    steps: ['look at the exception', 'reflect the exception'],
    registers: { RBX: 0n, RCX: 8n },
  },
  {
    title: 'an emulated instruction under TF traps behind itself',
    bits: 16,
    source: `${setVectors(1)}pushf\nor word [esp], 100h\npopf\ncpuid\nbehind: nop\n${vectors(1)}`,
    exit: 'cpuid',
    steps: CPUID_STEPS,
    after: (machine) => {
      assert.equal(machine.state.gpr32(3) & 0xff, 1);
      assert.equal(machine.state.gpr(1) & 0xffffn, machine.symbol('behind'));
    },
  },
  {
    title: 'blocking by STI ends with the emulated instruction',
    bits: 16,
    source: 'sti\ncpuid\nnop',
    exit: 'cpuid',
    steps: CPUID_STEPS,
    fields: { GUEST_INTERRUPTIBILITY: 0n },
  },
];

/** A present gate of the machine's code segment in the IDT at 5000h, of 8 or 16 bytes by the symbol table's word size. */
function idtGate(machine: TestMachine, vector: number, handler: string, access = PRESENT): void {
  const offset = Number(machine.symbol(handler));
  const wide = machine.bits === 64;
  const at = 0x5000 + vector * (wide ? 16 : 8);
  machine.poke(
    at,
    Uint8Array.of(offset & 0xff, offset >> 8, 8, 0, 0, access, 0, 0, ...(wide ? new Array<number>(8).fill(0) : [])),
  );
}

describe('hypervisor: handlers', () => {
  for (const row of ROWS)
    it(row.title, () => {
      const { bits, source, exiting } = row;
      const machine = new TestMachine({ bits, source: source + END, ...(exiting === undefined ? {} : { exiting }) });
      row.prepare?.(machine);
      machine.runTo((exit) => exit.name === row.exit && (row.when?.(exit, machine) ?? true));
      assert.deepEqual(machine.checkedSteps(), [...row.steps, 'VMRESUME']);
      machine.runTo((exit) => exit.name === 'ioInstruction' && exit.payload['port'] === END_PORT);
      for (const [name, value] of Object.entries(row.registers ?? {}))
        assert.equal(register(machine, name as RegisterName), value, name);
      for (const [key, value] of Object.entries(row.fields ?? {}))
        assert.equal(machine.field(key as VmcsFieldKey), value, key);
      if (row.log !== undefined) assert.deepEqual(machine.log, row.log);
      row.after?.(machine);
      assert.deepEqual(machine.failures, []);
    });
});

const register = (machine: TestMachine, name: RegisterName): bigint =>
  name === 'RSP' ? machine.field('GUEST_RSP') : machine.state.register(name);
