/**
 * Emitted system instructions against their TypeScript implementations: random machines, most of which let the instruction do its
 * work, in all the ways that may go wrong one at a time.
 */
import assert from 'node:assert/strict';
import { CR0, CR4, EFER } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { AC, ARITHMETIC_FLAGS, DF, ID, IF, IOPL_BIT, NT, RF, TF } from '../../../debug-adapter/engine/cpu/flags.ts';
import { GuestFault } from '../../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { SYSTEM_ROWS } from '../../../debug-adapter/engine/instructions/system/emitted/index.ts';
import { SYSTEM_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/system/index.ts';
import { codeName } from '../../../debug-adapter/engine/isa/codes.ts';
import { decode } from '../../../debug-adapter/engine/isa/decode.ts';
import { CODE, CODE_OFFSET, DATA, DEFAULT_SEGMENTS, STACK, type Outcome, type Setup } from '../environment.ts';
import { Rig } from '../rig.ts';
import { Random } from '../x87/cases.ts';

const GDT = DATA.at;
const IDT = DATA.at + 0x1000;
const TSS = DATA.at + 0x3000;
const KERNEL_STACK = STACK.at + 0x9000;
const HANDLER = CODE.at + 0x400;
const VECTOR = 0x80;
const [RCX, RDX, RSP, R11] = [1, 2, 4, 11];

/** Selectors of the table that `tables` writes: code and data of both privileges as SYSCALL, SYSENTER and their returns want them. */
const SEL = { kernelCode: 0x08, kernelData: 0x10, userCode: 0x28, userData: 0x20, free: 0x30 } as const;
const DESCRIPTORS: readonly (readonly [number, bigint])[] = [
  [SEL.kernelCode, 0x00af_9b00_0000_ffffn],
  [SEL.kernelData, 0x00cf_9300_0000_ffffn],
  [0x18, 0x00cf_fb00_0000_ffffn],
  [SEL.userData, 0x00cf_f300_0000_ffffn],
  [SEL.userCode, 0x00af_fb00_0000_ffffn],
];

const CASES = 350;
const BYTES: Readonly<Record<string, string>> = {
  Int_imm8: 'cd 80',
  Iretq: '48 cf',
  Syscall: '0f 05',
  Sysretq: '48 0f 07',
  Sysenter: '0f 34',
  Sysexitq: '48 0f 35',
  Cli: 'fa',
  Pushfq: '9c',
  Pushfw: '66 9c',
  Popfq: '9d',
  Popfw: '66 9d',
};
/** Forms of 32-bit code, in which the same rows execute. */
const BYTES_32: Readonly<Record<string, string>> = {
  Pushfd: '9c',
  Popfd: '9d',
  Pushfw: '66 9c',
  Popfw: '66 9d',
  Cli: 'fa',
};

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** Words of the state that count loops and boundaries, not what the instruction does. */
const NOT_COMPARED = new Set<number>([
  ...[LAYOUT.budget, LAYOUT.record, LAYOUT.attention, LAYOUT.boundary],
  ...[LAYOUT.retired, LAYOUT.transfer, LAYOUT.pageRip, LAYOUT.armedAt].flatMap((at) => [at, at + 4]),
]);

interface Everything {
  readonly state: Readonly<Record<string, number>>;
  readonly outcome: Outcome;
}

/** One machine, made anew for each of the two ways from the same random numbers. */
class SystemRig {
  handedOver = 0;
  private readonly rig = new Rig(
    'hot',
    new Map(
      [...SYSTEM_INSTRUCTIONS].map(([code, meaning]) => [
        code,
        (...parameters: Parameters<typeof meaning>) => (this.handedOver++, meaning(...parameters)),
      ]),
    ),
  );

  private prepare(code: Uint8Array, bits: 32 | 64, random: Random): Setup {
    const user = random.below(2) === 0;
    const rarely = (): boolean => random.below(40) === 0;
    const cells = new Map<number, number>();
    const quad = (at: number, value: bigint): void => {
      for (let i = 0; i < 8; i++) cells.set(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
    };
    const flip = (value: bigint, width: number): bigint =>
      rarely() ? value ^ (1n << BigInt(random.below(width))) : value;
    for (const [selector, value] of DESCRIPTORS) quad(GDT + selector, flip(value, 64));
    const gateType = random.pick([0x8e, 0xee, 0xee, 0xef, 0xef]);
    quad(
      IDT + 16 * VECTOR,
      flip(BigInt(HANDLER & 0xffff) | (8n << 16n) | (BigInt(gateType) << 40n) | (BigInt(HANDLER >>> 16) << 48n), 64),
    );
    quad(IDT + 16 * VECTOR + 8, rarely() ? random.bits(64) : 0n);
    quad(TSS + 4, flip(BigInt(KERNEL_STACK + random.below(16)), 64));
    const flags =
      (random.word() & (ARITHMETIC_FLAGS | DF | IF | ID)) |
      (random.below(4) << IOPL_BIT) |
      (random.below(6) === 0 ? AC : 0) |
      [TF, NT, RF].reduce((sum, flag) => sum | (rarely() ? flag : 0), 0);
    const top = STACK.at + 0x8000 + (random.below(3) === 0 ? random.below(16) : 0) - (rarely() ? 0x7ff0 : 0);
    // What IRET and POPF find.
    const back = user || random.below(2) === 0 ? 3 : 0;
    const frame = [
      BigInt(HANDLER + random.below(64)),
      BigInt(back === 3 ? SEL.userCode | 3 : SEL.kernelCode),
      BigInt((random.word() & (ARITHMETIC_FLAGS | DF | IF | ID | (3 << IOPL_BIT))) | (rarely() ? random.word() : 2)),
      BigInt(STACK.at + 0x4000 + random.below(64)),
      BigInt(back === 3 ? SEL.userData | 3 : random.below(2) === 0 ? 0 : SEL.kernelData),
    ];
    frame.forEach((value, i) => quad(top + 8 * i, flip(value, 64)));
    const gpr = Array.from({ length: 16 }, () => random.bits(bits));
    gpr[RSP] = BigInt(top);
    gpr[RCX] = flip(BigInt(HANDLER + 3), 64);
    gpr[RDX] = flip(BigInt(HANDLER + 5), 64);
    gpr[R11] = frame[2]!;
    const setup: Setup = {
      bits,
      code,
      codeAt: CODE.at + CODE_OFFSET,
      gpr,
      flags: 0,
      segments: DEFAULT_SEGMENTS[bits],
      cells,
    };
    this.rig.prepare(setup, 'warm');
    const { state, cpu } = this.rig;
    const cpl = user ? 3 : 0;
    const rights = (own: number): number => own | (cpl << 5);
    const flat = { base: 0n, limit: 0xffff_ffff };
    const code64 = bits === 64 ? 0xa09b : 0xc09b;
    state.setSegment('CS', {
      selector: user ? SEL.userCode | 3 : SEL.kernelCode,
      ...flat,
      accessRights: rights(code64),
    });
    state.setSegment('SS', {
      selector: user ? SEL.userData | 3 : SEL.kernelData,
      ...flat,
      accessRights: rights(0xc093),
    });
    for (const name of ['ES', 'DS', 'FS', 'GS'] as const)
      state.setSegment(name, {
        selector: SEL.userData | 3,
        base: BigInt(random.below(100)),
        limit: 0xffff_ffff,
        accessRights: random.pick([0xc0f3, 0xc093, 0xc0fb, 0xc09f, 0x1_0000]),
      });
    state.setSegment('TR', { selector: 0x40, base: BigInt(TSS), limit: rarely() ? 10 : 0x67, accessRights: 0x8b });
    state.set64(LAYOUT.gdtrBase, BigInt(GDT));
    state.set32(LAYOUT.gdtrLimit, rarely() ? 0x0f : 0x2f);
    state.set64(LAYOUT.idtrBase, BigInt(IDT));
    state.set32(LAYOUT.idtrLimit, rarely() ? 0x7ff : 0xfff);
    state.set64(LAYOUT.cr4, BigInt(CR4.PAE | (random.below(4) === 0 ? CR4.SMAP : 0)));
    const alignment = random.below(6) === 0 ? CR0.AM : 0;
    state.set64(LAYOUT.cr0, BigInt((CR0.PE | CR0.PG | CR0.ET | CR0.WP | alignment) >>> 0));
    state.set64(LAYOUT.efer, BigInt(EFER.LME | EFER.LMA | EFER.NXE | (rarely() ? 0 : EFER.SCE)));
    state.set64(LAYOUT.star, (BigInt(0x18 | 3) << 48n) | (BigInt(SEL.kernelCode) << 32n));
    state.set64(LAYOUT.lstar, BigInt(HANDLER));
    state.set64(LAYOUT.fmask, rarely() ? random.bits(32) : BigInt(IF | DF | TF));
    state.set64(LAYOUT.sysenterCs, rarely() ? 0n : BigInt(SEL.kernelCode));
    state.set64(LAYOUT.sysenterEip, BigInt(HANDLER));
    state.set64(LAYOUT.sysenterEsp, BigInt(KERNEL_STACK));
    state.set64(LAYOUT.pendingDebug, 0n);
    state.set32(LAYOUT.boundary, 0);
    state.set32(LAYOUT.interruptibility, rarely() ? 8 : 0);
    state.set32(LAYOUT.activity, 0);
    state.set32(LAYOUT.vmxMode, 0);
    state.rflags = flags;
    cpu.modeChanged();
    this.warm(top);
    return setup;
  }

  /** Has the TLB answer for what the instruction looks at, as it does after the first time. */
  private warm(top: number): void {
    const { cpu } = this.rig;
    const tried = (access: () => unknown): void => {
      try {
        access();
      } catch (error) {
        // Under SMAP the windows, which are user pages, are closed to CPL 0.
        if (!(error instanceof GuestFault)) throw error;
      }
    };
    for (const at of [GDT, IDT, IDT + 16 * VECTOR, TSS, top, STACK.at + 0x4000, KERNEL_STACK - 64].map(BigInt)) {
      tried(() => cpu.readSystem(at, 8));
      tried(() => cpu.readLinear(at, 8));
    }
    for (const at of [KERNEL_STACK - 64, top - 64].map(BigInt))
      tried(() => cpu.writeSystem(at, 8, cpu.readSystem(at, 8)));
  }

  private everything(setup: Setup, fault: Outcome['fault']): Everything {
    const { state } = this.rig;
    const words: Record<string, number> = {};
    for (let at = 0; at < LAYOUT.vectors; at += 4) if (!NOT_COMPARED.has(at)) words[at] = state.get32(at);
    return { state: words, outcome: this.rig.outcome(setup, fault) };
  }

  emitted(code: Uint8Array, bits: 32 | 64, seed: number): Everything {
    const setup = this.prepare(code, bits, new Random(seed));
    const stop = this.rig.executor.run(1, false);
    const event = stop.kind === 'exception' ? stop.event : undefined;
    return this.everything(
      setup,
      event && { vector: event.vector, errorCode: event.errorCode ?? 0, linear: event.linear },
    );
  }
  defined(code: Uint8Array, bits: 32 | 64, seed: number): Everything {
    const setup = this.prepare(code, bits, new Random(seed));
    const { cpu, state } = this.rig;
    const instruction = decode(code, 0, code.length, 0n, bits);
    // What the executor does first; nothing is pending.
    cpu.pendingBoundary();
    cpu.beginInstruction(instruction.length);
    try {
      SYSTEM_INSTRUCTIONS.get(instruction.code)!(cpu, instruction);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      return this.everything(setup, { vector: error.vector, errorCode: error.errorCode ?? 0, linear: error.linear });
    }
    state.rip = cpu.nextRip;
    return this.everything(setup, undefined);
  }
}

describe('emitted system instructions', () => {
  it('are all tried', () => {
    const tried = new Set([...Object.keys(BYTES), ...Object.keys(BYTES_32)]);
    assert.deepEqual(
      SYSTEM_ROWS.flatMap(({ codes }) => codes).filter((code) => !tried.has(code)),
      [],
    );
  });

  for (const [bits, table] of [[64, BYTES] as const, [32, BYTES_32] as const])
    for (const [name, hex] of Object.entries(table))
      it(`${name} in ${bits}-bit code does what its TypeScript implementation does, and mostly itself`, function () {
        this.timeout(20_000);
        const rig = new SystemRig();
        const code = bytesOf(hex);
        assert.equal(codeName(decode(code, 0, code.length, 0n, bits).code), name);
        for (let seed = 1; seed <= CASES; seed++) {
          const emitted = rig.emitted(code, bits, seed);
          assert.deepEqual(emitted, rig.defined(code, bits, seed), `seed ${seed}`);
        }
        const share = rig.handedOver / CASES;
        assert.ok(share < 0.8, `${(100 * share).toFixed(0)} % were handed over`);
      });
});
