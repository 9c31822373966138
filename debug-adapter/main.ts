/** The debug adapter's entry: speaks the Debug Adapter Protocol on stdin and stdout, or with `--server=PORT` on a socket. */
import { createServer } from 'node:net';
import { HyperstepAdapter } from './requests/dispatch.ts';

const port = process.argv.slice(2).flatMap((argument) => /^--server=(\d{1,5})$/.exec(argument)?.[1] ?? [])[0];

if (port === undefined) {
  const adapter = new HyperstepAdapter(() => {
    process.exit(0);
  });
  process.on('SIGTERM', () => {
    process.exit(0);
  });
  adapter.start(process.stdin, process.stdout);
} else {
  // Small messages must go out at once: waiting to fill a packet costs 40 ms a step.
  const server = createServer({ noDelay: true }, (socket) => {
    const adapter = new HyperstepAdapter(() => {
      socket.end();
    });
    socket.on('error', () => {
      socket.destroy();
    });
    adapter.start(socket, socket);
  });
  server.on('error', (error) => {
    process.stderr.write(`hyperstep: port ${port} cannot be listened on: ${error.message}\n`);
    process.exitCode = 1;
  });
  // Only this computer: a debug adapter reads files for whoever talks to it.
  server.listen(Number(port), '127.0.0.1', () => {
    const address = server.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    process.stderr.write(`hyperstep: waiting for a debug client on 127.0.0.1:${actual}\n`);
  });
}
