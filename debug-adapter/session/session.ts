/** One debug session: from `initialize` to `disconnect`, over at most one machine at a time. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { UserError } from '../debugger/user-error.ts';
import type { Frame } from '../debugger/stack.ts';
import { ProcessorView } from '../debugger/processor.ts';
import { continuePlan } from '../debugger/stepping.ts';
import type { Plan } from '../debugger/stepping.ts';
import { toBreakpoint } from '../present/breakpoint.ts';
import { exitCounts, exitRow, threadOf } from '../present/exits.ts';
import { failureLines } from '../present/exception-info.ts';
import { describeStop } from '../present/stops.ts';
import type { CustomEvents, StopKind, StoppedBody } from '../protocol/events.ts';
import type { DataRequest, FunctionRequest, InstructionRequest, LineRequest } from '../debugger/breakpoints.ts';
import type { FilterRequest } from '../debugger/stop-rules.ts';
import { ConsoleLines } from './console.ts';
import { PathHandles } from './handles.ts';
import { readLaunchArguments } from './launch-arguments.ts';
import type { LaunchRequest } from './launch-arguments.ts';
import { ProgramError, diagnosticText } from './program-file.ts';
import type { Outcome } from './runner.ts';
import { Target } from './target.ts';

/** What a session needs of whoever carries its messages. */
export interface Client {
  sendEvent(event: string, body?: unknown): void;
  /** The session is over: end the process, or the connection. */
  close(): void;
  /** A bug, for the developer's eyes. */
  reportBug(error: unknown): void;
}

/** What the client has asked for, kept so that a restart arms it again. */
interface Wishes {
  readonly sources: Map<string, readonly LineRequest[]>;
  functions: readonly FunctionRequest[];
  instructions: readonly InstructionRequest[];
  data: readonly DataRequest[];
  filters: readonly FilterRequest[] | undefined;
}

/** Frame ids carry the processor: id = cpu * FRAMES_PER_CPU + index + 1. */
const FRAMES_PER_CPU = 1000;

export class Session {
  readonly handles = new PathHandles();
  readonly wishes: Wishes = { sources: new Map(), functions: [], instructions: [], data: [], filters: undefined };
  client: DebugProtocol.InitializeRequestArguments | undefined;
  private readonly port: Client;
  private readonly console = new ConsoleLines((text) => this.output(text, 'stdout'));
  private current: Target | undefined;
  private looksAt: number | undefined;
  private configured = false;
  private over = false;
  private lastBreakpointId = 0;
  /** The last `stopped` event, said again where a restart fails. */
  private lastStop: Omit<DebugProtocol.StoppedEvent['body'], 'threadId' | 'allThreadsStopped'> | undefined;
  private lastKind: StopKind = 'entry';

  constructor(port: Client) {
    this.port = port;
  }

  /** The launched machine. */
  get target(): Target {
    if (!this.current) throw new UserError('Nothing is being debugged: send a launch request first.');
    return this.current;
  }

  /** The launched machine, which must stand still. */
  get stopped(): Target {
    const target = this.target;
    if (target.runner.running) throw new UserError('The machine is running: pause it first.');
    return target;
  }

  get launched(): boolean {
    return this.current !== undefined;
  }

  launch(raw: Readonly<Record<string, unknown>>): void {
    if (this.current) throw new UserError('A program is being debugged already: restart it, or start another session.');
    this.build(readLaunchArguments(raw));
    this.send('initialized');
    if (this.configured) this.begin();
  }

  configurationDone(): void {
    this.configured = true;
    if (this.current) this.begin();
  }

  /** The same program from its file again, which may have been edited; other attributes where the client sends them. */
  restart(raw: Readonly<Record<string, unknown>> | undefined): void {
    const before = this.target;
    try {
      this.build(raw === undefined ? before.launch : readLaunchArguments(raw));
    } catch (error) {
      this.stay(before);
      throw error;
    }
    before.runner.abandon();
    before.close();
    this.console.flush();
    this.over = false;
    this.begin();
  }

  /** A restart has failed: the machine of before is still there, and the client must not think otherwise. */
  private stay(target: Target): void {
    if (target.runner.running) {
      this.output('The restart has failed; the program that was started before keeps running.\n', 'important');
      return;
    }
    const body = this.lastStop;
    if (body === undefined || this.over) return;
    setImmediate(() => {
      if (this.current === target && !target.runner.running) this.sendStopped(target, this.lastKind, body);
    });
  }

  /** Numbers of breakpoints are the session's: a restart keeps them. */
  newBreakpointId(): number {
    return ++this.lastBreakpointId;
  }

