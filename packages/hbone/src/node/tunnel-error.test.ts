import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type HboneError, TunnelClient, type VerifyPeer } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { fixtureCredentials, listenSockets } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { listenOnLoopback, loopbackClient, openPair } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const refusedTls = { code: 'HBONE_HANDSHAKE_FAILED', retryable: false };

test.each([
  { server: 'stranger', says: 'does not lead to a trusted root', words: 'UnknownIssuer' },
  { server: 'expired', says: 'has expired', words: 'ExpiredContext' },
] as const)(
  'a server whose certificate is $server: plain words, and those of the mesh',
  async ({ server, says, words }) => {
    const listener = await listenOnLoopback(cleanup, { credentials: fixtureCredentials(server) });
    await expect(loopbackClient(cleanup, listener.port).open('a:1')).rejects.toMatchObject({
      ...refusedTls,
      message: expect.stringMatching(new RegExp(`^CONNECT a:1: the server's certificate ${says}`)),
      cause: { message: expect.stringContaining(words) },
    });
  },
);

test.each(['stranger', 'expired'] as const)('a client whose certificate is %s hears of it', async (name) => {
  const told: HboneError[] = [];
  const listener = await listenOnLoopback(cleanup, { onError: (error) => told.push(error) });
  const client = loopbackClient(cleanup, listener.port, { credentials: fixtureCredentials(name) });
  await expect(client.open('a:1')).rejects.toMatchObject({
    ...refusedTls,
    message: expect.stringMatching(/our certificate/),
  });
  expect(told[0]).toMatchObject({
    code: 'HBONE_HANDSHAKE_FAILED',
    message: expect.stringMatching(/^the client's certificate/),
  });
});

test('what verify says is in the error, at both ends', async () => {
  const refusal = { code: 'NOT_THIS_ONE', message: 'not this one', certificateError: 'Other(not this one)' };
  const told: HboneError[] = [];
  const listener = await listenOnLoopback(cleanup, { verify: () => refusal, onError: (error) => told.push(error) });
  const trusting = loopbackClient(cleanup, listener.port);
  await expect(trusting.open('a:1')).rejects.toMatchObject({
    ...refusedTls,
    message: expect.stringContaining('was our certificate refused?'),
  });
  const both = { message: expect.stringContaining('not this one'), refusal };
  expect(told).toMatchObject([both]);
  const other = await listenOnLoopback(cleanup);
  const careful = loopbackClient(cleanup, other.port, { verify: () => refusal });
  await expect(careful.open('a:1')).rejects.toMatchObject({ ...refusedTls, ...both });
});

test.each([
  { name: 'a promise', answer: (): unknown => Promise.reject(new Error('late')), says: 'answered a promise' },
  { name: 'a boolean', answer: (): unknown => true, says: 'answered a boolean' },
])('verify answers $name: refused', async ({ answer, says }) => {
  const listener = await listenOnLoopback(cleanup);
  // oxlint-disable-next-line no-unsafe-type-assertion -- what programs without types do
  const verify = answer as VerifyPeer;
  await expect(loopbackClient(cleanup, listener.port, { verify }).open('a:1')).rejects.toMatchObject({
    ...refusedTls,
    message: expect.stringContaining(says),
  });
});

test.each([
  { name: 'ends', end: (socket: Socket) => void socket.end(), says: 'closed the connection during the handshake' },
  {
    name: 'resets',
    end: (socket: Socket) => void socket.once('data', () => socket.resetAndDestroy()).resume(),
    says: 'reset the connection during',
  },
])('a server that $name the connection may be asked again', async ({ end, says }) => {
  const port = await listenSockets(end, cleanup);
  await expect(loopbackClient(cleanup, port).open('a:1')).rejects.toMatchObject({
    code: 'HBONE_HANDSHAKE_FAILED',
    retryable: true,
    message: expect.stringContaining(says),
  });
});

test('a server that speaks something else is not TLS', async () => {
  const port = await listenSockets((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), cleanup);
  await expect(loopbackClient(cleanup, port).open('a:1')).rejects.toMatchObject({
    ...refusedTls,
    message: 'CONNECT a:1: the server does not speak TLS',
  });
});

test('what ends a tunnel is said plainly, with the name of its code', async () => {
  const { near, far, listener } = await openPair(cleanup);
  const other = await openPair(cleanup);
  far.destroy();
  await soon(() => near.closed);
  expect(near.errored?.message).toBe('tunnel to far:80: reset by the other end: CANCEL, stream no longer needed');
  other.client.abort();
  other.listener.abort();
  await soon(() => other.near.closed && other.far.closed);
  expect(other.near.errored?.message).toContain('by abort()');
  expect(other.far.errored).toMatchObject({ cause: expect.any(Error) });
  expect(listener.connectionCount).toBe(1);
});

test('header fields of a refusal are in the error', async () => {
  const listener = await listenOnLoopback(cleanup, {
    route: () => ({ status: 503, headers: { 'retry-after': '5' } }),
  });
  const error = await loopbackClient(cleanup, listener.port)
    .open('a:1')
    .catch((thrown: HboneError) => thrown);
  expect(error.headers).toEqual(new Map([['retry-after', '5']]));
});

test('a client that was closed says so', async () => {
  const { promise: routed, resolve } = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<{ accept: (stream: NodeJS.WritableStream) => unknown }>();
  const listener = await listenOnLoopback(cleanup, {
    route: () => {
      resolve();
      return answer.promise;
    },
  });
  const client = loopbackClient(cleanup, listener.port);
  const sent = client.open('a:1');
  await routed;
  const waiting = loopbackClient(cleanup, 9, { host: '192.0.2.1' });
  const dialled = waiting.open('a:1');
  const closing = [client.close(), waiting.close()];
  await expect(dialled).rejects.toMatchObject({ code: 'HBONE_CLOSED', message: 'CONNECT a:1: the client was closed' });
  await expect(client.open('b:1')).rejects.toMatchObject({ message: 'CONNECT b:1: the client is closed' });
  answer.resolve({ accept: (stream) => stream.end('still') });
  const stream = await sent;
  expect(await text(stream)).toBe('still');
  stream.end();
  await Promise.all(closing);
});

test('a rotation retires idle connections, and running ones when they are done', async () => {
  const { near, far, client, listener } = await openPair(cleanup);
  client.rotate(fixtureCredentials('chained'));
  const next = await client.open('far:80');
  expect(listener.connectionCount).toBe(2);
  near.end('x');
  expect(await text(far)).toBe('x');
  far.end();
  near.resume();
  await soon(() => client.connectionCount === 1);
  expect(next.destroyed).toBe(false);
  client.rotate(fixtureCredentials('client'));
  next.destroy();
  await soon(() => client.connectionCount === 0);
});

test('a client that goes away while accept works is told by its own code', async () => {
  const told: string[] = [];
  const listener = await listenOnLoopback(cleanup, {
    route: () => ({ accept: (stream) => text(stream) }),
    onError: (error) => told.push(error.code),
  });
  (await loopbackClient(cleanup, listener.port).open('a:1')).destroy();
  await soon(() => told.length > 0);
  expect(told).toEqual(['HBONE_STREAM_RESET']);
});

test('a malformed header field of an answer is named', async () => {
  const told: string[] = [];
  const listener = await listenOnLoopback(cleanup, {
    route: () => ({ status: 404, headers: { 'X bad': '' } }),
    onError: ({ message }) => told.push(message),
  });
  await expect(loopbackClient(cleanup, listener.port).open('a:1')).rejects.toMatchObject({ status: 500 });
  expect(told).toEqual([expect.stringContaining('header field "x bad"')]);
});

test('a route that answers nonsense is told what it may answer', async () => {
  const told: string[] = [];
  const listener = await listenOnLoopback(cleanup, {
    // oxlint-disable-next-line no-unsafe-type-assertion -- what programs without types do
    route: () => undefined as never,
    onError: ({ message }) => told.push(message),
  });
  await expect(loopbackClient(cleanup, listener.port).open('a:1')).rejects.toMatchObject({ status: 500 });
  expect(told).toEqual([
    'CONNECT a:1: route failed: it answered undefined, none of { host, port }, { accept } or { status }',
  ]);
});

test.each([
  { part: 'chainPem', says: 'chainPem' },
  { part: 'privateKeyPem', says: 'privateKeyPem' },
  { part: 'rootsPem', says: 'rootsPem' },
])('credentials whose $part is bad say so', ({ part, says }) => {
  const bad = part === 'rootsPem' ? { rootsPem: ['none'] } : { [part]: 'none' };
  expect(() => new TunnelClient({ credentials: { ...fixtureCredentials('client'), ...bad } })).toThrow(
    expect.objectContaining({ code: 'HBONE_CREDENTIALS_INVALID', message: expect.stringContaining(says) }),
  );
});
