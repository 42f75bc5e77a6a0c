import { connect, type Socket } from 'node:net';

/** Longest wait for a connection, or for the first answer on it. */
export const DIAL_TIMEOUT_MS = 5_000;
const PROBE = Buffer.from('x');

/**
 * Connects and has one byte echoed: a proxy accepts long before it has reached the server. Resolves with the idle
 * socket, to be destroyed by the caller. Rejects with the socket's error, or `timeout`, or `closed early`.
 */
export function dialWarm(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const onClose = (): void => fail(new Error('closed early'));
    socket.setTimeout(DIAL_TIMEOUT_MS, () => fail(new Error('timeout')));
    socket.on('error', fail);
    socket.once('close', onClose);
    socket.write(PROBE);
    socket.once('data', () => {
      socket.setTimeout(0);
      socket.off('close', onClose);
      socket.off('error', fail);
      // Whoever takes over adds its own; an error in between must not end the process.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
