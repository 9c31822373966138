import assert from 'node:assert/strict';
import path from 'node:path';
import { LAUNCH_ATTRIBUTES, EDITOR_ATTRIBUTES } from '../../debug-adapter/protocol/launch.ts';
import { presetsFor, withoutComments } from '../../debug-adapter/session/presets.ts';
import { readLaunchArguments } from '../../debug-adapter/session/launch-arguments.ts';
import { ROOT } from './client.ts';

describe('launch configurations on the command line', () => {
  it('may have comments and trailing commas, but not in strings', () => {
    const text = '{ // note\n "a": "x // y, ]", /* more */ "b": [1, 2,], }';
    assert.deepEqual(JSON.parse(withoutComments(text)), { a: 'x // y, ]', b: [1, 2] });
  });

  it('are found for a sample, with the folder put in, and are all valid', () => {
    const program = path.join(ROOT, 'samples/02-tinyos/tinyos.asm');
    const presets = presetsFor(program);
    assert.deepEqual(
      presets.map(({ attributes }) => attributes['mode']),
      ['bare', 'vm'],
    );
    for (const { attributes, workspace } of presets) {
      assert.equal(workspace, path.join(ROOT, 'samples'));
      assert.equal(readLaunchArguments(attributes).program, program);
    }
  });

  it('know every attribute of a configuration by exactly one list', () => {
    for (const name of EDITOR_ATTRIBUTES) assert.ok(!(name in LAUNCH_ATTRIBUTES), name);
  });
});
