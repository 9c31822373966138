import assert from 'node:assert/strict';
import { CONTROLS, CONTROL_GROUPS, CONTROL_KEYS, FLEXIBLE_DEFAULT1 } from '../../debug-adapter/engine/vmx/controls.ts';
import { EXIT_NAMES, EXIT_REASONS, exitNameOf } from '../../debug-adapter/engine/vmx/exit-reasons.ts';
import { INSTRUCTION_ERRORS, instructionErrorMeaning } from '../../debug-adapter/engine/vmx/instruction-errors.ts';
import {
  VMCS_ENCODINGS,
  fieldAccess,
  indexOfEncoding,
  vmcsField,
  vmcsFields,
} from '../../debug-adapter/engine/vmx/vmcs-fields.ts';

describe('VMX tables', () => {
  it('has 206 fields and 284 encodings, each with its own slot', () => {
    assert.equal(vmcsFields.length, 206);
    assert.equal(VMCS_ENCODINGS.length, 284);
    assert.equal(new Set(vmcsFields.map((field) => field.slot)).size, 206);
    assert.equal(new Set(vmcsFields.map((field) => field.name)).size, 206);
  });

  it('keeps every full encoding even and its reserved bits clear', () => {
    for (const field of vmcsFields) assert.equal(field.encoding & 0x9001, 0, field.key);
    assert.equal(Math.max(...VMCS_ENCODINGS.map(indexOfEncoding)), 41);
  });

  it('derives width and area from the encoding', () => {
    assert.deepEqual(
      [vmcsField('VPID'), vmcsField('EPTP'), vmcsField('EXIT_REASON'), vmcsField('HOST_RIP')].map((field) => [
        field.width,
        field.area,
        field.bytes,
        field.readOnly,
      ]),
      [
        ['16', 'control', 2, false],
        ['64', 'control', 8, false],
        ['32', 'exit information', 4, true],
        ['natural', 'host state', 8, false],
      ],
    );
    assert.deepEqual(fieldAccess(0x201b), { field: vmcsField('EPTP'), high: true });
    assert.equal(fieldAccess(0x6801), undefined);
    assert.equal(fieldAccess(0x4001), undefined);
  });

  it('names 80 exit reasons, each once', () => {
    assert.equal(EXIT_NAMES.length, 80);
    assert.equal(new Set(EXIT_NAMES.map((name) => EXIT_REASONS[name].code)).size, 80);
    assert.equal(exitNameOf(48), 'eptViolation');
    for (const unassigned of [35, 38, 42, 71, 82, 83]) assert.equal(exitNameOf(unassigned), undefined);
  });

  it('names 105 control bits, none twice, none in the must-be-1 reserved positions but the flexible four', () => {
    assert.equal(CONTROL_KEYS.length, 105);
    assert.equal(new Set(CONTROL_KEYS.map((key) => `${CONTROLS[key].group}.${CONTROLS[key].bit}`)).size, 105);
    const overlapping = CONTROL_KEYS.filter((key) => {
      const { group, bit } = CONTROLS[key];
      return ((CONTROL_GROUPS[group].default1 >>> bit) & 1) === 1;
    });
    assert.deepEqual(new Set(overlapping), new Set(FLEXIBLE_DEFAULT1));
  });

  it('explains the 25 instruction errors and no others', () => {
    assert.equal(Object.keys(INSTRUCTION_ERRORS).length, 25);
    for (const unused of [0, 14, 21, 27, 29]) assert.equal(instructionErrorMeaning(unused), undefined);
    assert.match(instructionErrorMeaning(7)!, /control/);
  });
});
