/** A machine that stands still: registers, memory and a VMCS as a test sets them, for what only reads. */
import type {
  CpuModeView,
  HandlerState,
  Machine,
  RegisterName,
  SegmentView,
  VmcsFieldKey,
  VmExitRecord,
} from '../../debug-adapter/engine/index.ts';

export interface Standing {
  readonly registers?: Partial<Record<RegisterName, bigint>>;
  readonly mode?: Partial<CpuModeView>;
  /** Bytes at linear (and physical) addresses. */
  readonly memory?: Readonly<Record<number, readonly number[]>>;
  readonly vmcs?: Partial<Record<VmcsFieldKey, bigint>>;
  readonly launched?: boolean;
  readonly handler?: HandlerState;
  readonly exits?: readonly VmExitRecord[];
  readonly csBase?: bigint;
}

const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;
const never = (): never => {
  throw new Error('this machine only stands still');
};

export function standingMachine(standing: Standing): Machine {
  const registers = new Map(Object.entries(standing.registers ?? {}));
  const bytes = new Map<number, number>();
  for (const [start, values] of Object.entries(standing.memory ?? {})) {
    values.forEach((value, index) => bytes.set(Number(start) + index, value));
  }
  const mode: CpuModeView = {
    operation: '64-bit',
    bits: 64,
    cpl: 0,
    paging: '4-level',
    vmx: 'off',
    activity: 'active',
    ...standing.mode,
  };
  const fields = Object.entries(standing.vmcs ?? {}).map(([key, value]) => ({ key: key as VmcsFieldKey, value }));
  const segments = SEGMENTS.map((name): SegmentView => ({
    name,
    selector: 8,
    base: name === 'CS' ? (standing.csBase ?? 0n) : name === 'FS' ? 0x5000n : 0n,
    limit: 0xffff_ffff,
    accessRights: name === 'CS' ? 0xa09b : 0xc093,
  }));
  return {
    options: {
      program: { name: 'test', boot: { kind: 'flat', entry: 0, bits: 64 }, segments: [], symbols: [], lines: [] },
      mode: 'bare',
      memoryBytes: 1 << 20,
      onConsole: never,
    },
    cpuCount: 1,
    current: 0,
    instructionsRetired: 0,
    exits: standing.exits ?? [],
    exitCounts: new Map(),
    handler: standing.handler,
    crossings: 0,
    inspect: {
      mode: () => mode,
      register: (_cpu, name) => registers.get(name) ?? 0n,
      segments: () => segments,
      readMemory: (_space, address, count) => {
        const read: number[] = [];
        while (read.length < count) {
          const value = bytes.get(Number(address) + read.length);
          if (value === undefined) break;
          read.push(value);
        }
        return Uint8Array.from(read);
      },
      walk: never,
      walkEpt: never,
      vmcs: () =>
        standing.vmcs === undefined ? undefined : { address: 0x1000, launched: standing.launched ?? false, fields },
      lastVmcsWrite: (field) => ({ field, instruction: undefined, linear: undefined }),
      textScreen: never,
      devices: () => [],
    },
    setStopConditions: never,
    run: never,
    reset: never,
    setRegister: (_cpu, name, value) => {
      if (name === 'CR0' && (value & 1n) === 0n && value >> 31n !== 0n) return 'CR0.PG needs CR0.PE.';
      registers.set(name, value);
      return undefined;
    },
    setVmcsField: never,
    writeMemory: (_space, address, written) => {
      written.forEach((value, index) => bytes.set(Number(address) + index, value));
      return written.length;
    },
    sendInput: never,
    sendKeys: never,
    diskChanges: new Map(),
  };
}
