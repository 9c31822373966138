/** Memory and disassembly. */
import { Listing } from '../debugger/listing.ts';
import { ProcessorView } from '../debugger/processor.ts';
import { UserError } from '../debugger/user-error.ts';
import type { AddressSpace } from '../engine/index.ts';
import { hex64, parseMemoryReference } from '../present/text.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';
import { sourceOf } from '../present/breakpoint.ts';

const MAX_READ = 16 * 1024 * 1024;
const MAX_INSTRUCTIONS = 10_000;

function parse(reference: string, offset: number | undefined): { space: AddressSpace; address: bigint } {
  const parsed = parseMemoryReference(reference);
  if (!parsed)
    throw new UserError(`"${reference}" is no memory reference: it is written 0x..., gpa:0x... or hpa:0x...`);
  return { space: parsed.space, address: BigInt.asUintN(64, parsed.address + BigInt(offset ?? 0)) };
}

export const memoryRequests: Handlers<Session, 'readMemory' | 'writeMemory' | 'disassemble'> = {
  readMemory: (session, args) => {
    const { space, address } = parse(args.memoryReference, args.offset);
    if (args.count > MAX_READ) throw new UserError(`"count" must not be above ${MAX_READ}.`);
    const view = ProcessorView.current(session.target.machine, session.selected);
    const data = view.readMemory(address, args.count, space);
    const missing = args.count - data.length;
    return {
      address: hex64(address),
      data: Buffer.from(data).toString('base64'),
      ...(missing === 0 ? {} : { unreadableBytes: missing }),
    };
  },

  writeMemory: (session, args) => {
    const { space, address } = parse(args.memoryReference, args.offset);
    const bytes = new Uint8Array(Buffer.from(args.data, 'base64'));
    const written = session.target.machine.writeMemory(space, address, bytes, session.selected);
    if (written < bytes.length && args.allowPartial !== true) {
      throw new UserError(
        `Only ${written} of ${bytes.length} bytes could be written: memory at ${hex64(address + BigInt(written))} is not mapped.`,
      );
    }
    session.memoryChanged(args.memoryReference, written);
    return { bytesWritten: written };
  },

  disassemble: (session, args) => {
    const { space, address } = parse(args.memoryReference, args.offset);
    if (space !== 'linear') throw new UserError('Only linear addresses can be disassembled.');
    if (args.instructionCount > MAX_INSTRUCTIONS) {
      throw new UserError(`"instructionCount" must not be above ${MAX_INSTRUCTIONS}.`);
    }
    const { machine, symbols } = session.target;
    const listing = new Listing(ProcessorView.current(machine, session.selected), symbols);
    const lines = listing.lines(address, args.instructionOffset ?? 0, args.instructionCount);
    let shown: string | undefined;
    const instructions = lines.map((line) => {
      const source = symbols.lineAt(line.address);
      const place = source && `${source.file}:${source.line}`;
      const isNew = source !== undefined && place !== shown;
      shown = place;
      const symbol = args.resolveSymbols === false ? undefined : symbols.exactly(line.address);
      return {
        address: hex64(line.address),
        instruction: line.text,
        ...(line.bytes.length === 0
          ? {}
          : {
              instructionBytes: Buffer.from(line.bytes)
                .toString('hex')
                .replace(/(..)(?!$)/g, '$1 '),
            }),
        ...(symbol === undefined ? {} : { symbol }),
        ...(isNew ? { location: sourceOf(source.file), line: source.line } : {}),
        ...(line.valid ? {} : { presentationHint: 'invalid' as const }),
      };
    });
    return { instructions };
  },
};
