/** The requests of our own views: page walks, the exit log, the VMCS. */
import { keyScanCodes, textScanCodes } from '../debugger/keyboard.ts';
import { ProcessorView } from '../debugger/processor.ts';
import { UserError } from '../debugger/user-error.ts';
import { exitCounts, exitRow, threadOf } from '../present/exits.ts';
import { presentWalk } from '../present/page-walk.ts';
import { hex64 } from '../present/text.ts';
import { presentTextScreen } from '../present/text-screen.ts';
import { presentVmcs } from '../present/vmcs.ts';
import type { Handlers } from '../session/handlers.ts';
import { sum } from '../session/session.ts';
import type { Session } from '../session/session.ts';
import { addressOf } from './evaluation.ts';

const MAX_ROWS = 10_000;
const MAX_SYMBOLS = 1000;

export const customRequests: Handlers<
  Session,
  | 'hyperstep/machineInfo'
  | 'hyperstep/pageWalk'
  | 'hyperstep/exits'
  | 'hyperstep/vmcs'
  | 'hyperstep/textScreen'
  | 'hyperstep/keyboardInput'
> = {
  'hyperstep/machineInfo': (session) => {
    const { machine, symbols, mode, runner, programName } = session.target;
    return {
      program: programName,
      mode,
      memoryBytes: machine.options.memoryBytes,
      instructions: machine.instructionsRetired,
      vmExits: sum(machine.exitCounts.values()),
      running: runner.running,
      processors: Array.from({ length: machine.cpuCount }, (_, cpu) => {
        const { operation, cpl, paging, vmx, activity } = machine.inspect.mode(cpu);
        const hasVmcs = machine.inspect.vmcs(cpu) !== undefined;
        return { threadId: threadOf(cpu), operation, cpl, paging, vmx, activity, hasVmcs };
      }),
      symbols: symbols.sorted
        .slice(0, MAX_SYMBOLS)
        .map(({ name, address, kind }) => ({ name, address: hex64(address), kind })),
    };
  },

  'hyperstep/pageWalk': (session, args) => {
    const { machine } = session.target;
    const cpu = session.cpuOf(args.threadId);
    const kind = args.access ?? 'read';
    const linear = addressOf(session, args.address);
    const user = args.user ?? ProcessorView.current(machine, cpu).mode.cpl === 3;
    return presentWalk(machine.inspect.walk(linear, { kind, user }, cpu));
  },

  'hyperstep/exits': (session, args) => {
    const { machine, symbols } = session.target;
    const { exits } = machine;
    const count = Math.min(MAX_ROWS, args.count);
    const start = Math.max(0, args.start < 0 ? exits.length + args.start : args.start);
    return {
      total: sum(machine.exitCounts.values()),
      kept: exits.length,
      start,
      rows: exits.slice(start, start + count).map((record) => exitRow(record, symbols)),
      counts: exitCounts(machine.exitCounts),
    };
  },

  'hyperstep/vmcs': (session, args) => {
    const { machine, symbols } = session.target;
    return presentVmcs(machine, session.cpuOf(args.threadId), symbols);
  },

  'hyperstep/textScreen': (session) => presentTextScreen(session.target.machine.inspect.textScreen()),

  'hyperstep/keyboardInput': (session, { text = '', keys = [], scanCodes = [] }) => {
    const byte = scanCodes.find((code) => code < 0 || code > 0xff || !Number.isInteger(code));
    if (byte !== undefined) throw new UserError(`"scanCodes" holds ${byte}; a scan code is a byte, from 0 to 255.`);
    const codes = [...textScanCodes(text), ...keys.flatMap(keyScanCodes), ...scanCodes];
    session.target.machine.sendKeys(Uint8Array.from(codes));
    return {};
  },
};
