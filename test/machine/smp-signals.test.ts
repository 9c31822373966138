/** What processors send each other: interrupts, NMI, INIT and start-up IPIs. */
import assert from 'node:assert/strict';
import { budget, runToStop } from './guest.ts';
import { result, startParallel, word } from './parallel.ts';

const PROCESSORS = 4;

/** Counts in `per_processor`, by the initial APIC id; ends the interrupt as the mode of the local APIC wants it. */
const handler = (end: string): string => `
handler:
  pushad
  mov eax, 1
  cpuid
  shr ebx, 24
  lock inc dword [per_processor + ebx * 4]
  ${end}
  popad
  iret
gate:
  mov eax, handler
  mov [0x60000 + edi * 8], ax
  mov word [0x60000 + edi * 8 + 2], cs
  mov word [0x60000 + edi * 8 + 4], 0x8e00
  shr eax, 16
  mov [0x60000 + edi * 8 + 6], ax
  ret
`;
const XAPIC = handler('mov dword [0xfee000b0], 0');
const X2APIC = handler('mov ecx, 0x80b\nxor eax, eax\nxor edx, edx\nwrmsr');

/** All prepare themselves, ESI being their APIC id; then the bootstrap processor sends. Gives how often each was interrupted. */
function hits(prepare: string, send: string, more = XAPIC): number[] {
  const guest = startParallel(
    `mov esi, eax
     mov edi, 2
     call gate
     mov edi, 0x40
     call gate
     lidt [idtr]
     ${prepare}
     test esi, esi
     jz .sender
     lock inc dword [ready]
     sti
   .wait:
     pause
     cmp dword [go], 0
     je .wait
     cli
     ret
   .sender:
     pause
     cmp dword [ready], ${PROCESSORS - 1}
     jne .sender
     ${send}
     sti
     mov ecx, 20
   .settle:
     pause
     dec ecx
     jnz .settle
     cli
     mov dword [go], 1`,
    PROCESSORS,
    more,
  );
  assert.equal(result(guest), PROCESSORS);
  return Array.from({ length: PROCESSORS }, (_, index) => word(guest, 'per_processor', index));
}

const send = (command: number, to = 0): string =>
  `mov dword [0xfee00310], ${to << 24}\nmov dword [0xfee00300], ${command}`;
const sendWide = (command: number, to: number): string => `mov ecx, 0x830\nmov edx, ${to}\nmov eax, ${command}\nwrmsr`;
/** The logical id has one bit for each processor; `model` is the destination format. */
const logical = (model: number, above: number): string => `
  mov dword [0xfee000e0], ${model}
  mov ecx, esi
  mov eax, 0x01000000
  shl eax, cl
  or eax, ${above}
  mov [0xfee000d0], eax`;
const FLAT = logical(0xffff_ffff, 0);
const CLUSTER_1 = logical(0x0fff_ffff, 0x1000_0000);
const INTO_X2APIC = 'mov ecx, 0x1b\nrdmsr\nor eax, 0x400\nwrmsr';

describe('interrupts between processors', function () {
  this.timeout(30_000);

  const CASES: readonly (readonly [name: string, got: () => number[], expected: readonly number[]])[] = [
    ['all others', () => hits('', send(0xc_4040)), [0, 1, 1, 1]],
    ['all', () => hits('', send(0x8_4040)), [1, 1, 1, 1]],
    ['itself', () => hits('', send(0x4_4040)), [1, 0, 0, 0]],
    ['an id', () => hits('', send(0x4040, 2)), [0, 0, 1, 0]],
    ['the id FFh', () => hits('', send(0x4040, 0xff)), [1, 1, 1, 1]],
    ['an id that nobody has', () => hits('', send(0x4040, 9)), [0, 0, 0, 0]],
    ['logical ids, flat', () => hits(FLAT, send(0x4840, 0x0a)), [0, 1, 0, 1]],
    ['logical ids of a cluster', () => hits(CLUSTER_1, send(0x4840, 0x16)), [0, 1, 1, 0]],
    ['logical ids of another cluster', () => hits(CLUSTER_1, send(0x4840, 0x26)), [0, 0, 0, 0]],
    ['all others, as NMI', () => hits('', send(0xc_4400)), [0, 1, 1, 1]],
    ['an x2APIC id', () => hits(INTO_X2APIC, sendWide(0x4040, 3), X2APIC), [0, 0, 0, 1]],
    ['the x2APIC id FFFFFFFFh', () => hits(INTO_X2APIC, sendWide(0x4040, 0xffff_ffff), X2APIC), [1, 1, 1, 1]],
    ['logical x2APIC ids', () => hits(INTO_X2APIC, sendWide(0x4840, 6), X2APIC), [0, 1, 1, 0]],
    [
      'itself, by x2APIC',
      () => hits(INTO_X2APIC, 'mov ecx, 0x83f\nxor edx, edx\nmov eax, 0x40\nwrmsr', X2APIC),
      [1, 0, 0, 0],
    ],
  ];
  for (const [to, got, expected] of CASES) it(`reach ${to}`, () => assert.deepEqual(got(), expected));

  it('of lowest priority reach the processor with the lowest', () => {
    const priorities = `${FLAT}
      mov eax, 0x30
      cmp esi, 2
      jne .priority
      mov eax, 0x10
    .priority:
      mov [0xfee00080], eax`;
    assert.deepEqual(hits(priorities, send(0x4940, 0x0e)), [0, 0, 1, 0]);
  });

  it('do not reach a local APIC that is disabled', () => {
    const disableTwo = `
      cmp esi, 2
      jne .enabled
      mov ecx, 0x1b
      rdmsr
      and eax, ~0x800
      wrmsr
    .enabled:`;
    assert.deepEqual(hits(disableTwo, send(0xc_4040)), [0, 1, 0, 1]);
  });
});

