import { createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { dialTunnel, HboneError, TunnelClient } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { fixtureCredentials, listenSockets, openDescriptors, portOf } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { listenOnLoopback, loopbackClient, openPair } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const echo = { route: () => ({ accept: async (stream: NodeJS.ReadWriteStream) => void stream.pipe(stream) }) };

test('many tunnels share a connection; close waits for the last', async () => {
  const before = openDescriptors();
  const listener = await listenOnLoopback(cleanup, echo);
  {
    await using client = loopbackClient(cleanup, listener.port);
    const streams = await Promise.all(Array.from({ length: 50 }, (_, index) => client.open(`a:${index + 1}`)));
    expect([client.connectionCount, client.streamCount, listener.connectionCount]).toEqual([1, 50, 1]);
    const closing = client.close();
    await expect(client.open('late:1')).rejects.toMatchObject({ code: 'HBONE_CLOSED', retryable: false });
    const answers = streams.map(async (stream) => text(stream));
    for (const stream of streams) stream.end(stream.authority);
    expect(await Promise.all(answers)).toEqual(streams.map(({ authority }) => authority));
    await closing;
    expect([client.connectionCount, client.streamCount]).toEqual([0, 0]);
  }
  await listener.close();
  await soon(() => openDescriptors() <= before);
});

test('a full connection is left for another one', async () => {
  const listener = await listenOnLoopback(cleanup, echo);
  const client = loopbackClient(cleanup, listener.port, { maxStreamsPerConnection: 2 });
  await Promise.all([client.open('a:1'), client.open('b:1'), client.open('c:1')]);
  expect(client.connectionCount).toBe(2);
  // Another server is another connection; the same by another name as well.
  await client.open('d:1', { host: 'localhost' });
  expect(client.connectionCount).toBe(3);
});

test('an idle connection closes in time', async () => {
  const listener = await listenOnLoopback(cleanup, echo);
  const client = loopbackClient(cleanup, listener.port, { unusedReleaseMs: 10 });
  const stream = await client.open('a:1');
  stream.resume().end();
  await soon(() => client.connectionCount === 0 && listener.connectionCount === 0);
  expect(stream.errored).toBe(null);
});

test('abort cuts, a deadline does so later', async () => {
  const { near, far, client } = await openPair(cleanup);
  const closing = client.close({ deadlineMs: 5 });
  await closing;
  await soon(() => near.destroyed && far.destroyed);
  expect(near.errored).toMatchObject({ code: 'HBONE_CLOSED' });
  expect(far.errored).toMatchObject({ code: 'HBONE_CONNECTION_LOST' });
  client.abort();
});

test('the host of the authority is the server unless another is named', async () => {
  const listener = await listenOnLoopback(cleanup, echo);
  const client = new TunnelClient({ credentials: fixtureCredentials('client'), port: listener.port });
  cleanup(() => client.abort());
  expect((await client.open('127.0.0.1:80')).remote).toEqual({ ip: '127.0.0.1', port: listener.port });
  await expect(client.open('[::1]:80', { port: 1 })).rejects.toMatchObject({
    code: 'HBONE_DIAL_FAILED',
    message: 'CONNECT [::1]:80: connect ::1:1: Connection refused (os error 111)',
    retryable: true,
  });
});

test('new credentials are for the next connections', async () => {
  const chains: number[] = [];
  const listener = await listenOnLoopback(cleanup, {
    route: ({ peerChain }) => {
      chains.push(peerChain[0]?.length ?? 0);
      return { status: 404 };
    },
  });
  const client = loopbackClient(cleanup, listener.port, { maxStreamsPerConnection: 1 });
  const refused = { code: 'HBONE_REQUEST_REFUSED' };
  await expect(client.open('a:1')).rejects.toMatchObject(refused);
  client.rotate(fixtureCredentials('chained'));
  await expect(client.open('a:1')).rejects.toMatchObject(refused);
  expect(chains[0]).not.toBe(chains[1]);
  expect(() => client.rotate({ ...fixtureCredentials('client'), rootsPem: ['none'] })).toThrow(
    expect.objectContaining({ code: 'HBONE_CREDENTIALS_INVALID' }),
  );
});

test('a client whose certificate is not trusted is told so, by TLS', async () => {
  const listener = await listenOnLoopback(cleanup, echo);
  const stranger = loopbackClient(cleanup, listener.port, { credentials: fixtureCredentials('stranger') });
  await expect(stranger.open('a:1')).rejects.toMatchObject({
    code: expect.stringMatching(/HBONE_(HANDSHAKE_FAILED|CONNECTION_LOST)/),
  });
  const careful = loopbackClient(cleanup, listener.port, { verify: () => 'not this one' });
  await expect(careful.open('a:1')).rejects.toMatchObject({
    code: 'HBONE_HANDSHAKE_FAILED',
    message: "CONNECT a:1: verify refused the server's certificate: not this one",
    cause: { message: 'invalid peer certificate: Other(OtherError(not this one))' },
  });
});

test.each([
  { authority: 'no port and spaces', headers: {} },
  { authority: '', headers: {} },
  { authority: 'a:1', headers: { 'bad name': '' } },
  { authority: 'a:1', headers: { name: 'line\r\nbreak' } },
  { authority: 'a:1', headers: { name: 'snow\u2603' } },
  { authority: 'a:1', headers: { connection: 'close' } },
])('a malformed request is refused before anything is dialled: %o', async ({ authority, headers }) => {
  const client = loopbackClient(cleanup, 1);
  await expect(client.open(authority, { headers })).rejects.toMatchObject({ code: 'HBONE_REQUEST_INVALID' });
});

test('those who wait for a connection are bounded', async () => {
  const client = loopbackClient(cleanup, 9, { host: '192.0.2.1', connectTimeoutMs: 20, maxWaiting: 10 });
  const codes = new Map<unknown, number>();
  const openings = Array.from({ length: 30 }, async () => {
    const code = await client.open('a:1').catch((error: { code?: string }) => error.code);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  });
  await Promise.all(openings);
  expect(codes.get('HBONE_OVERLOADED')).toBeGreaterThan(10);
  expect([...codes.keys()]).toEqual(['HBONE_OVERLOADED', 'HBONE_DIAL_FAILED']);
});

test.each([
  {
    stage: 'connection',
    options: { connectTimeoutMs: 10, host: '192.0.2.1' },
    error: { code: 'HBONE_DIAL_FAILED', retryable: true },
  },
  {
    stage: 'handshake',
    options: { handshakeTimeoutMs: 10 },
    error: { code: 'HBONE_HANDSHAKE_FAILED', retryable: true },
  },
])('a $stage that takes too long', async ({ options, error }) => {
  const port = await listenSockets(() => {}, cleanup);
  await expect(loopbackClient(cleanup, port, options).open('a:1')).rejects.toMatchObject(error);
});

test('an answer that takes too long', async () => {
  const listener = await listenOnLoopback(cleanup, { route: () => new Promise(() => {}) });
  const client = loopbackClient(cleanup, listener.port, { responseTimeoutMs: 10 });
  await expect(client.open('a:1')).rejects.toMatchObject({ code: 'HBONE_REQUEST_TIMEOUT', retryable: false });
  await soon(() => listener.streamCount === 0);
  expect(client.connectionCount).toBe(1);
});

test.each(['connecting', 'shaking hands', 'waiting for the answer', 'already aborted'])(
  'a signal gives up while %s, and leaves nothing',
  async (stage) => {
    const before = openDescriptors();
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.resume().on('error', () => {});
    });
    cleanup(() => server.close());
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const listener = await listenOnLoopback(cleanup, { route: () => new Promise(() => {}) });
    const port = stage === 'shaking hands' ? portOf(server) : listener.port;
    const giveUp = new AbortController();
    if (stage === 'already aborted') giveUp.abort(new Error('enough'));
    const opening = dialTunnel({
      host: stage === 'connecting' ? '192.0.2.1' : '127.0.0.1',
      port,
      authority: 'a:1',
      credentials: fixtureCredentials('client'),
      signal: giveUp.signal,
    });
    const told = opening.catch((error: Error) => error.message);
    if (stage === 'shaking hands') await soon(() => sockets.length === 1);
    if (stage === 'waiting for the answer') await soon(() => listener.streamCount === 1);
    giveUp.abort(new Error('enough'));
    expect(await told).toBe('enough');
    listener.abort();
    server.close();
    await soon(() => openDescriptors() <= before);
  },
);

test('errors are one class', () => {
  const error = new HboneError('HBONE_REQUEST_REFUSED', 'no', { status: 404, cause: 1 });
  expect(error).toMatchObject({ name: 'HboneError', status: 404, retryable: false, http2Code: undefined, cause: 1 });
});
