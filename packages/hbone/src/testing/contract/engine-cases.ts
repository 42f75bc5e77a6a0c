import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Plain } from '../../engine.ts';
import { type ContractCase, contractCase } from './contract-case.ts';
import { CLIENT, SERVER } from './scene.ts';

const QUIET = { readable: () => {}, written: () => {}, failed: () => {} };
const SECURE_QUIET = {
  bytes: () => {},
  delivered: () => {},
  writable: () => {},
  ended: () => {},
  failed: () => {},
};
const CONNECTIONS = 20;
const WAIT_MS = 5;

/** The rules of `Engine` itself. */
export const engineCases: readonly ContractCase[] = [
  contractCase('Engine.after: once, not before its time, in order; `cancel` silences it', async (scene) => {
    const { engine } = scene.harness;
    const fired: string[] = [];
    const start = engine.now();
    let at = 0;
    engine.after(WAIT_MS, () => {
      fired.push('first');
      at = engine.now();
    });
    const cancelled = engine.after(1, () => fired.push('cancelled'));
    cancelled.cancel();
    cancelled.cancel();
    engine.after(2 * WAIT_MS, () => fired.push('second'));
    assert.deepEqual(fired, []);
    await scene.until(() => fired.length >= 2, 'both timers');
    await scene.settle();
    assert.deepEqual(fired, ['first', 'second']);
    // Both clocks may be rounded to milliseconds.
    assert.ok(at - start >= WAIT_MS - 1);
  }),
  contractCase(
    'Engine.atEndOfTurn: not at once, in order, also when asked from one; what it writes leaves',
    async (scene) => {
      const { engine } = scene.harness;
      const { plain, peer } = await scene.connection();
      plain.handler = QUIET;
      const order: number[] = [];
      engine.atEndOfTurn(() => {
        order.push(1);
        engine.atEndOfTurn(() => order.push(3));
      });
      engine.atEndOfTurn(() => {
        order.push(2);
        plain.write(Buffer.from('x'), 0, 1);
      });
      assert.deepEqual(order, []);
      let received = 0;
      peer.on('data', (chunk) => (received += chunk.length));
      await scene.until(() => order.length === 3 && received === 1, 'all');
      assert.deepEqual(order, [1, 2, 3]);
    },
  ),
  contractCase('Engine.credentials: what does not fit together throws HBONE_CREDENTIALS_INVALID', async (scene) => {
    const { engine } = scene.harness;
    const invalid = { code: 'HBONE_CREDENTIALS_INVALID' };
    assert.throws(() => engine.credentials({ chainPem: 'x', privateKeyPem: 'y', rootsPem: [] }), invalid);
    await scene.harness.turn();
  }),
  contractCase('Engine: a listener that is closed takes nobody', async (scene) => {
    let accepted = 0;
    const { port, close } = await scene.harness.listen(() => void accepted++);
    close();
    await scene.settle();
    let refused = false;
    const socket = scene.own(connect(port, '127.0.0.1'));
    socket.once('error', () => (refused = true));
    await scene.until(() => refused, 'refused');
    assert.equal(accepted, 0);
  }),
  contractCase('Engine: however connections end, their descriptors are given back', async (scene) => {
    await scene.settle();
    const before = scene.harness.openDescriptors();
    const accepted: Plain[] = [];
    const { port, close } = await scene.harness.listen((plain) => {
      plain.handler = QUIET;
      accepted.push(plain);
    });
    const dialled: Plain[] = [];
    for (let count = 0; count < CONNECTIONS; count++) dialled.push(await scene.harness.dial(port));
    await scene.until(() => accepted.length === CONNECTIONS, 'accepted');
    const { engine } = scene.harness;
    const [clientTls, serverTls] = [scene.tls(CLIENT), scene.tls(SERVER)];
    let established = 0;
    for (const [index, plain] of dialled.entries()) {
      const other = accepted.find(({ remote }) => remote.port === plain.local.port)!;
      plain.handler = QUIET;
      if (index % 4 === 0) {
        plain.write(Buffer.from('x'), 0, 1);
        plain.close();
        other.close();
      } else if (index % 4 === 1) {
        plain.reset();
        other.reset();
      } else if (index % 4 === 2) {
        const server = engine.secureServer(other, serverTls, {
          ...SECURE_QUIET,
          established: () => {},
          ended: () => server.close(),
        });
        const client = engine.secureClient(plain, clientTls, {
          ...SECURE_QUIET,
          established: () => {
            established++;
            client.close();
          },
        });
      } else {
        const server = engine.secureServer(other, serverTls, { ...SECURE_QUIET, established: () => {} });
        engine.secureClient(plain, clientTls, { ...SECURE_QUIET, established: () => {} }).abort();
        server.abort();
      }
    }
    await scene.until(() => established === CONNECTIONS / 4, 'handshakes');
    close();
    await scene.until(() => scene.harness.openDescriptors() <= before, 'descriptors given back');
  }),
];
