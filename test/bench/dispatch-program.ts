/**
 * One program in one dispatch style, in a process of its own so that V8 has compiled nothing before:
 *
 *     node --import=tsx dispatch-program.ts <style> <guest.elf or name of a loop>
 *
 * prints the speed of the first instructions and of those after V8 has optimised, as JSON.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { assemble } from '../../debug-adapter/engine/assembler/assemble.ts';
import type { Program } from '../../debug-adapter/engine/base/program.ts';
import { Processor } from '../../debug-adapter/engine/cpu/cpu.ts';
import { CpuState } from '../../debug-adapter/engine/cpu/state.ts';
import { createEngineMemory, engineMap } from '../../debug-adapter/engine/execution/engine-memory.ts';
import { EmittedLoop } from '../../debug-adapter/engine/execution/emitted-loop.ts';
import { Executor } from '../../debug-adapter/engine/execution/executor.ts';
import type { DispatchStyle } from '../../debug-adapter/engine/execution/interpreter.ts';
import { DEFERRED_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/deferred.ts';
import { SYSTEM_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/system/index.ts';
import { loadProgram } from '../../debug-adapter/engine/loader/load.ts';
import { applyStart } from '../../debug-adapter/engine/machine/apply-start.ts';
import { prepareStart, writerOf } from '../../debug-adapter/engine/machine/start-state.ts';
import { PAGE_BYTES, PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';
import { Tlb } from '../../debug-adapter/engine/memory/tlb.ts';
import { PROCESSOR_FACTS } from '../../debug-adapter/engine/vmx/capabilities.ts';
import { Vmx, VmxCapabilities } from '../../debug-adapter/engine/vmx/index.ts';
import { ownSeconds } from './cpu-time.ts';
import { MICRO_LOOPS, type Speeds } from './dispatch.ts';

const MEMORY_BYTES = 128 << 20;
const ORIGIN = 0x10_0000;
/** Line status register: transmitter holding register and transmitter empty. */
const TRANSMITTER_IDLE = 0x60;

const LOOP_ITERATIONS = 0x7fff_ffff;
const SLICE = 1_000_000;
/** While V8's first, quick code runs. */
const COLD_INSTRUCTIONS = 20_000_000;
/** Long enough for V8 to have replaced it. */
const WARM_UP_INSTRUCTIONS = 250_000_000;
const MEASURED_INSTRUCTIONS = 200_000_000;

const [style, name] = process.argv.slice(2) as [DispatchStyle, string];
const source = MICRO_LOOPS[name];
process.stdout.write(JSON.stringify(speeds(source === undefined ? multiboot(name) : loop(source), style)));

function loop(source: string): Program {
  const { bytes, diagnostics } = assemble({
    file: 'loop.asm',
    source: `bits 64\norg ${ORIGIN}\n mov rcx, ${LOOP_ITERATIONS}\n mov rbx, 200000h\n${source}\n hlt\n`,
    readInclude: () => undefined,
  });
  if (diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics));
  return {
    name: 'loop.asm',
    boot: { kind: 'flat', entry: ORIGIN, bits: 64 },
    segments: [{ address: ORIGIN, bytes, zeroBytes: 0 }],
    symbols: [],
    lines: [],
  };
}

function multiboot(file: string): Program {
  const { program, diagnostics } = loadProgram(path.basename(file), readFileSync(file), { memoryBytes: MEMORY_BYTES });
  if (program === undefined) throw new Error(JSON.stringify(diagnostics));
  return program;
}

function speeds(program: Program, style: DispatchStyle): Speeds {
  const { executor, state } = machineOf(program, style);
  const run = (instructions: number): number => {
    const from = ownSeconds();
    const first = state.retired;
    while (state.retired - first < instructions) {
      const stop = executor.run(SLICE, false);
      if (stop.kind !== 'budget')
        throw new Error(`${program.name} ended with ${stop.kind} after ${state.retired} instructions`);
    }
    return (state.retired - first) / (ownSeconds() - from) / 1e6;
  };
  const cold = run(COLD_INSTRUCTIONS);
  run(WARM_UP_INSTRUCTIONS);
  return { cold, warm: run(MEASURED_INSTRUCTIONS) };
}

/** A machine with no devices but what lets a guest of the corpus print: an idle transmitter at COM1. */
function machineOf(program: Program, style: DispatchStyle): { readonly executor: Executor; readonly state: CpuState } {
  const frames = MEMORY_BYTES / PAGE_BYTES;
  const map = engineMap(frames);
  const memory = createEngineMemory(map);
  const state = new CpuState(memory, map.cpuStates, 0);
  const physical = new PhysicalMemory(memory, map.pool, frames, frames, { read: () => 0xff, write: () => undefined });
  physical.setPages(0, frames, 'ram');
  const tlb = new Tlb(memory, map.tlb);
  const cpu = new Processor({
    state,
    physical,
    tlb,
    ports: { read: () => TRANSMITTER_IDLE, write: () => undefined },
    interruptController: { pending: () => false, acknowledge: () => 0 },
    instructionsRetired: () => state.retired,
    ticksPerInstruction: 1,
    idleTicks: () => 0,
  });
  const vmx = new Vmx(cpu, new VmxCapabilities(PROCESSOR_FACTS), {
    exit: () => undefined,
    instructionFailed: () => undefined,
  });
  cpu.plug(vmx.intercepts, vmx.port);
  const hooks = {
    untilNextEvent: () => Infinity,
    catchUp: () => undefined,
    interceptException: () => false,
    accessed: () => false,
  };
  const instructions = new Map([...SYSTEM_INSTRUCTIONS, ...DEFERRED_INSTRUCTIONS]);
  const executor = new Executor(
    new EmittedLoop(memory, map, physical, tlb, { dispatch: style }),
    cpu,
    instructions,
    hooks,
  );
  cpu.reset();
  const writer = writerOf(physical, 0);
  for (const segment of program.segments) writer.write(segment.address, segment.bytes);
  applyStart({ state, cpu }, prepareStart(program, MEMORY_BYTES, writer));
  return { executor, state };
}
