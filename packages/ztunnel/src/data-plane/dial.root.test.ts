/** Connecting to somebody who is quicker than our event loop. */
import { once } from 'node:events';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import type { ConnectHandler } from '@ambientmesh/hbone';
import { createTestEngine } from '@ambientmesh/hbone/testing';
import { Namespace, openTcp } from '@ambientmesh/netns';
import { expect, test, vi } from 'vitest';
import { createAuthority, issueMaterial } from './testing/test-pod.ts';

const engine = createTestEngine();

/** Accepts one connection, resets it, and says so in shared memory: the thread that waits for it runs no event loop. */
const RESETTING_SERVER = `
import { createServer } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
const server = createServer((socket) => {
  server.close();
  socket.on('close', () => {
    Atomics.store(workerData, 0, 1);
    Atomics.notify(workerData, 0);
  });
  socket.resetAndDestroy();
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** Connects, and looks again only when the connection was accepted and reset. */
async function dialResetting(handler: ConnectHandler): Promise<void> {
  const over = new Int32Array(new SharedArrayBuffer(4));
  const server = new Worker(new URL(`data:text/javascript,${encodeURIComponent(RESETTING_SERVER)}`), {
    workerData: over,
  });
  const port = Number((await once(server, 'message'))[0]);
  using here = Namespace.ofPid(process.pid);
  engine.connect(
    { descriptor: openTcp(here, { family: 4 }).fd, to: { ip: '127.0.0.1', port }, timeoutMs: 5000 },
    handler,
  );
  // Node connects in this queue.
  await new Promise<void>((resolve) => {
    process.nextTick(() => {
      Atomics.wait(over, 0, 0, 5000);
      resolve();
    });
  });
  await once(server, 'exit');
}

test('reset before we looked: it was connected, and then it failed', async () => {
  const heard: string[] = [];
  await dialResetting({
    connected: (plain) => {
      heard.push('connected');
      plain.handler = {
        readable: () => undefined,
        written: () => undefined,
        failed: ({ code }) => void heard.push(code),
      };
    },
    failed: ({ code }) => void heard.push(`failed ${code}`),
  });
  await vi.waitUntil(() => heard.length > 1 || heard[0]?.startsWith('failed'), { timeout: 10_000 });
  expect(heard).toEqual(['connected', 'ECONNRESET']);
});

test('reset before we looked: a TLS handshake fails at once, with that reason', async () => {
  const { chainPem, privateKeyPem, rootsPem } = await issueMaterial(await createAuthority(), 'client');
  const credentials = engine.credentials({ chainPem, privateKeyPem, rootsPem });
  const failures: unknown[] = [];
  await dialResetting({
    connected: (plain) => {
      engine.secureClient(
        plain,
        { credentials, verify: () => undefined, handshakeTimeoutMs: 5000 },
        {
          established: () => undefined,
          bytes: () => undefined,
          delivered: () => undefined,
          writable: () => undefined,
          ended: () => undefined,
          failed: (failure) => void failures.push(failure),
        },
      );
    },
    failed: (failure) => void failures.push(failure),
  });
  await vi.waitUntil(() => failures.length > 0, { timeout: 10_000 });
  expect(failures).toEqual([{ code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' }]);
});
