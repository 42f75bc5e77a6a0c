/** The applications at both ends of a tunnel: `load-role.ts sink` takes all that comes, `source` sends when asked. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { argv } from 'node:process';
// oxlint-disable-next-line no-restricted-imports -- a sink that allocates nothing, or it would cost as much as a tunnel
import { readInto } from '../src/node-engine/node-internals.ts';
import { serveRole } from './role-process.ts';

const CHUNK = Buffer.alloc(262_144);
const MS_A_S = 1000;

/** Seconds until `bytes` over `streams` connections were sent and their end came back. */
async function pour([port = 0, streams = 1, bytes = 0]: readonly number[]): Promise<readonly number[]> {
  const started = performance.now();
  await Promise.all(
    Array.from({ length: streams }, async () => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      let left = bytes / streams;
      const more = (): void => {
        while (left > 0) {
          left -= CHUNK.length;
          if (!socket.write(CHUNK)) return;
        }
        socket.end();
      };
      socket.on('drain', more);
      socket.resume();
      more();
      await once(socket, 'end');
    }),
  );
  return [(performance.now() - started) / MS_A_S];
}

if (argv[2] === 'source') serveRole(0, { pour });
else {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    if (!readInto(socket, CHUNK, () => {})) socket.on('data', () => {});
    socket.resume();
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  serveRole(typeof address === 'object' && address !== null ? address.port : 0, {});
}
