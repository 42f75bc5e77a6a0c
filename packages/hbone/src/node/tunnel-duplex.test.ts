import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { dialTunnel, type TunnelDuplex } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { fixtureCredentials } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { listenOnLoopback, loopbackClient, openPair } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

const sorry = () => ({ accept: (stream: TunnelDuplex) => stream.destroy(new Error('sorry')) });

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

/** Everything a stream tells, in order. */
function record(stream: TunnelDuplex): string[] {
  const events: string[] = [];
  for (const name of ['end', 'finish', 'close', 'drain']) stream.on(name, () => events.push(name));
  stream.on('error', (error: { code?: string; http2Code?: number }) =>
    events.push(`error ${error.code} ${error.http2Code}`),
  );
  stream.on('data', (bytes: Buffer) => events.push(`data ${bytes.length}`));
  return events;
}

async function closed(stream: TunnelDuplex): Promise<void> {
  await soon(() => stream.closed);
}

test('each side ends for itself, and knows about the other', async () => {
  const { near, far } = await openPair(cleanup);
  expect([near.authority, far.authority]).toEqual(['far:80', 'far:80']);
  expect(near.headers.get('x-served-by')).toBe('far');
  expect(far.headers.get('x-asked-by')).toBe('near');
  expect(near.peerChain).toHaveLength(1);
  expect(far.remote.ip).toBe('127.0.0.1');
  near.end('question');
  expect(await text(far)).toBe('question');
  expect(near.readableEnded).toBe(false);
  far.end('answer');
  expect(await text(near)).toBe('answer');
  await Promise.all([closed(near), closed(far)]);
});

test('pipeline and for await', async () => {
  const { near, far } = await openPair(cleanup);
  const pieces = Array.from({ length: 100 }, (_, index) => Buffer.alloc(index * 500, index));
  const echoed = pipeline(far, far);
  const sent = pipeline(Readable.from(pieces), near);
  const received: Buffer[] = [];
  for await (const bytes of near) received.push(bytes);
  await Promise.all([echoed, sent]);
  expect(Buffer.concat(received).equals(Buffer.concat(pieces))).toBe(true);
});

test('many small writes and large ones arrive in order', async () => {
  const { near, far } = await openPair(cleanup);
  const pieces = Array.from({ length: 1000 }, (_, index) => Buffer.alloc(index % 7 === 0 ? 9000 : index % 11, index));
  const answer = buffer(far);
  near.cork();
  for (const piece of pieces) near.write(piece);
  near.uncork();
  for (const piece of pieces) near.write(piece);
  near.end('last', 'latin1');
  const whole = Buffer.concat([...pieces, ...pieces, Buffer.from('last')]);
  expect((await answer).equals(whole)).toBe(true);
});

test.each([
  { name: 'destroy()', end: (stream: TunnelDuplex) => stream.destroy(), http2Code: 8 },
  { name: 'destroy(error)', end: (stream: TunnelDuplex) => stream.destroy(new Error('disk full')), http2Code: 10 },
  {
    name: 'destroy(AbortError)',
    end: (stream: TunnelDuplex) => stream.destroy(Object.assign(new Error('enough'), { name: 'AbortError' })),
    http2Code: 8,
  },
])('$name is code $http2Code for the other end', async ({ end, http2Code }) => {
  const { near, far, client } = await openPair(cleanup);
  near.on('error', () => {});
  const events = record(far);
  end(near);
  await closed(far);
  expect(events).toEqual([`error HBONE_STREAM_RESET ${http2Code}`, 'close']);
  // The connection goes on.
  expect(client.connectionCount).toBe(1);
});

test('a lost connection is an error of its streams, and close is the last that they tell', async () => {
  const { near, far, listener } = await openPair(cleanup);
  const events = [record(near), record(far)];
  listener.abort();
  await Promise.all([closed(near), closed(far)]);
  expect(events).toEqual([
    ['error HBONE_CONNECTION_LOST undefined', 'close'],
    ['error HBONE_CLOSED undefined', 'close'],
  ]);
  expect(near.write('late', () => {})).toBe(false);
});

