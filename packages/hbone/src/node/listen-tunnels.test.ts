import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { dialTunnel, type HboneError, listenTunnels, type Route } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { dialSocket, fixtureCredentials, openDescriptors } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { listenOnLoopback, loopbackClient, openPair, serveTcp } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const echoPort = () => serveTcp(cleanup, (socket) => socket.pipe(socket));

/** A listener that notes what it is told. */
async function noting(options: Parameters<typeof listenOnLoopback>[1]) {
  const told: string[] = [];
  const onError = (error: HboneError, { ip }: { ip: string }): void => {
    told.push(`${error.code} ${ip}`);
  };
  return { told, listener: await listenOnLoopback(cleanup, { onError, ...options }) };
}

test('a tunnel carries a stream both ways to a TCP address; close drains', async () => {
  const port = await echoPort();
  const before = openDescriptors();
  {
    await using listener = await listenOnLoopback(cleanup, { route: () => ({ host: 'localhost', port }) });
    const stream = await dialTunnel({
      host: '127.0.0.1',
      port: listener.port,
      authority: 'echo:80',
      credentials: fixtureCredentials('client'),
    });
    const body = 'x'.repeat(6_000_000);
    const answer = text(stream);
    stream.end(body);
    expect((await answer) === body).toBe(true);
  }
  await soon(() => openDescriptors() <= before);
});

test.each<{ name: string; route: () => Route | Promise<Route>; status: number; told: string[] }>([
  { name: 'a status', route: () => ({ status: 404 }), status: 404, told: [] },
  { name: 'a status, later', route: async () => ({ status: 401 }), status: 401, told: [] },
  { name: 'a status that refuses nothing', route: () => ({ status: 200 }), status: 500, told: ['HBONE_ROUTE_FAILED'] },
  {
    name: 'a throw',
    route: () => {
      throw new Error('no');
    },
    status: 500,
    told: ['HBONE_ROUTE_FAILED'],
  },
  { name: 'a rejection', route: () => Promise.reject(new Error('no')), status: 500, told: ['HBONE_ROUTE_FAILED'] },
  {
    name: 'a malformed header',
    route: () => ({ status: 404, headers: { 'bad name': '' } }),
    status: 500,
    told: ['HBONE_ROUTE_FAILED'],
  },
  {
    name: 'a closed port',
    route: () => ({ host: '127.0.0.1', port: 1 }),
    status: 503,
    told: ['HBONE_DESTINATION_FAILED'],
  },
  {
    name: 'a port that is none',
    route: () => ({ host: '127.0.0.1', port: 70_000 }),
    status: 503,
    told: ['HBONE_DESTINATION_FAILED'],
  },
])('route answers $name: $status', async ({ route, status, told }) => {
  const { listener, told: heard } = await noting({ route });
  const client = loopbackClient(cleanup, listener.port);
  await expect(client.open('a:1')).rejects.toMatchObject({ code: 'HBONE_REQUEST_REFUSED', status, retryable: false });
  expect(heard).toEqual(told.map((code) => `${code} 127.0.0.1`));
});

test('a destination that takes too long is given up', async () => {
  const { told, listener } = await noting({
    route: () => ({ host: '192.0.2.1', port: 9 }),
    connectTimeoutMs: 20,
  });
  const client = loopbackClient(cleanup, listener.port);
  await expect(client.open('a:1')).rejects.toMatchObject({ code: 'HBONE_REQUEST_REFUSED', status: 503 });
  expect(told).toEqual(['HBONE_DESTINATION_FAILED 127.0.0.1']);
});

test('an accept that fails resets its stream', async () => {
  const { told, listener } = await noting({
    route: () => ({ accept: () => Promise.reject(new Error('no')) }),
  });
  const client = loopbackClient(cleanup, listener.port);
  const stream = await client.open('a:1');
  await soon(() => stream.closed);
  expect(stream.errored).toMatchObject({ code: 'HBONE_STREAM_RESET', http2Code: 10 });
  expect(told).toEqual(['HBONE_ROUTE_FAILED 127.0.0.1']);
});

