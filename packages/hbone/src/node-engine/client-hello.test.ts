import { afterEach, expect, test } from 'vitest';
import { clientHelloExtensions } from '../testing/client-hello.ts';
import { dialPlain, fixtureTls, listenSockets } from '../testing/loopback.ts';
import { createNodeEngine } from './engine.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};
const nobody = () => {};
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const SIGNATURE_ALGORITHMS = 13;

// hbone.md §1.1: no SNI (0), no tickets (35), no record size limit (28), and what a recorded hello of the reference offers.
test('the ClientHello offers what the reference offers, and nothing more', async () => {
  const engine = createNodeEngine();
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const port = await listenSockets((socket) => {
    socket.once('data', resolve);
    socket.resume();
  }, cleanup);
  const handler = { established: nobody, bytes: nobody, delivered: nobody, writable: nobody, ended: nobody };
  const plain = await dialPlain(engine, port, cleanup);
  const secure = engine.secureClient(plain, fixtureTls(engine, 'client'), { ...handler, failed: nobody });
  cleanup(() => secure.abort());
  const extensions = clientHelloExtensions(await promise);
  expect([...extensions.keys()].toSorted((a, b) => a - b)).toEqual([5, 10, 11, 13, 16, 23, 43, 45, 51]);
  const schemes = extensions.get(SIGNATURE_ALGORITHMS)?.subarray(2).toString('hex');
  expect(schemes).toBe('0503040306030807080608050804060105010401');
});