test('what came before an end is read, although the connection is lost meanwhile', async () => {
  const { near, far, listener } = await openPair(cleanup);
  const events: unknown[] = [];
  near.on('error', (error) => events.push(error));
  far.resume();
  far.end('all there is');
  await once(far, 'finish');
  await listener.close({ deadlineMs: 20 });
  expect(await text(near)).toBe('all there is');
  await closed(near);
  expect(events).toMatchObject([{ code: 'HBONE_CONNECTION_LOST' }]);
});

test('a server that has ended and wants no more closes in an orderly way for who has read everything', async () => {
  const { near, far } = await openPair(cleanup);
  near.write('x'.repeat(100));
  far.end('enough');
  await once(far, 'finish');
  far.destroy();
  expect(await text(near)).toBe('enough');
  await closed(near);
  expect(near.errored).toBe(null);
});

test('HTTP through a tunnel', async () => {
  const server = createServer((request, response) => void response.end(`you asked for ${request.url}`));
  const { near, far } = await openPair(cleanup);
  server.emit('connection', far);
  const request = get({ host: 'far', path: '/this', createConnection: () => near });
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  request.on('response', resolve);
  expect(await text(await promise)).toBe('you asked for /this');
  await Promise.all([closed(near), closed(far)]);
});

test('nobody who only writes hangs on a stream that was reset behind its end', async () => {
  const { near, far, listener } = await openPair(cleanup);
  far.end();
  await once(far, 'finish');
  await listener.close({ deadlineMs: 20 });
  await soon(() => !near.write('x', () => {}) || near.destroyed);
  expect(near.errored).toMatchObject({ code: 'HBONE_CONNECTION_LOST' });
});

test('a reader that stalls stops the far writer within the window', async () => {
  const { near, far } = await openPair(cleanup);
  const chunk = Buffer.alloc(65_536, 1);
  let sent = 0;
  // A window that would open does so within a few milliseconds; a busy machine may take its time to fill it.
  const settled = async (): Promise<boolean> => {
    const drained = once(near, 'drain');
    const idle = AbortSignal.timeout(150);
    return Promise.race([
      drained.then(() => true),
      new Promise<boolean>((resolve) => {
        idle.addEventListener('abort', () => resolve(false));
      }),
    ]);
  };
  do {
    while (near.write(chunk)) sent += chunk.length;
    sent += chunk.length;
  } while ((await settled()) || sent < 4_194_304);
  // The stream's window of 4 MiB, and what either Duplex buffers.
  expect(sent).toBeGreaterThanOrEqual(4_194_304);
  expect(sent).toBeLessThan(4_194_304 + 4 * 65_536);
  expect(far.readableLength).toBeLessThan(4_194_304 + 65_536);
  near.end();
  expect((await buffer(far)).length).toBe(sent);
});

test.each([
  { name: 'heard', heard: ['error HBONE_STREAM_RESET 10', 'close'], listen: record },
  { name: 'read', heard: ['HBONE_STREAM_RESET'], listen: (stream: TunnelDuplex) => [text(stream)] },
])('a reset in the turn of the answer is $name by who awaited the tunnel', async ({ heard, listen }) => {
  const listener = await listenOnLoopback(cleanup, { route: sorry });
  const client = loopbackClient(cleanup, listener.port);
  const to = { host: '127.0.0.1', port: listener.port, credentials: fixtureCredentials('client') };
  for (const open of [() => client.open('a:1'), () => dialTunnel({ ...to, authority: 'a:1' })]) {
    const stream = await open();
    expect([stream.destroyed, stream.errored]).toEqual([false, null]);
    const told: unknown[] = listen(stream);
    const [first] = told;
    if (first instanceof Promise) told[0] = await first.catch((error: { code: string }) => error.code);
    await closed(stream);
    expect(told).toEqual(heard);
  }
  expect(client.streamCount).toBe(0);
});

test('a write under way hears that the tunnel is gone', async () => {
  const { near, far } = await openPair(cleanup);
  const told = new Promise((resolve) => {
    near.write(Buffer.alloc(20_000_000), resolve);
  });
  far.destroy(new Error('disk full'));
  expect(await told).toMatchObject({ code: 'HBONE_STREAM_RESET' });
});
