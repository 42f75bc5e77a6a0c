import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Engine, type Plain } from '@ambientmesh/hbone';
import { createTestEngine } from '@ambientmesh/hbone/testing';
import type { Policy } from '@ambientmesh/policy';
import { expect, onTestFinished, test } from 'vitest';
import { PlaintextConnection } from '../inbound/plaintext-connection.ts';
import { workload } from '../state/fixtures.ts';
import { DRAINED, POD_REMOVED } from './pod.ts';
import { FIRST_WORD_MS, MAX_REFUSED_CLIENTS, RefusedClients } from './refused-clients.ts';
import { SilentPlain } from './testing/silent-plain.ts';
import { createTestPod, listen } from './testing/test-pod.ts';

const engine = createTestEngine();
/** Time is up as soon as somebody waits. */
const impatient: Pick<Engine, 'after'> = { after: (_ms, callback) => engine.after(0, callback) };
const owner = {};

function refuseClient(plain: Plain, by: Pick<Engine, 'after'>): RefusedClients {
  const clients = new RefusedClients(by, { source: 0, destination: 0 });
  clients.hold(plain, { owner, reporter: 'destination' });
  return clients;
}

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

/** Timers that never fire. */
function timeless() {
  const pending = new Set<() => void>();
  const sockets = { source: 0, destination: 0 };
  const after: Engine['after'] = (ms, callback) => {
    expect(ms).toBe(FIRST_WORD_MS);
    pending.add(callback);
    return { cancel: () => void pending.delete(callback) };
  };
  return { clients: new RefusedClients({ after }, sockets), pending, sockets };
}

test('bounded: of too many silent clients the oldest end at once; those that are held are counted', () => {
  const { clients, pending, sockets } = timeless();
  const all = Array.from({ length: MAX_REFUSED_CLIENTS + 10 }, () => new SilentPlain());
  for (const client of all) clients.hold(client, { owner, reporter: 'destination' });
  expect(all.map(({ ended }) => ended)).toEqual(all.map((_, index) => (index < 10 ? 'closed' : undefined)));
  expect([clients.size, pending.size, sockets.destination]).toEqual([256, 256, 256]);
  for (const client of all.slice(10)) client.handler.failed({ code: 'ECONNRESET', message: 'reset' });
  expect([clients.size, pending.size, sockets.destination]).toEqual([0, 0, 0]);
});

test('the clients of an owner that is gone end at once, others stay', () => {
  const { clients, pending, sockets } = timeless();
  const [gone, other] = [new SilentPlain(), new SilentPlain()];
  clients.hold(gone, { owner, reporter: 'source' });
  clients.hold(other, { owner: {}, reporter: 'source' });
  clients.closeOf(owner);
  expect([gone.ended, other.ended]).toEqual(['closed', undefined]);
  expect([clients.size, pending.size, sockets.source]).toEqual([1, 1, 1]);
});

/** A pod that nobody may call, and a client of its port 15006 that says nothing. */
async function callSilently(policies: readonly Policy[]) {
  const made = createTestPod();
  for (const policy of policies) made.context.policies.put(policy);
  made.state.putWorkload(workload({ name: 'server', ips: ['127.0.0.1'] }), []);
  const { promise, resolve } = Promise.withResolvers<PlaintextConnection>();
  const port = await listen((plain) => {
    const connection = new PlaintextConnection(made.pod, plain);
    made.serve(connection);
    resolve(connection);
  }, onTestFinished);
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => {
    client.destroy();
  });
  return { made, client, connection: await promise };
}

test('whom a policy denies is held, counted, and let go with the pod', async () => {
  const denial = { name: 'deny', namespace: 'default', scope: 'Namespace', action: 'Deny', dryRun: false } as const;
  const { made, client } = await callSilently([{ ...denial, rules: [[]] }]);
  const { refusedClients, sockets } = made.context;
  expect([made.connections.size, refusedClients.size, sockets.destination]).toEqual([0, 1, 1]);
  refusedClients.closeOf(made.pod);
  expect([refusedClients.size, sockets.destination]).toEqual([0, 0]);
  expect(await endOf(client)).toBe('fin');
});

test.each([DRAINED, POD_REMOVED])('$message: a client that waits ends at once', async (reason) => {
  const { made, client, connection } = await callSilently([]);
  expect([made.dialled.length, made.context.sockets.destination]).toEqual([1, 1]);
  connection.cut(reason);
  expect([made.context.refusedClients.size, made.context.sockets.destination]).toEqual([0, 0]);
  expect(await endOf(client)).toBe('fin');
});