test('a client that gives up is heard before it is answered, and nothing is dialled for it', async () => {
  const routed = Promise.withResolvers<AbortSignal>();
  const decided = Promise.withResolvers<Route>();
  let dialled = 0;
  const port = await serveTcp(cleanup, () => {
    dialled += 1;
  });
  const { listener } = await noting({
    route: ({ authority, signal }) => {
      if (authority === 'b:1') return { status: 404 };
      routed.resolve(signal);
      return decided.promise;
    },
  });
  const client = loopbackClient(cleanup, listener.port);
  const giveUp = new AbortController();
  const opening = client.open('a:1', { signal: giveUp.signal });
  const signal = await routed.promise;
  expect(listener.streamCount).toBe(1);
  giveUp.abort(new Error('enough'));
  await expect(opening).rejects.toThrow('enough');
  await soon(() => signal.aborted);
  expect(listener.streamCount).toBe(0);
  decided.resolve({ host: '127.0.0.1', port });
  await expect(client.open('b:1')).rejects.toMatchObject({ status: 404 });
  expect(dialled).toBe(0);
});

test('requests in flight are bounded, also those that were given up', async () => {
  let routed = 0;
  const { listener } = await noting({
    route: () => {
      routed += 1;
      return new Promise<Route>(() => {});
    },
    tunnel: { codec: { maxConcurrentStreams: 5 } },
  });
  const client = loopbackClient(cleanup, listener.port);
  const giveUp = new AbortController();
  const first = Array.from({ length: 4 }, () => client.open('a:1', { signal: giveUp.signal }));
  await soon(() => routed === 4);
  giveUp.abort(new Error('enough'));
  for (const opening of first) await expect(opening).rejects.toThrow('enough');
  await soon(() => listener.streamCount === 0);
  const fifth = client.open('a:1').catch((error: HboneError) => error.code);
  await expect(client.open('b:1')).rejects.toMatchObject({
    code: 'HBONE_STREAM_RESET',
    http2Code: 7,
    retryable: true,
  });
  expect(routed).toBe(5);
  client.abort();
  expect(await fifth).toBe('HBONE_CLOSED');
});

test('a flood of requests that are given up leaves no dial behind', async () => {
  const before = openDescriptors();
  const { listener } = await noting({ route: () => ({ host: '192.0.2.1', port: 9 }) });
  const client = loopbackClient(cleanup, listener.port, { maxStreamsPerConnection: 1000 });
  for (let round = 0; round < 5; round++) {
    const giveUp = new AbortController();
    const openings = Array.from({ length: 100 }, () => client.open('a:1', { signal: giveUp.signal }));
    const settled = Promise.allSettled(openings);
    await soon(() => listener.streamCount > 0);
    expect(openDescriptors()).toBeLessThan(before + 210);
    giveUp.abort();
    await settled;
  }
  await soon(() => listener.streamCount === 0 && openDescriptors() <= before + 3);
});

test('when there are too many handshakes the oldest is cut, and finished ones are not', async () => {
  const { told, listener } = await noting({
    route: () => ({ accept: (stream) => stream.pipe(stream) && undefined }),
    maxHandshakes: 3,
  });
  const client = loopbackClient(cleanup, listener.port);
  const stream = await client.open('a:1');
  const silent: Socket[] = [];
  for (let index = 0; index < 4; index++) silent.push(await dialSocket(listener.port, cleanup));
  silent[0]?.resume();
  await soon(() => silent[0]?.readableEnded === true);
  expect(told).toEqual(['HBONE_OVERLOADED 127.0.0.1']);
  expect(listener.handshakeCount).toBe(3);
  const another = loopbackClient(cleanup, listener.port);
  expect(await another.open('b:1')).toBeDefined();
  stream.end('still here');
  expect(await text(stream)).toBe('still here');
});

test('handshakes that are not finished in time are cut', async () => {
  const { told, listener } = await noting({ handshakeTimeoutMs: 10 });
  const silent = await dialSocket(listener.port, cleanup);
  silent.resume();
  await soon(() => silent.readableEnded);
  expect(told).toEqual(['HBONE_HANDSHAKE_FAILED 127.0.0.1']);
  expect(listener.handshakeCount).toBe(0);
});

