/** MONITOR reads its byte at DS:rAX, or through another segment; MWAIT goes on. */
import assert from 'node:assert/strict';
import { runToStop, startCode, stopsFor } from './guest.ts';

const END = 'xor ecx, ecx\nmwait\nxor eax, eax\nout 0xf4, eax';

describe('MONITOR and MWAIT', function () {
  this.timeout(20_000);

  for (const bits of [16, 32, 64] as const) {
    for (const [title, source] of [
      ['at DS:rAX', 'mov eax, 0x9000\nxor ecx, ecx\nxor edx, edx\nmonitor'],
      ['through another segment', 'mov eax, 0x9000\nxor ecx, ecx\nxor edx, edx\ndb 0x65\nmonitor'],
      ['with the other address size', 'mov eax, 0x9000\nxor ecx, ecx\nxor edx, edx\ndb 0x67\nmonitor'],
    ] as const)
      it(`goes on after it ${title}, ${bits} bits`, () => {
        assert.deepEqual(runToStop(startCode(bits, `${source}\n${END}`).machine), { kind: 'power-off', status: 1 });
      });
  }

  for (const [title, bits, source, name] of [
    ['a page that is not there', 64, 'mov rax, 0x0000700000000000\nxor ecx, ecx\nmonitor', '#PF'],
    ['an address that is not canonical', 64, 'mov rax, 0x1000000000000000\nxor ecx, ecx\nmonitor', '#GP'],
    ['an address beyond the limit', 16, 'mov eax, 0x10000\nxor ecx, ecx\ndb 0x67\nmonitor', '#GP'],
    ['extensions in ECX', 32, 'mov eax, 0x9000\nmov ecx, 1\nmonitor', '#GP'],
  ] as const) {
    it(`raises ${name} for ${title}`, () => {
      const { machine } = startCode(bits, `${source}\n${END}`);
      machine.setStopConditions(stopsFor({ exception: () => true }));
      const stop = runToStop(machine);
      assert.ok(stop.kind === 'exception' && stop.fault.name.startsWith(name), JSON.stringify(stop.kind));
    });
  }

  it('does not carry AX beyond 16 bits with an address size of 16', () => {
    const { machine } = startCode(16, `mov eax, 0xffff9000\nxor ecx, ecx\nmonitor\n${END}`);
    assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 1 });
  });
});
