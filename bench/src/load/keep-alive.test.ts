import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { pid } from 'node:process';
import { expect, test } from 'vitest';
import { KeepAlive } from './keep-alive.ts';
import { ECHO_PORT, REQUEST_BYTES, STARVED } from './protocol.ts';

const CONNECTIONS = 3;
const ENOUGH = 20;
const FIRST_PART = 10;
/** An address of this process alone: the port is fixed. */
const HOST = `127.77.${(pid >> 8) & 0xff}.${pid & 0xff}`;

/** Answers in two parts; `answered` rejects on bytes beyond one request: there must be one at a time. */
class EchoServer implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  readonly silent = new Set<Socket>();
  readonly #answered = Promise.withResolvers<void>();
  readonly #server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  #left = Number.POSITIVE_INFINITY;

  async listen(): Promise<this> {
    this.#server.listen(ECHO_PORT, HOST);
    await once(this.#server, 'listening');
    return this;
  }

  /** Resolves after so many more requests. */
  answered(requests: number): Promise<void> {
    this.#left = requests;
    return this.#answered.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.sockets.push(socket);
    socket.on('error', () => socket.destroy());
    // What `dialWarm` sends comes first.
    socket.once('data', (probe) => {
      socket.write(probe);
      let bytes = 0;
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes > REQUEST_BYTES) this.#answered.reject(new Error('a request before the answer to the last'));
        if (bytes !== REQUEST_BYTES || this.silent.has(socket)) return;
        bytes = 0;
        socket.write(Buffer.alloc(FIRST_PART), () => {
          socket.write(Buffer.alloc(REQUEST_BYTES - FIRST_PART));
          this.#left -= 1;
          if (this.#left === 0) this.#answered.resolve();
        });
      });
    });
  }
}

test('one request at a time on each connection, each counted and timed', async () => {
  await using server = await new EchoServer().listen();
  const load = new KeepAlive({ host: HOST, connections: CONNECTIONS });
  await load.start();
  load.mark();
  await server.answered(ENOUGH);
  const { completed, latencyMs, failures } = await load.measure();
  load.stop();
  // Some answers are on their way.
  expect(completed).toBeGreaterThanOrEqual(ENOUGH - CONNECTIONS);
  expect(latencyMs?.p50).toBeGreaterThan(0);
  expect(failures).toEqual({});
});

test('connections that are lost, and those that get no answer, are failures', async () => {
  await using server = await new EchoServer().listen();
  const load = new KeepAlive({ host: HOST, connections: CONNECTIONS });
  await load.start();
  const [lost, starved] = server.sockets;
  if (lost === undefined || starved === undefined) throw new Error('no connections');
  server.silent.add(starved);
  server.silent.add(lost);
  const closed = once(lost, 'close');
  lost.end();
  await closed;
  // What was sent to the starved one before it fell silent has arrived when others have come so far.
  await server.answered(ENOUGH);
  load.mark();
  const afterMark = await answersOf(load);
  load.stop();
  expect(afterMark).toEqual({ 'connection lost': 1, [STARVED]: 1 });
});

/** Failures, once the connection that is well has been answered. */
async function answersOf(load: KeepAlive): Promise<Readonly<Record<string, number>>> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const { completed, failures } = await load.measure();
    if (completed > 0) return failures;
  }
}
