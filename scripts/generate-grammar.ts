/** `npx tsx scripts/generate-grammar.ts`: writes the TextMate grammar; a test fails while it differs from the assembler. */
import { writeFileSync } from 'node:fs';
import { listMnemonics } from '../debug-adapter/engine/index.ts';
import { grammarText } from './lib/grammar.ts';
import { fromRoot } from './lib/root.ts';

const mnemonics = listMnemonics();
writeFileSync(fromRoot('syntaxes', 'nasm-guest.tmLanguage.json'), grammarText(mnemonics));
console.log(`wrote syntaxes/nasm-guest.tmLanguage.json with ${mnemonics.length} mnemonics`);
