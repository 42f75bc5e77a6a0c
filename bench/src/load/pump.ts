import type { Socket } from 'node:net';

/** One `write`: large enough that JavaScript does not count. */
const CHUNK = Buffer.alloc(256 * 1_024, 'ambientmesh ');

/** Sends whenever the socket takes more, until it closes. */
export function pumpInto(socket: Socket): void {
  const pump = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', pump);
  pump();
}
