/** One run of a handler, step by step or through to its end. */
import { MachineStop } from '../cpu/guest-fault.ts';
import { isInterruption, type Handler, type HandlerStep, type Interruption } from './steps.ts';

/** `done`: the step has completed; see `next` for what follows. Otherwise it is still the next one. */
export type StepResult = { readonly kind: 'done' } | Interruption;

const DONE: StepResult = { kind: 'done' };

export class HandlerRun {
  /** Title of the exit, or what the run is about. */
  readonly handler: string;
  /** The step that runs next; undefined when the handler is over: the guest was entered, or another exit was taken. */
  next: HandlerStep | undefined;
  private readonly completed: HandlerStep[] = [];
  private readonly steps: Handler;
  /** A generator that threw is over; the step that stopped the machine stays the next one. */
  private failure: MachineStop | undefined;

  constructor(handler: string, steps: Handler) {
    this.handler = handler;
    this.steps = steps;
    const first = steps.next();
    if (first.done === true || isInterruption(first.value))
      throw new Error(`Invariant broken: the handler "${handler}" does not begin with a step`);
    this.next = first.value;
  }

  /** Completed steps, in order. */
  get done(): readonly HandlerStep[] {
    return this.completed;
  }

  /** Performs the next step. Throws `MachineStop` where the machine has to stop by name, and again whenever it is asked to go on. */
  step(): StepResult {
    const { next } = this;
    if (this.failure !== undefined) throw this.failure;
    if (next === undefined) throw new Error('Invariant broken: a step of a handler that is over');
    const { done, value } = this.advance();
    if (done === true) {
      this.completed.push(next);
      this.next = undefined;
    } else if (isInterruption(value)) return value;
    else {
      this.completed.push(next);
      this.next = value;
    }
    return DONE;
  }

  /** Performs all steps that are left; stops early at one that cannot complete. */
  finish(): StepResult {
    while (this.next !== undefined) {
      const result = this.step();
      if (result.kind !== 'done') return result;
    }
    return DONE;
  }

  private advance(): IteratorResult<HandlerStep | Interruption, void> {
    try {
      return this.steps.next();
    } catch (thrown) {
      if (thrown instanceof MachineStop) this.failure = thrown;
      throw thrown;
    }
  }
}
