/** Running, stepping, pausing, and moving the instruction pointer. */
import { runToNextExit, continuePlan, stepIn, stepOut, stepOver } from '../debugger/stepping.ts';
import type { Granularity, StepContext } from '../debugger/stepping.ts';
import { ProcessorView } from '../debugger/processor.ts';
import { UserError } from '../debugger/user-error.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';

function stepContext(session: Session, threadId: number): StepContext {
  const { machine, symbols, runner } = session.stopped;
  const cpu = session.cpuOf(threadId);
  return { machine, symbols, cpu, exceptionsSeen: () => runner.exceptionsOn(cpu) };
}

const granularityOf = (args: { granularity?: string }): Granularity =>
  args.granularity === 'instruction' || args.granularity === 'line' ? args.granularity : 'statement';

export const executionRequests: Handlers<
  Session,
  'continue' | 'next' | 'stepIn' | 'stepOut' | 'pause' | 'gotoTargets' | 'goto' | 'hyperstep/runToNextExit'
> = {
  continue: (session, args) => {
    session.cpuOf(args.threadId);
    session.run(continuePlan());
    return { allThreadsContinued: true };
  },

  next: (session, args) => {
    session.run(stepOver(stepContext(session, args.threadId), granularityOf(args)));
    return undefined;
  },

  stepIn: (session, args) => {
    session.run(stepIn(stepContext(session, args.threadId), granularityOf(args)));
    return undefined;
  },

  stepOut: (session, args) => {
    session.run(stepOut(stepContext(session, args.threadId)));
    return undefined;
  },

  pause: (session, args) => {
    session.cpuOf(args.threadId);
    session.pause();
    return undefined;
  },

  gotoTargets: (session, args) => {
    const { symbols } = session.target;
    const file = session.target.sourceFile(args.source.path ?? '');
    const span = symbols.codeAtOrAfter(file, args.line)[0];
    if (!span)
      throw new UserError(`There is no code at or after line ${args.line} of ${file === '' ? 'this source' : file}.`);
    const address = `0x${span.address.toString(16)}`;
    // An address may need 64 bits, which a number does not have: the id is the place in the line table.
    const id = symbols.lineIndex(span.address);
    const label = symbols.describe(span.address) ?? address;
    return { targets: [{ id, label, line: span.line, instructionPointerReference: address }] };
  },

  goto: (session, args) => {
    const { machine, symbols } = session.stopped;
    const span = symbols.lines[args.targetId];
    if (!span) throw new UserError(`There is no target ${args.targetId}.`);
    if (machine.handler)
      throw new UserError('A VM exit is being handled: step out of the handler before moving the guest.');
    const cpu = session.cpuOf(args.threadId);
    const view = new ProcessorView(machine, cpu);
    const offset = span.address - view.segmentBase('CS');
    if (offset < 0n)
      throw new UserError('This line lies below the base of CS: it cannot be reached without a far jump.');
    const problem = machine.setRegister(cpu, 'RIP', offset);
    if (problem !== undefined) throw new UserError(problem);
    session.movedTo(cpu);
    return undefined;
  },

  'hyperstep/runToNextExit': (session, args) => {
    session.cpuOf(args.threadId);
    session.runAndTell(runToNextExit());
    return {};
  },
};
