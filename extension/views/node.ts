/** What a tree view shows, as plain data: built by pure functions, shown by `tree-view.ts`. */
import type { MemoryReference } from '../../debug-adapter/protocol/values.ts';

/** Colours of the theme that mean something in a tree. */
export type NodeColour = 'error' | 'changed' | 'good' | 'muted';

export interface NodeIcon {
  /** Name of a codicon. */
  readonly name: string;
  readonly colour?: NodeColour;
}

/** Memory an entry lives in, for "Open Memory". */
export interface MemoryPlace {
  readonly reference: MemoryReference;
  readonly bytes: number;
  /** What the bytes are: `PML4E 0 of 0x401000`. */
  readonly title: string;
}

/** What a click does. */
export type NodeClick =
  | { readonly kind: 'memory'; readonly memory: MemoryPlace }
  | { readonly kind: 'source'; readonly path: string; readonly line: number }
  | { readonly kind: 'command'; readonly command: string; readonly title: string };

export interface ViewNode {
  /** Stable while the thing shown is the same: what is expanded and selected stays so. */
  readonly id: string;
  readonly label: string;
  /** Beside the label, dimmed. */
  readonly description?: string;
  /** Markdown. */
  readonly tooltip?: string;
  readonly icon?: NodeIcon;
  readonly children?: readonly ViewNode[];
  /** Whether children are shown at first; a person's choice comes before it. */
  readonly expanded?: boolean;
  readonly click?: NodeClick;
  /** Offered by "Open Memory". */
  readonly memory?: MemoryPlace;
  /** Key of the VMCS field that "Set VMCS Field" changes. */
  readonly vmcsField?: string;
  /** Read aloud instead of label and description, where they are too terse. */
  readonly spoken?: string;
}

/** Words of `viewItem` in package.json's `when` clauses. */
export function contextValueOf(node: ViewNode): string {
  const words = [
    ...(node.memory !== undefined || node.click?.kind === 'memory' ? ['memory'] : []),
    ...(node.vmcsField !== undefined ? ['vmcsField'] : []),
  ];
  return words.join(' ');
}