  private build(launch: LaunchRequest): void {
    let target: Target;
    try {
      target = new Target(launch, {
        onStop: (outcome) => this.reportStop(outcome),
        onLog: (text) => this.output(`${text}\n`, 'console'),
        onBroken: (error) => this.reportBroken(error),
        onConsole: (bytes) => this.console.push(bytes),
      });
    } catch (error) {
      if (error instanceof ProgramError) this.reportDiagnostics(error);
      throw error;
    }
    for (const warning of target.warnings) this.diagnosticOutput(warning);
    this.current = target;
    this.looksAt = undefined;
    this.arm(target);
  }

  /** Breakpoints that were set before, in a program that may have changed. */
  private arm(target: Target): void {
    const { sources, functions, instructions, data, filters } = this.wishes;
    for (const [file, wanted] of sources) target.breakpoints.setSource(target.sourceFile(file), wanted);
    target.breakpoints.setFunctions(functions);
    target.breakpoints.setInstructions(instructions);
    target.breakpoints.setData(data);
    if (filters) target.rules.set(filters);
    if (target.launch.noDebug) return;
    for (const breakpoint of target.breakpoints.all) {
      this.send('breakpoint', { reason: 'changed', breakpoint: toBreakpoint(breakpoint) });
    }
  }

  private begin(): void {
    const target = this.target;
    if (target.launch.noDebug) {
      target.breakpoints.clear();
      target.rules.set([]);
    }
    if (target.launch.stopOnEntry && !target.launch.noDebug) {
      setImmediate(() => {
        if (this.current === target && !target.runner.running) this.stoppedAtEntry(target);
      });
    } else this.run(continuePlan());
  }

  /** Begins to run; the stop is reported when it comes. */
  run(plan: Plan): void {
    const target = this.stopped;
    target.outcome = undefined;
    target.forget();
    target.runner.start(plan);
    this.sendCustom('hyperstep/resumed', { threadId: threadOf(target.machine.current) });
  }

  /** Begins to run for a request of our own, of which the client does not know that it continues. */
  runAndTell(plan: Plan): void {
    this.run(plan);
    this.send('continued', { threadId: threadOf(this.target.machine.current), allThreadsContinued: true });
  }

  pause(): void {
    this.target.runner.pause();
  }

  /** Registers, memory or fields were changed by the person: views have to ask again. */
  stateChanged(): void {
    this.target.forget();
    if (this.client?.supportsInvalidatedEvent === true) this.send('invalidated', { areas: ['stacks', 'variables'] });
  }

  /** RIP was moved without running. */
  movedTo(cpu: number): void {
    const target = this.target;
    target.forget();
    target.outcome = { stop: { kind: 'budget' }, planned: true, hits: [], problems: [] };
    setImmediate(() => this.sendStopped(target, 'step', { reason: 'goto', description: 'Paused after a jump' }, cpu));
  }

  memoryChanged(reference: string, bytes: number): void {
    this.stateChanged();
    if (this.client?.supportsMemoryEvent === true) {
      this.send('memory', { memoryReference: reference, offset: 0, count: bytes });
    }
  }

  /** Ends the debuggee; the client will disconnect. */
  terminate(): void {
    this.current?.runner.abandon();
    this.console.flush();
    this.end();
  }

  disconnect(): void {
    this.current?.runner.abandon();
    this.console.flush();
    this.keepDisk();
    this.current?.close();
    this.current = undefined;
    setImmediate(() => this.port.close());
  }

  // Frames

  /**
   * The processor that the person looks at: what has no thread or frame of its own (memory, disassembly, the console) is as it
   * sees it. The one that stopped, until scopes of another are asked for.
   */
  get selected(): number {
    return this.looksAt ?? this.target.machine.current;
  }
  select(cpu: number): void {
    this.looksAt = cpu;
  }

  frameId = (cpu: number, index: number): number => cpu * FRAMES_PER_CPU + index + 1;

  /** The processor and frame of an id of the last stack trace; without one, the top of the selected processor. */
  frame(id: number | undefined): { cpu: number; frame: Frame; view: ProcessorView } {
    const target = this.target;
    const cpu = id === undefined ? this.selected : Math.floor((id - 1) / FRAMES_PER_CPU);
    if (id !== undefined && (cpu < 0 || cpu >= target.machine.cpuCount))
      throw new UserError(`There is no stack frame ${id}.`);
    const frames = target.stack(cpu);
    const frame = frames[id === undefined ? 0 : (id - 1) % FRAMES_PER_CPU];
    if (!frame) throw new UserError(`Stack frame ${id} is out of date: the machine has run since.`);
    const view =
      frame.kind === 'code'
        ? new ProcessorView(target.machine, cpu, frame.source)
        : ProcessorView.current(target.machine, cpu);
    return { cpu, frame, view };
  }

