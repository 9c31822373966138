/** `hyperstep/vmcs`: the current VMCS. */
import type { CodePlace, DecodedField, Hex, MemoryReference } from './values.ts';

export interface VmcsArguments {
  readonly threadId?: number;
}

export type VmcsBody =
  | { readonly present: false; /** Why there is none, in one sentence. */ readonly because: string }
  | {
      readonly present: true;
      readonly address: Hex;
      readonly addressReference: MemoryReference;
      readonly launchState: 'clear' | 'launched';
      readonly groups: readonly VmcsGroup[];
    };

export interface VmcsGroup {
  /** `guest state`, `host state`, `control`, `exit information`. */
  readonly area: string;
  readonly title: string;
  readonly fields: readonly VmcsField[];
}

export interface VmcsField {
  /** What `vmcs.<key>` in an expression names. */
  readonly key: string;
  /** Name as the SDM prints it. */
  readonly title: string;
  readonly encoding: Hex;
  readonly bytes: 2 | 4 | 8;
  readonly value: Hex;
  /** Bits that are set, in words; absent where the field has none. */
  readonly fields?: readonly DecodedField[];
  /** `setExpression` on `vmcs.<key>` works. */
  readonly writable: boolean;
  readonly memoryReference?: MemoryReference;
  /** Last VMWRITE (or write by the built-in hypervisor) since VMCLEAR. */
  readonly lastWrite?: CodePlace & { readonly instruction: number };
}
