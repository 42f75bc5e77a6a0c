import assert from 'node:assert/strict';
import { type ContractCase, contractCase } from './contract-case.ts';
import { CLIENT, SERVER } from './scene.ts';
import { accepting, identity, tunnel } from './secure-ends.ts';

/** Together more than the kernels of a loopback connection take. */
const CHUNK_BYTES = 1_048_576;
const CHUNKS = 32;

/** `Secure.close` has its own deadlines: nobody above the engine has any. */
export const closeCases: readonly ContractCase[] = [
  contractCase(
    'Secure.close: a peer that has all and does not end its side is cut, and `done` comes',
    async (scene) => {
      // It reads nothing, so that it does not see our end; so little is the kernel's at once.
      const { secure, log, peer } = await accepting(scene, scene.tls(SERVER), { ...identity(CLIENT) });
      await scene.until(() => log.has('established'), 'established');
      secure.send(Buffer.from('last words'), 0, 10);
      let done = 0;
      secure.close(() => done++);
      await scene.until(() => done > 0, '`done` (are the limits of this engine short enough for tests?)');
      assert.equal(peer.writableEnded, false);
      assert.deepEqual(log.events, ['established']);
    },
  ),
  contractCase('Secure.close: a peer that takes nothing of the queue is cut, and `done` comes', async (scene) => {
    const { client, server } = await tunnel(scene);
    server.secure.pause();
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let count = 0; count < CHUNKS; count++) client.secure.send(chunk, 0, chunk.length);
    let done = 0;
    client.secure.close(() => done++);
    await scene.settle();
    assert.equal(done, 0);
    await scene.until(() => done > 0, '`done` (are the limits of this engine short enough for tests?)');
    server.secure.resume();
    await scene.until(() => server.log.has('failed') || server.log.has('ended'), 'the peer’s end');
    assert.deepEqual([client.log.events, done], [['established'], 1]);
  }),
];