describe('INIT', function () {
  this.timeout(30_000);

  /** Processor 1 gets INIT and SIPI in an endless loop: it passes `work` a second time, as `again`. */
  const restarted = (first: string, again: string): ReturnType<typeof startParallel> => {
    const guest = startParallel(
      `test eax, eax
       jz .sender
       cmp dword [shared], 0
       jne .again
       ${first}
       mov dword [shared], 1
       jmp $
     .again:
       ${again}
       ret
     .sender:
       pause
       cmp dword [shared], 1
       jne .sender
       ${send(0x4500, 1)}
       ${send(0x4609, 1)}`,
      2,
    );
    assert.equal(result(guest), 2);
    return guest;
  };

  it('keeps MSRs and what FXSAVE stores, and clears control and debug registers', () => {
    const guest = restarted(
      `mov ecx, 0xc0000103
       mov eax, 0x77
       xor edx, edx
       wrmsr
       mov ecx, 0x2ff
       mov eax, 0xc06
       wrmsr
       mov eax, 0x123
       mov dr0, eax
       mov cr2, eax
       mov eax, cr4
       or eax, 0x210
       mov cr4, eax
       movd xmm3, esp`,
      `mov ecx, 0xc0000103
       rdmsr
       mov [per_processor], eax
       mov ecx, 0x2ff
       rdmsr
       mov [per_processor + 4], eax
       mov eax, dr0
       mov [per_processor + 8], eax
       mov eax, cr2
       mov [per_processor + 12], eax
       mov eax, cr4
       mov [per_processor + 16], eax
       or eax, 0x200
       mov cr4, eax
       movd [per_processor + 20], xmm3
       mov eax, [0xfee000f0]
       mov [per_processor + 24], eax`,
    );
    const seen = [0, 1, 2, 3, 4].map((index) => word(guest, 'per_processor', index));
    assert.deepEqual(seen, [0x77, 0xc06, 0, 0, 0]);
    assert.notEqual(word(guest, 'per_processor', 5), 0, 'XMM3');
    assert.equal(word(guest, 'per_processor', 6), 0x1ff, 'enabled again by the program, not by itself');
  });

  it('puts a processor to sleep until a start-up IPI comes, whatever else does', () => {
    const guest = startParallel(
      `test eax, eax
       jz .sender
       mov dword [shared], 1
       jmp $
     .sender:
       pause
       cmp dword [shared], 1
       jne .sender
       ${send(0x4500, 1)}
       ${send(0x4400, 1)}
       ${send(0x4040, 1)}
       mov ecx, 10
     .settle:
       pause
       loop .settle
       cli
       hlt`,
      2,
    );
    const stop = runToStop(guest.machine);
    assert.equal(stop.kind, 'halted');
    assert.equal(guest.machine.inspect.mode(1).activity, 'wait-for-sipi');
    assert.equal(guest.machine.inspect.register(1, 'RIP'), 0xfff0n);
  });

  it('resets the bootstrap processor to its reset vector', () => {
    const guest = startParallel(`${send(0x4_4500)}\njmp $`, 1);
    for (let turn = 0; turn < 100 && guest.machine.inspect.register(0, 'CS') !== 0xf000n; turn++)
      guest.machine.run(budget(1));
    assert.equal(guest.machine.inspect.register(0, 'RIP'), 0xfff0n);
    assert.equal(guest.machine.inspect.register(0, 'RAX'), 0n);
    assert.equal(guest.machine.inspect.mode(0).activity, 'active');
  });

  it('is not needed twice: a start-up IPI to a running processor is ignored', () => {
    const guest = startParallel('lock inc dword [shared]', 4);
    assert.equal(result(guest), 4);
    assert.equal(word(guest, 'shared'), 4);
  });
});
