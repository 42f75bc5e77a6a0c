import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createNodeEngine, type Engine, type Plain } from '@ambientmesh/hbone';
import { expect, onTestFinished, test } from 'vitest';
import { refuseClient } from './refused-client.ts';
import { listen } from './testing/test-pod.ts';

const engine = createNodeEngine();
/** Time is up as soon as somebody waits. */
const impatient: Pick<Engine, 'after'> = { after: (_ms, callback) => engine.after(0, callback) };

/** A client, and the proxy's end of its connection. */
async function meet(): Promise<{ readonly client: Socket; readonly plain: Plain }> {
  const { promise, resolve } = Promise.withResolvers<Plain>();
  const port = await listen(resolve, onTestFinished);
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => {
    client.destroy();
  });
  return { client, plain: await promise };
}

function endOf(client: Socket): Promise<string> {
  return new Promise((resolve) => {
    client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    client.once('end', () => {
      client.end();
      resolve('fin');
    });
    client.resume();
  });
}

test('a client that has spoken is reset', async () => {
  const { client, plain } = await meet();
  await new Promise((resolve) => client.write('GET', resolve));
  refuseClient(plain, engine);
  expect(await endOf(client)).toBe('ECONNRESET');
});

test('a client that speaks after the refusal is reset, too', async () => {
  const { client, plain } = await meet();
  refuseClient(plain, engine);
  const end = endOf(client);
  setImmediate(() => client.write('GET'));
  expect(await end).toBe('ECONNRESET');
});

test('a client that says nothing sees the end', async () => {
  const { client, plain } = await meet();
  refuseClient(plain, impatient);
  expect(await endOf(client)).toBe('fin');
});

test('a client that has ended sees the end', async () => {
  const { client, plain } = await meet();
  client.end();
  refuseClient(plain, engine);
  expect(await endOf(client)).toBe('fin');
});

test('what is queued is sent before', async () => {
  const { client, plain } = await meet();
  plain.write(Buffer.from('sorry'), 0, 5);
  refuseClient(plain, impatient);
  const [said]: Buffer[] = await once(client, 'data');
  expect(said?.toString()).toBe('sorry');
  expect(await endOf(client)).toBe('fin');
});
