import assert from 'node:assert/strict';
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import { COMMANDS } from '../../debug-adapter/protocol/ids.ts';
import type { ExitsBody } from '../../debug-adapter/protocol/exits.ts';
import type { PageWalkBody } from '../../debug-adapter/protocol/page-walk.ts';
import type { VmcsBody } from '../../debug-adapter/protocol/vmcs.ts';
import { Debugger, sample, until } from './support.ts';

/** The line of 00-hello with the first instruction, counting from 1. */
const FIRST_LINE = 15;

describe('debugging 00-hello', () => {
  const debug = new Debugger();
  after(() => debug.dispose());
  afterEach(async () => debug.end());

  const open = async (name: string): Promise<vscode.TextEditor> =>
    vscode.window.showTextDocument(await vscode.workspace.openTextDocument(sample(name)));
  const launch = (attributes: object) => async (): Promise<boolean> =>
    vscode.debug.startDebugging(undefined, {
      type: 'hyperstep',
      request: 'launch',
      name: 'test',
      program: sample('00-hello/hello.asm').fsPath,
      ...attributes,
    });

  it('starts with F5 alone and stops on the first instruction', async () => {
    await open('00-hello/hello.asm');
    const stop = await debug.stopAfter(async () => vscode.commands.executeCommand('workbench.action.debug.start'));
    assert.equal(stop.reason, 'entry');
    const frame = await debug.topFrame();
    assert.equal(frame.line, FIRST_LINE);
    // In a remote window the debug service has made a URI of the path.
    assert.ok(frame.source?.path?.endsWith(sample('00-hello/hello.asm').path));
    // A program that says nothing about it runs under the built-in hypervisor.
    assert.equal(debug.session.configuration['mode'], 'vm');
  });

  it('shows registers', async () => {
    await debug.stopAfter(launch({}));
    const { scopes } = await debug.request<DebugProtocol.ScopesResponse['body']>('scopes', {
      frameId: (await debug.topFrame()).id,
    });
    const registers = scopes.find(({ name }) => name === 'Registers');
    assert.ok(registers);
    const { variables } = await debug.request<DebugProtocol.VariablesResponse['body']>('variables', {
      variablesReference: registers.variablesReference,
    });
    const rip = variables.find(({ name }) => name.toLowerCase() === 'rip');
    assert.match(rip?.value ?? '', /7c00/i);
  });

  it('starts with "Debug Guest Program" and steps', async () => {
    await open('00-hello/hello.asm');
    await debug.stopAfter(async () => vscode.commands.executeCommand(COMMANDS.debugFile));
    await debug.stopAfter(async () => vscode.commands.executeCommand('workbench.action.debug.stepOver'));
    assert.equal((await debug.topFrame()).line, FIRST_LINE + 1);
  });

  it('stops at a breakpoint set before the start', async () => {
    const line = FIRST_LINE + 7;
    const breakpoint = new vscode.SourceBreakpoint(
      new vscode.Location(sample('00-hello/hello.asm'), new vscode.Position(line - 1, 0)),
    );
    vscode.debug.addBreakpoints([breakpoint]);
    try {
      const stop = await debug.stopAfter(launch({ stopOnEntry: false }));
      assert.equal(stop.reason, 'breakpoint');
      assert.equal((await debug.topFrame()).line, line);
    } finally {
      vscode.debug.removeBreakpoints([breakpoint]);
    }
  });

  it('runs to the next VM exit, which the log then ends with', async () => {
    await debug.stopAfter(launch({ mode: 'vm' }));
    await debug.stopAfter(async () => vscode.commands.executeCommand(COMMANDS.runToNextExit));
    const { total, rows } = await debug.request<ExitsBody>('hyperstep/exits', { start: -1, count: 1 });
    assert.equal(total, 1);
    // The built-in hypervisor maps memory when the guest first touches it.
    assert.equal(rows[0]?.name, 'eptViolation');
    assert.match(rows[0]?.place.symbol ?? '', /^start/);
    const vmcs = await debug.request<VmcsBody>('hyperstep/vmcs');
    assert.equal(vmcs.present, true);
  });

  it('has no VMCS on the bare machine, and says why', async () => {
    await debug.stopAfter(launch({ mode: 'bare' }));
    const vmcs = await debug.request<VmcsBody>('hyperstep/vmcs');
    assert.equal(vmcs.present, false);
    assert.match(vmcs.because, /\.$/);
  });

  it('walks the guest’s and the hypervisor’s tables', async () => {
    await debug.stopAfter(launch({ mode: 'vm' }));
    const missing = await debug.request<PageWalkBody>('hyperstep/pageWalk', { address: '0x7c00' });
    assert.match(missing.failure ?? '', /^EPT violation/);
    await debug.stopAfter(async () => vscode.commands.executeCommand('workbench.action.debug.stepOver'));
    const walk = await debug.request<PageWalkBody>('hyperstep/pageWalk', { address: '0x7c00' });
    assert.equal(walk.mode, 'off');
    assert.equal(walk.nested, true);
    assert.equal(walk.failure, undefined);
    assert.equal(walk.ept?.steps.length, 4);
  });

  it('opens memory as text with the bytes of the program', async () => {
    await debug.stopAfter(launch({ mode: 'bare' }));
    await vscode.commands.executeCommand(COMMANDS.openMemory, {
      reference: '0x0000000000007c00',
      bytes: 2,
      title: 'boot sector',
    });
    const text = await until('the memory document', () =>
      vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === 'hyperstep-memory')?.getText(),
    );
    // xor ax, ax
    assert.match(text, /^00007c00 {2}31 c0 /m);
  });
});