  cpuOf(threadId: number | undefined): number {
    const { machine } = this.target;
    const cpu = threadId === undefined ? this.selected : threadId - 1;
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= machine.cpuCount) {
      throw new UserError(`There is no thread ${threadId}: this machine has ${machine.cpuCount}, counted from 1.`);
    }
    return cpu;
  }

  // Reports

  private stoppedAtEntry(target: Target): void {
    target.outcome = { stop: { kind: 'budget' }, planned: true, hits: [], problems: [] };
    this.sendStopped(target, 'entry', { reason: 'entry', description: 'Paused on entry' });
  }

  private reportStop(outcome: Outcome): void {
    const target = this.target;
    const { stop } = outcome;
    target.outcome = outcome;
    this.console.flush();
    for (const problem of outcome.problems) this.output(`${problem}\n`, 'important');
    if (this.finishes(target, outcome)) return;
    const text = describeStop(stop, target);
    const planned = outcome.planned && stop.kind !== 'vm-exit' && stop.kind !== 'handler-step';
    if (stop.kind === 'vm-entry-failure') {
      this.output(`${failureLines(stop.report, target).join('\n')}\n`, 'stderr');
    }
    this.sendStopped(
      target,
      planned ? 'step' : text.kind,
      planned
        ? { reason: 'step', description: 'Paused on step' }
        : {
            reason: text.reason,
            description: text.description,
            ...(text.text === undefined ? {} : { text: text.text }),
            ...(outcome.hits.length === 0 ? {} : { hitBreakpointIds: [...outcome.hits] }),
          },
    );
  }

  /** Stops that end the session rather than pause it. */
  private finishes(target: Target, { stop }: Outcome): boolean {
    const text = describeStop(stop, target);
    if (stop.kind === 'power-off') {
      this.output(`The guest powered the machine off, status ${stop.status}.\n`, 'console');
      this.send('exited', { exitCode: stop.status });
      this.end();
      return true;
    }
    const unwatched =
      stop.kind === 'triple-fault' && !target.rules.stopsOnTripleFault(target.machine, target.machine.current);
    const stopsForGood = ['triple-fault', 'unimplemented', 'nowhere', 'halted', 'vm-entry-failure'].includes(stop.kind);
    if (!unwatched && !(target.launch.noDebug && stopsForGood)) return false;
    this.output(`${text.description}. ${text.text ?? ''}\n`, 'important');
    this.send('exited', { exitCode: stop.kind === 'halted' ? 0 : 1 });
    this.end();
    return true;
  }

  private sendStopped(
    target: Target,
    kind: StopKind,
    body: Omit<DebugProtocol.StoppedEvent['body'], 'threadId' | 'allThreadsStopped'>,
    cpu = target.machine.current,
  ): void {
    this.lastStop = body;
    this.lastKind = kind;
    this.select(cpu);
    const { machine, symbols } = target;
    const stop = target.outcome?.stop;
    const record = stop?.kind === 'vm-exit' ? stop.record : machine.handler?.exit;
    const custom: StoppedBody = {
      threadId: threadOf(cpu),
      kind,
      instructions: machine.instructionsRetired,
      ...(record === undefined ? {} : { exit: exitRow(record, symbols) }),
      ...(machine.handler === undefined ? {} : { handlerStep: machine.handler.next.name }),
      exits: { total: sum(machine.exitCounts.values()), counts: exitCounts(machine.exitCounts) },
    };
    this.sendCustom('hyperstep/stopped', custom);
    this.send('stopped', { ...body, threadId: custom.threadId, allThreadsStopped: true });
  }

  private reportBroken(error: unknown): void {
    this.port.reportBug(error);
    const message = error instanceof Error ? error.message : String(error);
    this.output(
      `Hyperstep itself has failed: ${message} Please report it; restarting the session brings a fresh machine.\n`,
      'important',
    );
    this.send('stopped', {
      reason: 'exception',
      description: 'Paused: Hyperstep failed',
      text: message,
      threadId: 1,
      allThreadsStopped: true,
    });
  }

  private reportDiagnostics(error: ProgramError): void {
    for (const diagnostic of error.diagnostics) this.diagnosticOutput(diagnostic);
  }

  private diagnosticOutput(diagnostic: ProgramError['diagnostics'][number]): void {
    this.send('output', {
      category: diagnostic.severity === 'error' ? 'stderr' : 'console',
      output: `${diagnosticText(diagnostic)} [${diagnostic.code}]\n`,
      ...(diagnostic.line > 0
        ? { source: { path: diagnostic.file }, line: diagnostic.line, column: diagnostic.column }
        : {}),
    });
  }

  output(text: string, category: 'stdout' | 'stderr' | 'console' | 'important'): void {
    this.send('output', { category, output: text });
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.keepDisk();
    this.send('terminated');
  }

  private keepDisk(): void {
    const told = this.current?.keepDisk();
    if (told !== undefined) this.output(`${told}\n`, 'console');
  }

  private sendCustom<N extends keyof CustomEvents>(name: N, body: CustomEvents[N]): void {
    this.send(name, body);
  }

  private send(event: string, body?: unknown): void {
    this.port.sendEvent(event, body);
  }
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
