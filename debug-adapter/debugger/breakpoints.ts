/** The breakpoints a person has set, by source line, function, instruction and data, and what reaching one means. */
import type { LineSpan, Machine, Watchpoint } from '../engine/index.ts';
import { compileCondition, compileHitCondition, conditionHolds, logText } from './conditions.ts';
import type { Condition, HitCondition } from './conditions.ts';
import { didYouMean } from './nearest.ts';
import { ProcessorView } from './processor.ts';
import type { SymbolTable } from './symbols.ts';

/** What a person asked for, by a number that stays the same when the program is built again. */
export interface BreakpointRequest {
  readonly id: number;
  /** Why it cannot be placed in any program. */
  readonly problem?: string | undefined;
  readonly condition?: string | undefined;
  readonly hitCondition?: string | undefined;
  readonly logMessage?: string | undefined;
}

export interface Breakpoint {
  readonly id: number;
  /** Linear addresses; empty where it could not be placed. */
  readonly addresses: readonly bigint[];
  readonly verified: boolean;
  /** Why it is not verified, or what to know about it. */
  readonly message: string | undefined;
  readonly line: LineSpan | undefined;
}

interface Armed {
  readonly breakpoint: Breakpoint;
  readonly condition: Condition | undefined;
  readonly hitCondition: HitCondition | undefined;
  readonly logMessage: string | undefined;
  hits: number;
}

export interface LineRequest extends BreakpointRequest {
  readonly line: number;
}

export interface FunctionRequest extends BreakpointRequest {
  readonly name: string;
}

export interface InstructionRequest extends BreakpointRequest {
  readonly linear: bigint;
}

export interface DataRequest extends BreakpointRequest {
  readonly linear: bigint;
  readonly bytes: number;
  readonly access: Watchpoint['access'];
}

/** What happens at an address: it stops, or it only says something. */
export interface Hit {
  readonly stops: readonly number[];
  readonly logs: readonly string[];
  /** Conditions that could not be evaluated. */
  readonly problems: readonly string[];
}

/** A breakpoint on more places than this is a pattern that was not meant. */
const MAX_PLACES = 1000;
const MAX_DATA_BREAKPOINTS = 64;

export class BreakpointRegistry {
  private readonly bySource = new Map<string, Armed[]>();
  private functions: Armed[] = [];
  private instructions: Armed[] = [];
  private dataPlaced: readonly Armed[] = [];
  private data: { readonly armed: Armed; readonly watch: Watchpoint }[] = [];
  private byAddress = new Map<bigint, Armed[]>();
  private readonly symbols: SymbolTable;

  constructor(symbols: SymbolTable) {
    this.symbols = symbols;
  }

  /** Linear addresses where the machine has to stop and ask. */
  get addresses(): ReadonlySet<bigint> {
    return this.addressSet;
  }
  private addressSet: ReadonlySet<bigint> = new Set();

  get watchpoints(): readonly Watchpoint[] {
    return this.data.map(({ watch }) => watch);
  }

  /** Replaces all breakpoints of one file. */
  setSource(file: string, wanted: readonly LineRequest[]): readonly Breakpoint[] {
    const known = this.symbols.files.includes(file);
    const armed = wanted.map((request) => {
      const spans = known ? this.symbols.codeAtOrAfter(file, request.line) : [];
      const problem = known
        ? 'There is no code at or after this line.'
        : 'This file is not part of the program that is being debugged.';
      return this.arm(
        spans.map((span) => span.address),
        spans[0],
        request,
        problem,
      );
    });
    if (armed.length > 0) this.bySource.set(file, armed);
    else this.bySource.delete(file);
    this.rebuild();
    return armed.map(({ breakpoint }) => breakpoint);
  }

  /** Replaces the function breakpoints: a label, or `/regular expression/` over labels. */
  setFunctions(wanted: readonly FunctionRequest[]): readonly Breakpoint[] {
    this.functions = wanted.map((request) => {
      let found: readonly { readonly address: bigint }[];
      try {
        found = this.symbols.matching(request.name).slice(0, MAX_PLACES);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        return this.arm([], undefined, request, `"${request.name}" is no valid regular expression.`);
      }
      const addresses = found.map((symbol) => symbol.address);
      const problem = `The program has no label "${request.name}".${didYouMean(request.name, this.symbols.names())}`;
      return this.arm(
        addresses,
        addresses[0] === undefined ? undefined : this.symbols.lineAt(addresses[0]),
        request,
        problem,
      );
    });
    this.rebuild();
    return this.functions.map(({ breakpoint }) => breakpoint);
  }

