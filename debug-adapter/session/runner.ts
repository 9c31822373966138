/**
 * Runs the machine in slices of a few milliseconds, so that `pause` and `disconnect` are heard at once, and follows a plan
 * of the debugger until it is done or something else stops the machine.
 */
import type { Machine, Stop, VmExitRecord } from '../engine/index.ts';
import type { BreakpointRegistry } from '../debugger/breakpoints.ts';
import { ProcessorView } from '../debugger/processor.ts';
import type { Goal, Plan } from '../debugger/stepping.ts';
import type { StopRules } from '../debugger/stop-rules.ts';

/** What a run came to. */
export interface Outcome {
  readonly stop: Stop;
  /** The plan was carried out; otherwise `stop` came in between. */
  readonly planned: boolean;
  /** Breakpoints that were hit. */
  readonly hits: readonly number[];
  /** Conditions that could not be evaluated, and the like. */
  readonly problems: readonly string[];
}

export interface RunnerEvents {
  readonly onStop: (outcome: Outcome) => void;
  readonly onLog: (text: string) => void;
  /** A bug in the engine; the machine can only be restarted. */
  readonly onBroken: (error: unknown) => void;
}

/** Time after which other requests get their turn, in milliseconds. */
const SLICE_MS = 8;
/** One call of the engine should take about this long, in milliseconds. */
const CALL_MS = 3;
const FIRST_BUDGET = 20_000;
const MAX_BUDGET = 50_000_000;

export class Runner {
  private readonly machine: Machine;
  private readonly breakpoints: BreakpointRegistry;
  private readonly rules: StopRules;
  private readonly events: RunnerEvents;
  private plan: Plan | undefined;
  private goal: Goal | undefined;
  private budget = FIRST_BUDGET;
  /** The instruction at hand is one the person is leaving: its breakpoint does not count again. */
  private leaving = true;
  private pausing = false;
  private exitMatched = false;
  private conditionsOutdated = true;
  private scheduled: NodeJS.Immediate | undefined;
  /** Exceptions raised on each processor. */
  private readonly exceptions: number[] = [];

  constructor(machine: Machine, breakpoints: BreakpointRegistry, rules: StopRules, events: RunnerEvents) {
    this.machine = machine;
    this.breakpoints = breakpoints;
    this.rules = rules;
    this.events = events;
  }

  /** Exceptions raised on a processor so far, for plans that must tell them from interrupts. */
  exceptionsOn(cpu: number): number {
    return this.exceptions[cpu] ?? 0;
  }

  get running(): boolean {
    return this.plan !== undefined;
  }

  /** Begins a plan on the next turn of the event loop, after the response to the request. */
  start(plan: Plan): void {
    const first = plan.next();
    this.plan = plan;
    this.pausing = false;
    this.leaving = true;
    this.adopt(first.done === true ? undefined : first.value);
    this.scheduled = setImmediate(this.slice);
  }

  pause(): void {
    this.pausing = true;
  }

  /** Abandons what runs, without a stop: restart and disconnect. */
  abandon(): void {
    if (this.scheduled) clearImmediate(this.scheduled);
    this.plan = undefined;
    this.goal = undefined;
  }

  /** Breakpoints or filters have changed. */
  refreshConditions(): void {
    this.conditionsOutdated = true;
  }

  private readonly slice = (): void => {
    try {
      const end = performance.now() + SLICE_MS;
      while (this.plan) {
        if (this.pausing) {
          this.finish({ stop: { kind: 'pause' }, planned: false, hits: [], problems: [] });
          return;
        }
        if (performance.now() >= end) break;
        this.advance();
      }
      if (this.plan) this.scheduled = setImmediate(this.slice);
    } catch (error) {
      this.abandon();
      this.events.onBroken(error);
    }
  };

  /** One call of the engine. */
  private advance(): void {
    const goal = this.goal;
    if (!goal) {
      this.finish({ stop: { kind: 'budget' }, planned: true, hits: [], problems: [] });
      return;
    }
    if (this.conditionsOutdated) this.setConditions(goal);
    this.exitMatched = false;
    const single = goal.extent === 'one';
    const before = performance.now();
    const stop = this.machine.run({
      maxInstructions: single ? 1 : this.budget,
      ...(single && goal.cpu !== undefined && this.machine.cpuCount > 1 ? { cpu: goal.cpu } : {}),
      ignoreFirstBreakpoint: this.leaving,
      handlerSteps: goal.handlerSteps,
    });
    // Who waits has not left yet.
    if (stop.kind !== 'waiting') this.leaving = false;
    if (!single && stop.kind === 'budget') this.adaptBudget(performance.now() - before);
    this.judge(stop, goal);
  }

