import assert from 'node:assert/strict';
import { checkLaunch, closest } from '../../../extension/debugging/launch-check.ts';

const GOOD = { type: 'hyperstep', request: 'launch', name: 'x', program: '/a/b.asm' };
const problemsOf = (more: Readonly<Record<string, unknown>>) => checkLaunch({ ...GOOD, ...more });

describe('extension: launch attributes', () => {
  it('accepts a full configuration, and what VS Code adds to it', () => {
    const full = {
      mode: 'bare',
      memory: 128,
      stopOnEntry: false,
      defines: { FAULT: 3, NAME: 'x' },
      includePaths: ['lib'],
      symbols: '/a/b.elf',
      stopOn: ['cpuid'],
      noDebug: true,
      preLaunchTask: 'build',
      __sessionId: '1',
    };
    assert.deepEqual(problemsOf(full), []);
  });

  const refused: readonly (readonly [Readonly<Record<string, unknown>>, string, RegExp])[] = [
    [{ program: undefined }, 'program', /"program" is missing; write the path/],
    [{ program: '' }, 'program', /"program" is empty/],
    [{ program: 7 }, 'program', /"program" is 7; write a string/],
    [{ mode: 'host' }, 'mode', /"mode" is "host"; write "bare" or "vm"/],
    [{ memory: true }, 'memory', /"memory" is true; write a string or a number/],
    [{ stopOnEntry: 'yes' }, 'stopOnEntry', /"stopOnEntry" is "yes"; write true or false/],
    [{ defines: { FAULT: [1] } }, 'defines', /"defines" .* write an object of strings and numbers/],
    [{ stopOn: 'cpuid' }, 'stopOn', /"stopOn" is "cpuid"; write an array of strings/],
    [{ stopOnEntri: true }, 'stopOnEntri', /"stopOnEntri" is unknown. Did you mean "stopOnEntry"\?/],
    [{ quux: 1 }, 'quux', /"quux" is unknown. Remove it; the attributes are program, /],
  ];
  for (const [attributes, attribute, message] of refused) {
    it(`refuses ${JSON.stringify(attributes)}`, () => {
      const problems = problemsOf(attributes);
      assert.deepEqual(
        problems.map((problem) => problem.attribute),
        [attribute],
      );
      assert.match(problems[0]?.message ?? '', message);
    });
  }

  it('finds the word that was meant only where it is near', () => {
    assert.equal(closest('Memory', ['memory', 'mode']), 'memory');
    assert.equal(closest('moed', ['memory', 'mode']), undefined);
    assert.equal(closest('include', ['program', 'mode']), undefined);
  });
});