  setInstructions(wanted: readonly InstructionRequest[]): readonly Breakpoint[] {
    this.instructions = wanted.map((request) =>
      this.arm([request.linear], this.symbols.lineAt(request.linear), request, undefined),
    );
    this.rebuild();
    return this.instructions.map(({ breakpoint }) => breakpoint);
  }

  setData(wanted: readonly DataRequest[]): readonly Breakpoint[] {
    const placed = wanted.map((request, index) => {
      const problem =
        index < MAX_DATA_BREAKPOINTS
          ? undefined
          : `Only ${MAX_DATA_BREAKPOINTS} data breakpoints are possible at a time.`;
      const armed = this.arm(problem === undefined ? [request.linear] : [], undefined, request, problem);
      const watch = { id: armed.breakpoint.id, linear: request.linear, bytes: request.bytes, access: request.access };
      return { armed, watch };
    });
    this.dataPlaced = placed.map(({ armed }) => armed);
    this.data = placed.filter(({ armed }) => armed.breakpoint.verified);
    return placed.map(({ armed }) => armed.breakpoint);
  }

  /** Every breakpoint, whether it could be placed or not. */
  get all(): readonly Breakpoint[] {
    return [...this.placed(), ...this.dataPlaced].map(({ breakpoint }) => breakpoint);
  }

  private placed(): readonly Armed[] {
    return [...[...this.bySource.values()].flat(), ...this.functions, ...this.instructions];
  }

  /** Forgets everything: the program runs without being debugged. */
  clear(): void {
    this.bySource.clear();
    this.functions = [];
    this.instructions = [];
    this.dataPlaced = [];
    this.data = [];
    this.rebuild();
  }

  /** The machine is about to execute this address. */
  reached(linear: bigint, machine: Machine, cpu: number): Hit {
    return this.judge(this.byAddress.get(linear) ?? [], machine, cpu);
  }

  /** A watched range was touched. */
  touched(id: number, machine: Machine, cpu: number): Hit {
    const found = this.data.find(({ watch }) => watch.id === id);
    return this.judge(found ? [found.armed] : [], machine, cpu);
  }

  private judge(reached: readonly Armed[], machine: Machine, cpu: number): Hit {
    const stops: number[] = [];
    const logs: string[] = [];
    const problems: string[] = [];
    const context = { view: ProcessorView.current(machine, cpu), symbols: this.symbols };
    for (const armed of reached) {
      const holds = armed.condition ? conditionHolds(armed.condition, context) : true;
      if (holds === false) continue;
      if (typeof holds === 'string') problems.push(holds);
      armed.hits++;
      if (armed.hitCondition && !armed.hitCondition(armed.hits)) continue;
      if (armed.logMessage === undefined || typeof holds === 'string') stops.push(armed.breakpoint.id);
      else logs.push(logText(armed.logMessage, context));
    }
    return { stops, logs, problems };
  }

  private arm(
    addresses: readonly bigint[],
    line: LineSpan | undefined,
    options: BreakpointRequest,
    problem: string | undefined,
  ): Armed {
    const { id } = options;
    const refuse = (message: string | undefined): Armed => ({
      breakpoint: { id, addresses: [], verified: false, message, line: undefined },
      condition: undefined,
      hitCondition: undefined,
      logMessage: undefined,
      hits: 0,
    });
    if (options.problem !== undefined) return refuse(options.problem);
    if (addresses.length === 0) return refuse(problem);
    const condition = options.condition ? compileCondition(options.condition, 'code', this.symbols) : undefined;
    if (typeof condition === 'string') return refuse(condition);
    const hitCondition = options.hitCondition ? compileHitCondition(options.hitCondition) : undefined;
    if (typeof hitCondition === 'string') return refuse(hitCondition);
    const message = addresses.length > 1 ? `${addresses.length} places.` : undefined;
    const breakpoint = { id, addresses, verified: true, message, line };
    return { breakpoint, condition, hitCondition, logMessage: options.logMessage, hits: 0 };
  }

  private rebuild(): void {
    this.byAddress = new Map();
    for (const armed of this.placed()) {
      for (const address of armed.breakpoint.addresses) {
        const here = this.byAddress.get(address);
        if (here) here.push(armed);
        else this.byAddress.set(address, [armed]);
      }
    }
    this.addressSet = new Set(this.byAddress.keys());
  }
}
