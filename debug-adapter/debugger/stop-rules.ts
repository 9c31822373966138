/** Which VM exits, exceptions and failures stop the machine: the ticked filters with their conditions. */
import type { EntryFailure, ExitName, FaultRecord, Machine, VmExitRecord } from '../engine/index.ts';
import { compileCondition, conditionHolds, exitFacts, failureFacts, faultFacts } from './conditions.ts';
import type { Condition } from './conditions.ts';
import { ProcessorView } from './processor.ts';
import { STOP_FILTERS, filterOfExit, stopFilter } from './stop-filters.ts';
import type { SymbolTable } from './symbols.ts';
import { didYouMean } from './nearest.ts';

export interface FilterRequest {
  readonly id: string;
  readonly condition?: string | undefined;
}

export interface FilterResult {
  readonly verified: boolean;
  readonly message: string | undefined;
}

export class StopRules {
  private readonly symbols: SymbolTable;
  private enabled = new Map<string, Condition | undefined>();
  /** Exits that stop whatever the filters say (`stopOn` of the launch configuration). */
  private readonly always: ReadonlySet<ExitName>;
  /** What was wrong with a condition the last time one was evaluated. */
  problem: string | undefined;

  constructor(symbols: SymbolTable, always: ReadonlySet<ExitName> = new Set()) {
    this.symbols = symbols;
    this.always = always;
    this.set(STOP_FILTERS.filter((filter) => filter.default).map(({ id }) => ({ id })));
  }

  /** Replaces all filters. */
  set(requests: readonly FilterRequest[]): readonly FilterResult[] {
    const enabled = new Map<string, Condition | undefined>();
    const results = requests.map(({ id, condition }): FilterResult => {
      const filter = stopFilter(id);
      if (!filter) {
        const message = `There is no filter "${id}".${didYouMean(
          id,
          STOP_FILTERS.map((each) => each.id),
        )}`;
        return { verified: false, message };
      }
      if (condition === undefined || condition.trim() === '') {
        enabled.set(id, undefined);
        return { verified: true, message: undefined };
      }
      const compiled = compileCondition(condition, filter.on, this.symbols);
      if (typeof compiled === 'string') return { verified: false, message: compiled };
      enabled.set(id, compiled);
      return { verified: true, message: undefined };
    });
    this.enabled = enabled;
    return results;
  }

  /** Nothing can match: the machine need not ask. */
  get watchesExits(): boolean {
    return this.always.size > 0 || [...this.enabled.keys()].some((id) => stopFilter(id)?.on === 'vm-exit');
  }

  stopsOnExit(record: VmExitRecord, machine: Machine): boolean {
    if (this.always.has(record.exit.name)) return true;
    return this.matches(filterOfExit(record.exit.name), machine, record.cpu, () => exitFacts(record), 'guest');
  }

  stopsOnException(fault: FaultRecord, machine: Machine, cpu: number): boolean {
    return this.matches('guest.exception', machine, cpu, () => faultFacts(fault));
  }

  stopsOnTripleFault(machine: Machine, cpu: number): boolean {
    return this.matches('guest.tripleFault', machine, cpu, () => ({}));
  }

  get watchesEntryFailure(): boolean {
    return this.enabled.has('vmEntryFailure');
  }

  stopsOnEntryFailure(failure: EntryFailure, machine: Machine, cpu: number): boolean {
    return this.matches('vmEntryFailure', machine, cpu, () => failureFacts(failure));
  }

  private matches(
    id: string,
    machine: Machine,
    cpu: number,
    facts: () => Readonly<Record<string, bigint>>,
    source: 'processor' | 'guest' = 'processor',
  ): boolean {
    if (!this.enabled.has(id)) return false;
    const condition = this.enabled.get(id);
    if (!condition) return true;
    const view = new ProcessorView(machine, cpu, source);
    const holds = conditionHolds(condition, { view, symbols: this.symbols, payload: facts() });
    this.problem = typeof holds === 'string' ? holds : undefined;
    return holds !== false;
  }
}
