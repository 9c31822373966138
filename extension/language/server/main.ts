/** The language server's process: speaks over whatever the client chose (IPC, stdio or a socket). */
import { createConnection, ProposedFeatures } from 'vscode-languageserver/node';
import { assembleProgram, reference, vocabulary } from './engine.ts';
import { startServer } from './server.ts';

startServer(createConnection(ProposedFeatures.all), {
  assemble: assembleProgram,
  vocabulary,
  reference,
  debounceMs: 150,
});