  private adaptBudget(milliseconds: number): void {
    const factor = Math.min(4, Math.max(0.25, CALL_MS / Math.max(0.01, milliseconds)));
    this.budget = Math.min(MAX_BUDGET, Math.max(1000, Math.round(this.budget * factor)));
  }

  private judge(stop: Stop, goal: Goal): void {
    switch (stop.kind) {
      case 'budget':
        if (goal.extent === 'one') this.met(stop);
        return;
      case 'waiting':
        return;
      case 'handler-step':
        this.met(stop);
        return;
      case 'breakpoint':
        this.judgeBreakpoint(stop, goal);
        return;
      case 'watchpoint': {
        const hit = this.breakpoints.touched(stop.id, this.machine, this.machine.current);
        hit.logs.forEach(this.events.onLog);
        if (hit.stops.length > 0) this.finish({ stop, planned: false, hits: hit.stops, problems: hit.problems });
        else this.passed(stop, goal);
        return;
      }
      case 'vm-exit':
        if (this.exitMatched) this.interrupt(stop);
        else this.met(stop);
        return;
      case 'vm-entry-failure':
        if (this.rules.stopsOnEntryFailure(stop.report, this.machine, this.machine.current)) this.interrupt(stop);
        else this.passed(stop, goal);
        return;
      case 'exception':
      case 'triple-fault':
      case 'unimplemented':
      case 'nowhere':
      case 'halted':
      case 'power-off':
      case 'pause':
        this.interrupt(stop);
    }
  }

  /** Nobody wants the stop, but the instruction that caused it is done: a goal of one instruction is met. */
  private passed(stop: Stop, goal: Goal): void {
    if (goal.extent === 'one' && this.concerns(goal)) this.met(stop);
  }

  private judgeBreakpoint(stop: Extract<Stop, { kind: 'breakpoint' }>, goal: Goal): void {
    const hit = this.breakpoints.reached(stop.linear, this.machine, this.machine.current);
    hit.logs.forEach(this.events.onLog);
    if (hit.stops.length > 0) this.finish({ stop, planned: false, hits: hit.stops, problems: hit.problems });
    else if (goal.stopAt.has(stop.linear) && this.concerns(goal)) this.met(stop);
    this.leaving = true;
  }

  /** Whether what the machine stopped for happened where the goal looks. */
  private concerns({ cpu }: Goal): boolean {
    return cpu === undefined || cpu === this.machine.current;
  }

  private interrupt(stop: Stop): void {
    const problems = this.rules.problem === undefined ? [] : [this.rules.problem];
    this.rules.problem = undefined;
    this.finish({ stop, planned: false, hits: [], problems });
  }

  /** The goal is met: ask the plan for the next one. */
  private met(stop: Stop): void {
    const next = this.plan?.next(stop);
    if (next === undefined || next.done === true) this.finish({ stop, planned: true, hits: [], problems: [] });
    else this.adopt(next.value);
  }

  private adopt(goal: Goal | undefined): void {
    const same = this.goal !== undefined && goal !== undefined && this.goal.stopAt === goal.stopAt;
    if (!same || this.goal?.anyExit !== goal?.anyExit || this.goal?.cpu !== goal?.cpu) this.conditionsOutdated = true;
    this.goal = goal;
  }

  private finish(outcome: Outcome): void {
    this.plan = undefined;
    this.goal = undefined;
    this.events.onStop(outcome);
  }

  private setConditions(goal: Goal): void {
    this.conditionsOutdated = false;
    const { addresses } = this.breakpoints;
    const machine = this.machine;
    machine.setStopConditions({
      breakpoints: goal.stopAt.size === 0 ? addresses : new Set([...addresses, ...goal.stopAt]),
      watchpoints: this.breakpoints.watchpoints,
      vmExit: (record: VmExitRecord) => {
        this.exitMatched = this.rules.stopsOnExit(record, machine);
        return this.exitMatched || (goal.anyExit && this.concerns(goal));
      },
      exception: (fault) => {
        this.exceptions[machine.current] = this.exceptionsOn(machine.current) + 1;
        return this.rules.stopsOnException(fault, machine, machine.current);
      },
      vmEntryFailure: this.rules.watchesEntryFailure,
    });
  }

  /** Where the processor is, for messages. */
  get here(): bigint {
    return ProcessorView.current(this.machine, this.machine.current).linearRip;
  }
}
