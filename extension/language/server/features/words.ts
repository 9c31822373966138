/** Words of the language that are neither instructions nor registers, with what each does. */

interface Word {
  readonly word: string;
  /** One sentence. */
  readonly meaning: string;
  /** Inserted instead of the word, where it takes something. */
  readonly snippet?: string;
}

/** Words that begin a statement. */
export const DIRECTIVES: readonly Word[] = [
  { word: 'bits', meaning: 'Code size of what follows: 16, 32 or 64.', snippet: 'bits ${1|16,32,64|}' },
  { word: 'org', meaning: 'Address at which the image is loaded.', snippet: 'org ${1:7C00h}' },
  { word: 'section', meaning: 'Section that what follows belongs to.', snippet: 'section ${1:.text}' },
  {
    word: 'default',
    meaning: 'Whether addresses without register are RIP-relative.',
    snippet: 'default ${1|rel,abs|}',
  },
  { word: 'align', meaning: 'Fills up to a multiple of a power of two.', snippet: 'align ${1:16}' },
  { word: 'db', meaning: 'Bytes and texts.' },
  { word: 'dw', meaning: 'Words (2 bytes each).' },
  { word: 'dd', meaning: 'Doublewords (4 bytes each).' },
  { word: 'dq', meaning: 'Quadwords (8 bytes each).' },
  { word: 'resb', meaning: 'Reserves bytes.' },
  { word: 'resw', meaning: 'Reserves words (2 bytes each).' },
  { word: 'resd', meaning: 'Reserves doublewords (4 bytes each).' },
  { word: 'resq', meaning: 'Reserves quadwords (8 bytes each).' },
  { word: 'times', meaning: 'Repeats a statement.', snippet: 'times ${1:count} ${2:db 0}' },
];

/** Words that begin a line for the preprocessor. */
export const PREPROCESSOR: readonly Word[] = [
  { word: '%define', meaning: 'A name that stands for text.', snippet: '%define ${1:NAME} ${2:value}' },
  { word: '%undef', meaning: 'Forgets a name of %define.' },
  { word: '%assign', meaning: 'A name that stands for a number, computed now.', snippet: '%assign ${1:NAME} ${2:0}' },
  { word: '%macro', meaning: 'A macro of several lines.', snippet: '%macro ${1:name} ${2:0}\n    $0\n%endmacro' },
  { word: '%rep', meaning: 'Repeats lines.', snippet: '%rep ${1:count}\n    $0\n%endrep' },
  {
    word: '%if',
    meaning: 'Assembles lines when an expression is not zero.',
    snippet: '%if ${1:condition}\n    $0\n%endif',
  },
  { word: '%ifdef', meaning: 'Assembles lines when a name is defined.', snippet: '%ifdef ${1:NAME}\n    $0\n%endif' },
  {
    word: '%ifndef',
    meaning: 'Assembles lines when a name is not defined.',
    snippet: '%ifndef ${1:NAME}\n    $0\n%endif',
  },
  { word: '%elif', meaning: 'Another condition of the same %if.' },
  { word: '%else', meaning: 'The lines for when no condition was true.' },
  { word: '%endif', meaning: 'Ends %if.' },
  { word: '%include', meaning: 'Inserts a file.', snippet: '%include "${1:file.inc}"' },
  { word: '%error', meaning: 'Refuses to assemble, with a message.', snippet: '%error ${1:message}' },
  { word: '%warning', meaning: 'Warns, with a message.', snippet: '%warning ${1:message}' },
];

/** Words within operands. */
export const OPERAND_WORDS: readonly Word[] = [
  { word: 'byte', meaning: 'An operand of 1 byte.' },
  { word: 'word', meaning: 'An operand of 2 bytes.' },
  { word: 'dword', meaning: 'An operand of 4 bytes.' },
  { word: 'qword', meaning: 'An operand of 8 bytes.' },
  { word: 'rel', meaning: 'The address is stored relative to RIP.' },
  { word: 'abs', meaning: 'The address is stored as it is.' },
  { word: 'short', meaning: 'A jump with a displacement of one byte.' },
  { word: 'near', meaning: 'A jump within the code segment.' },
  { word: 'far', meaning: 'A jump with a selector.' },
  { word: 'strict', meaning: 'Keeps the size of the operand as written.' },
];
