/** What the host processor cannot be asked: device-not-available and pending exceptions, images of other modes, large angles. */
import assert from 'node:assert/strict';
import { CR0 } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { X87_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/x87/index.ts';
import { decode } from '../../../debug-adapter/engine/isa/decode.ts';
import { CODE, TestMachine, type Result } from '../../cpu/harness.ts';

const IMAGE = 0x5000;
const NM = 7;
const MF = 16;

function execute(machine: TestMachine, hex: string): Result {
  const { cpu, state } = machine;
  const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  bytes.forEach((byte, i) => machine.write(Number(state.linearRip) + i, byte, 1));
  const instruction = decode(bytes, 0, bytes.length, 0n, state.codeBits);
  cpu.beginInstruction(instruction.length);
  return machine.attempt(() => X87_INSTRUCTIONS.get(instruction.code)!(cpu, instruction));
}
const setCr0 = ({ state }: TestMachine, bits: number): void =>
  state.set64(LAYOUT.cr0, BigInt((state.get32(LAYOUT.cr0) | bits) >>> 0));
const faultOf = (result: Result): number | string => (result.kind === 'fault' ? result.vector : result.kind);

describe('the x87 FPU and the rest of the processor', () => {
  const availability: readonly (readonly [name: string, cr0: number, code: string, expected: number | string])[] = [
    ['FADD', 0, 'd8 c1', 'done'],
    ['FADD under TS', CR0.TS, 'd8 c1', NM],
    ['FADD under EM', CR0.EM, 'd8 c1', NM],
    ['FNSTSW under EM', CR0.EM, 'df e0', NM],
    ['FNINIT under TS', CR0.TS, 'db e3', NM],
    ['WAIT under TS', CR0.TS, '9b', 'done'],
    ['WAIT under EM', CR0.EM, '9b', 'done'],
    ['WAIT under MP and TS', CR0.MP | CR0.TS, '9b', NM],
    ['WAIT under MP', CR0.MP, '9b', 'done'],
  ];
  for (const [name, cr0, code, expected] of availability)
    it(`${name}: ${expected === NM ? '#NM' : expected}`, () => {
      const machine = new TestMachine().protectedMode();
      setCr0(machine, cr0);
      assert.equal(faultOf(execute(machine, code)), expected);
    });

  const pending: readonly (readonly [name: string, code: string, expected: number | string])[] = [
    ['FADD', 'd8 c1', MF],
    ['WAIT', '9b', MF],
    ['FLDCW', 'd9 2d 00 50 00 00', MF],
    ['FNSTSW', 'df e0', 'done'],
    ['FNCLEX', 'db e2', 'done'],
    ['FNSTCW', 'd9 3d 00 50 00 00', 'done'],
    ['FNSAVE', 'dd 35 00 50 00 00', 'done'],
  ];
  for (const [name, code, expected] of pending)
    it(`${name} with an exception pending: ${expected === MF ? '#MF' : expected}`, () => {
      const machine = new TestMachine().protectedMode();
      setCr0(machine, CR0.NE);
      execute(machine, 'db e3');
      machine.write(IMAGE, 0x37e, 2);
      execute(machine, 'd9 2d 00 50 00 00');
      // An empty stack, and invalid operation unmasked.
      assert.equal(faultOf(execute(machine, 'd8 c1')), 'done');
      assert.equal(machine.state.get32(LAYOUT.x87Status), 0x80c1);
      assert.equal(machine.state.get32(LAYOUT.x87Opcode), 0x0c1);
      assert.equal(faultOf(execute(machine, code)), expected);
    });
  it('stops by name with an exception pending and CR0.NE clear', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.set32(LAYOUT.x87Control, 0x37e);
    machine.state.set32(LAYOUT.x87Status, 0x8081);
    const result = execute(machine, '9b');
    assert.match(result.kind === 'stop' ? result.what : '', /CR0\.NE/);
  });

  it('starts as reset leaves it, and as FNINIT does', () => {
    const { state } = new TestMachine();
    assert.deepEqual([state.get32(LAYOUT.x87Control), state.get32(LAYOUT.x87Tags)], [0x40, 0xff]);
    const machine = new TestMachine().protectedMode();
    execute(machine, 'db e3');
    assert.deepEqual([machine.state.get32(LAYOUT.x87Control), machine.state.get32(LAYOUT.x87Tags)], [0x37f, 0]);
  });

  /** FLD1, FLD m32 at 6000h, FNSTENV at 5000h. */
  function environmentAfterLoad(machine: TestMachine, load: string, store: string, bytes: 2 | 4): string[] {
    execute(machine, 'db e3');
    execute(machine, 'd9 e8');
    assert.equal(faultOf(execute(machine, load)), 'done');
    assert.equal(faultOf(execute(machine, store)), 'done');
    assert.equal(machine.state.get32(LAYOUT.x87Control), 0x37f);
    return Array.from({ length: 7 }, (_, i) => machine.read(IMAGE + i * bytes, bytes).toString(16));
  }
  it('stores the environment in the 32-bit and 16-bit protected-mode formats', () => {
    const machine = new TestMachine().protectedMode();
    const load = 'd9 05 00 60 00 00';
    const wide = environmentAfterLoad(machine, load, 'd9 35 00 50 00 00', 4);
    assert.deepEqual(wide, ['ffff037f', 'ffff3000', 'ffff1fff', CODE.toString(16), '8', '6000', 'ffff0010']);
    const narrow = environmentAfterLoad(machine, load, '66 d9 35 00 50 00 00', 2);
    assert.deepEqual(narrow, ['37f', '3000', '1fff', CODE.toString(16), '8', '6000', '10']);
  });
  it('stores linear addresses in the real-address formats', () => {
    const machine = new TestMachine();
    const segment = { limit: 0xffff, accessRights: 0x93 };
    machine.state.setSegment('CS', { selector: 0x1000, base: 0x1_0000n, ...segment });
    machine.state.rip = 0x234n;
    const load = 'd9 06 00 60';
    const wide = environmentAfterLoad(machine, load, '66 d9 36 00 50', 4);
    assert.deepEqual(wide, ['ffff037f', 'ffff3000', 'ffff1fff', 'ffff0234', '1000', 'ffff6000', '0']);
    const narrow = environmentAfterLoad(machine, load, 'd9 36 00 50', 2);
    assert.deepEqual(narrow, ['37f', '3000', '1fff', '234', '1000', '6000', '0']);
  });

  it('reduces angles with the 66-bit pi: the sine of the nearest value to pi', () => {
    const machine = new TestMachine().protectedMode();
    for (const code of ['db e3', 'd9 eb', 'd9 fe', 'db 3d 00 50 00 00']) execute(machine, code);
    // FLDPI is C90FDAA22168C235h * 2^-62; less the 66-bit pi that is 1/4 of its last place, so the sine is -2^-64.
    assert.equal(machine.read(IMAGE).toString(16), '8000000000000000');
    assert.equal(machine.read(IMAGE + 8, 2).toString(16), 'bfbf');
  });
});
