/**
 * A process of the measurement of relays: `relay-role.ts sink`, or `relay-role.ts reactor|node PORT`, which passes every connection
 * on to PORT of 127.0.0.1. Tells its port, then answers every message with its CPU seconds, until its parent is gone.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import process, { argv } from 'node:process';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { PlainRelay } from '@ambientmesh/hbone';
import { createReactorEngine, type Plain } from '@ambientmesh/reactor';

const HOST = '127.0.0.1';
const TIMEOUT_MS = 5000;
const MICROSECONDS = 1e6;
/** First octet of a connection whose bytes come back; of others they are dropped, and the end comes back. */
const ECHO = 0x65;
const OPTIONS = { allowHalfOpen: true, noDelay: true };
const OBSERVER = { fromFirst: nothing, fromSecond: nothing, finished: nothing };

if (isMainThread) await serve(argv[2] ?? '', Number(argv[3]));
else relayOnReactor(Number(workerData));

async function serve(kind: string, target: number): Promise<void> {
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.((user + system) / MICROSECONDS);
  });
  process.on('disconnect', () => process.exit(0));
  if (kind === 'reactor') {
    const [port]: unknown[] = await once(new Worker(new URL(import.meta.url), { workerData: target }), 'message');
    process.send?.(port);
    return;
  }
  const server = createServer(OPTIONS, kind === 'sink' ? take : (socket) => relayOnNode(socket, target));
  process.send?.(await portOf(server));
}

/** In a worker, for good. */
function relayOnReactor(target: number): void {
  const engine = createReactorEngine();
  const to = { ip: HOST, port: target };
  const accepted = (first: Plain): void => {
    first.handler = { readable: nothing, written: nothing, failed: nothing };
    engine.connect(
      { descriptor: engine.openSocket(to), to, timeoutMs: TIMEOUT_MS },
      { connected: (second) => void new PlainRelay(first, second, OBSERVER), failed: () => first.reset() },
    );
  };
  const { descriptor, local } = engine.openListener({ ip: HOST, port: 0 });
  engine.listen(descriptor, { accepted, failed: nothing });
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  parentPort?.postMessage(local.port);
  for (;;) engine.turn();
}

function relayOnNode(first: Socket, target: number): void {
  const second = connect({ port: target, host: HOST, ...OPTIONS });
  first.on('error', () => second.destroy());
  second.on('error', () => first.destroy());
  first.pipe(second).pipe(first);
}

function take(socket: Socket): void {
  socket.on('error', nothing);
  socket.once('data', (chunk) => {
    if (chunk[0] === ECHO) {
      socket.write(chunk);
      socket.pipe(socket);
    } else {
      socket.on('end', () => socket.end());
    }
  });
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function nothing(): void {}
