/** Which documents are guest programs. */
import { LANGUAGE_ID } from '../../debug-adapter/protocol/ids.ts';

/** Languages of guest programs in assembly: ours, and those under which other extensions own `.asm` files. */
export const ASSEMBLER_LANGUAGES: readonly string[] = [
  LANGUAGE_ID,
  'asm-intel-x86-generic',
  'asm-collection',
  'nasm',
  'asm',
  'assembly',
  'x86asm',
  'masm',
  'tasm',
  'gas',
];

/** Languages of kernels whose ELF file has line tables: their lines take breakpoints too, though no session starts from such a file. */
const COMPILED_LANGUAGES: readonly string[] = ['c', 'cpp', 'rust', 'zig'];

/** All languages whose lines take breakpoints. */
export const BREAKPOINT_LANGUAGES: readonly string[] = [...ASSEMBLER_LANGUAGES, ...COMPILED_LANGUAGES];

/** Files that a debug session may be started on by themselves, whatever editor shows them. */
const PROGRAM_FILE = /\.(asm|nasm|elf|img)$/i;

export const isProgramFile = (path: string): boolean => PROGRAM_FILE.test(path);

export const isGuestProgram = (languageId: string, path: string): boolean =>
  ASSEMBLER_LANGUAGES.includes(languageId) || isProgramFile(path);

const SOURCE_FILE = /\.(asm|nasm|s)$/i;

export const isSourceFile = (path: string): boolean => SOURCE_FILE.test(path);

/** A statement (after an optional label) that only the owner of the machine can execute. */
const VMXON_STATEMENT = /^[ \t]*(?:[\w.$#@~?]+:[ \t]*)?vmxon\b/im;

/** Whether a program's source turns VMX on by itself, which it cannot do under the built-in hypervisor. */
export const ownsMachine = (source: string): boolean => VMXON_STATEMENT.test(source);