test('connections are bounded', async () => {
  const { told, listener } = await noting({ maxConnections: 1 });
  const [first, second] = [loopbackClient(cleanup, listener.port), loopbackClient(cleanup, listener.port)];
  await expect(first.open('a:1')).rejects.toMatchObject({ status: 404 });
  await expect(second.open('a:1')).rejects.toMatchObject({
    code: expect.stringMatching(/HBONE_(DIAL|HANDSHAKE)_FAILED/),
    retryable: true,
  });
  expect(told).toEqual(['HBONE_OVERLOADED 127.0.0.1']);
  expect(listener.connectionCount).toBe(1);
  await first.close();
  await soon(() => listener.connectionCount === 0);
  await expect(second.open('a:1')).rejects.toMatchObject({ status: 404 });
});

test('verify decides about clients, and fails closed', async () => {
  let answer: string | Error | undefined = 'not this one';
  const verify = (): string | undefined => {
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const { told, listener } = await noting({ verify });
  const client = () => loopbackClient(cleanup, listener.port);
  const refused = { code: expect.stringMatching(/HBONE_(CONNECTION_LOST|HANDSHAKE_FAILED)/) };
  await expect(client().open('a:1')).rejects.toMatchObject(refused);
  answer = new Error('broken');
  await expect(client().open('a:1')).rejects.toMatchObject(refused);
  answer = undefined;
  await expect(client().open('a:1')).rejects.toMatchObject({ status: 404 });
  expect(told).toEqual(['HBONE_HANDSHAKE_FAILED 127.0.0.1', 'HBONE_HANDSHAKE_FAILED 127.0.0.1']);
});

test('new credentials are for the next handshakes; open connections go on', async () => {
  const { near, listener } = await openPair(cleanup);
  expect(() => listener.rotate({ ...fixtureCredentials('server'), privateKeyPem: 'none' })).toThrow(
    expect.objectContaining({ code: 'HBONE_CREDENTIALS_INVALID' }),
  );
  listener.rotate(fixtureCredentials('chained'));
  const next = await loopbackClient(cleanup, listener.port).open('far:80');
  expect(next.peerChain[0]).not.toEqual(near.peerChain[0]);
  expect(near.destroyed).toBe(false);
});

test('close waits for the last stream, with a deadline no longer than that', async () => {
  const { near, far, listener } = await openPair(cleanup);
  const closing = listener.close();
  far.end('last words');
  expect(await text(near)).toBe('last words');
  expect(listener.streamCount).toBe(1);
  await listener.close({ deadlineMs: 5 });
  await closing;
  await soon(() => near.destroyed && far.destroyed);
  expect(far.errored).toMatchObject({ code: 'HBONE_CLOSED' });
});

test('a signal cuts everything', async () => {
  const cut = new AbortController();
  const { far, near, listener } = await openPair(cleanup, { signal: cut.signal });
  cut.abort();
  await soon(() => near.destroyed && far.destroyed);
  expect(listener.port).toBe(0);
  expect(near.errored).toMatchObject({ code: 'HBONE_CONNECTION_LOST' });
});

test('what stops a listener from listening has a code', async () => {
  const { port } = await listenOnLoopback(cleanup);
  const options = { host: '127.0.0.1', route: () => ({ status: 404 }), credentials: fixtureCredentials('server') };
  await expect(listenTunnels({ ...options, port })).rejects.toMatchObject({ code: 'HBONE_LISTEN_FAILED' });
  const credentials = { ...options.credentials, rootsPem: ['none'] };
  await expect(listenTunnels({ ...options, credentials })).rejects.toMatchObject({ code: 'HBONE_CREDENTIALS_INVALID' });
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(listenTunnels({ ...options, signal })).rejects.toThrow('enough');
});

test('a broken protocol is told', async () => {
  const { told, listener } = await noting({});
  const { connect } = await import('node:tls');
  const { chainPem: cert, privateKeyPem: key, rootsPem: ca } = fixtureCredentials('client');
  const options = { port: listener.port, host: '127.0.0.1', cert, key, ca: [...ca], ALPNProtocols: ['h2'] };
  const socket = connect({ ...options, checkServerIdentity: () => undefined });
  socket.on('error', () => {});
  cleanup(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  socket.resume();
  await soon(() => told.length > 0);
  expect(told).toEqual(['HBONE_CONNECTION_LOST 127.0.0.1']);
});
