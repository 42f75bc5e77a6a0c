/** A TLS connection that closes with much in its queue: who still gets it, and who is cut, in limited time. */
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { createNodeEngine, type Secure } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { fixture, fixtureTls, listenPlain, openDescriptors } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

afterEach(async () => {
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

const MEBIBYTE = 1_048_576;
/** More than the kernels of a loopback connection take. */
const QUEUED_BYTES = 64 * MEBIBYTE;
/** What would be waited for is not: a limit that a test does not reach. */
const NEVER_MS = 60_000;
const ignore = (): void => {};

interface Closing {
  readonly secure: Secure;
  /** Node's own, half-open; nothing is read or ended unless the test does. */
  readonly peer: TLSSocket;
  /** Fills the queue. */
  readonly fill: () => void;
  /** Closes; fulfilled with the milliseconds until nothing was left. */
  readonly close: () => Promise<number>;
}

async function closing(limits: Parameters<typeof createNodeEngine>[0]): Promise<Closing> {
  const engine = createNodeEngine({ closeLingerMs: NEVER_MS, closeStalledMs: NEVER_MS, ...limits });
  let accepted: Secure | undefined;
  const port = await listenPlain(
    engine,
    (plain) => {
      const secure = engine.secureServer(plain, fixtureTls(engine, 'server'), {
        established: () => {
          accepted = secure;
        },
        bytes: ignore,
        delivered: ignore,
        writable: ignore,
        ended: ignore,
        failed: ignore,
      });
    },
    cleanup,
  );
  // Half-open is an option of the socket, which the types of `connect` leave out.
  const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    port,
    host: '127.0.0.1',
    ALPNProtocols: ['h2'],
    ca: fixture('root.pem'),
    cert: fixture('client.pem'),
    key: fixture('client.key.pem'),
    checkServerIdentity: () => undefined,
    allowHalfOpen: true,
  };
  const peer = connect(options);
  peer.on('error', ignore);
  peer.pause();
  cleanup(() => peer.destroy());
  await soon(() => accepted !== undefined);
  const secure = accepted!;
  cleanup(() => secure.abort());
  return {
    secure,
    peer,
    fill: () => {
      const memory = new Uint8Array(MEBIBYTE);
      for (let sent = 0; sent < QUEUED_BYTES; sent += MEBIBYTE) secure.send(memory, 0, MEBIBYTE);
    },
    close: async () => {
      const since = performance.now();
      await new Promise<void>((resolve) => {
        secure.close(resolve);
      });
      return performance.now() - since;
    },
  };
}

async function readAll(peer: TLSSocket): Promise<number> {
  let bytes = 0;
  peer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  peer.resume();
  await new Promise((resolve) => {
    peer.once('end', resolve);
  });
  return bytes;
}

test('a peer that takes nothing of the queue is cut when the limit is over', async () => {
  const { peer, fill, close } = await closing({ closeStalledMs: 100 });
  const before = openDescriptors();
  fill();
  expect(await close()).toBeGreaterThan(95);
  await soon(() => openDescriptors() === before - 1);
  expect(peer.destroyed).toBe(false);
});

test('so is one that has ended its side before', async () => {
  const { secure, peer, fill, close } = await closing({ closeStalledMs: 100 });
  const ended = new Promise<void>((resolve) => {
    secure.handler = { ...secure.handler, ended: () => resolve() };
  });
  fill();
  peer.end();
  await ended;
  expect(await close()).toBeGreaterThan(95);
});

test('a peer that has ended its side, but reads, gets all of it', async () => {
  const { secure, peer, fill, close } = await closing({});
  const ended = new Promise<void>((resolve) => {
    secure.handler = { ...secure.handler, ended: () => resolve() };
  });
  fill();
  peer.end();
  await ended;
  const [bytes] = await Promise.all([readAll(peer), close()]);
  expect(bytes).toBe(QUEUED_BYTES);
});

test('a slow reader gets all of it, however often the limit passes', async () => {
  const closeStalledMs = 600;
  const { peer, fill, close } = await closing({ closeStalledMs });
  fill();
  let restBytes = 8 * MEBIBYTE;
  peer.on('data', (chunk: Buffer) => {
    restBytes -= chunk.length;
    if (restBytes > 0) return;
    restBytes = 8 * MEBIBYTE;
    peer.pause();
    setTimeout(() => peer.resume(), closeStalledMs / 6);
  });
  const read = readAll(peer).then((bytes) => {
    peer.end();
    return bytes;
  });
  const [bytes, tookMs] = await Promise.all([read, close()]);
  expect(bytes).toBe(QUEUED_BYTES);
  expect(tookMs).toBeGreaterThan(closeStalledMs);
});

test('a peer that has all, but does not end its side, is cut soon', async () => {
  const { peer, close } = await closing({ closeLingerMs: 50 });
  const [bytes, tookMs] = await Promise.all([readAll(peer), close()]);
  expect(bytes).toBe(0);
  expect(tookMs).toBeGreaterThan(45);
});
