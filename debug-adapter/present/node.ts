/** One row of the Variables view. Trees of them are built anew for each question: values are always of now. */
import type { Place } from '../debugger/place.ts';
import type { MemoryReference } from '../protocol/values.ts';

export interface VariableNode {
  /** Unique among its siblings. */
  readonly name: string;
  readonly value: string;
  readonly type?: string;
  /** Absent: read-only. */
  readonly place?: Place;
  /** Expression that gives this value in a watch or the console. */
  readonly evaluateName?: string;
  readonly memoryReference?: MemoryReference | undefined;
  readonly children?: () => readonly VariableNode[];
  /** How many `children` gives, where many: the client then asks for them in pages. */
  readonly childCount?: number;
}
