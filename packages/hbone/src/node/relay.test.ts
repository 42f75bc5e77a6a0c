import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { type RelayResult, relay, type TunnelDuplex } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { dialSocket, openDescriptors } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { listenOnLoopback, loopbackClient, openPair, serveTcp, type TunnelPair } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

const sorry = () => ({ accept: (stream: TunnelDuplex) => stream.destroy(new Error('sorry')) });

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

interface Relayed extends TunnelPair {
  /** The application's end of what is relayed, and ours. */
  readonly application: Duplex;
  readonly socket: Duplex;
  readonly result: Promise<RelayResult>;
}

/** An application whose socket is relayed into the near end of a tunnel. */
type Setup = (options?: Parameters<typeof relay>[2]) => Promise<Relayed>;

async function socketPair(): Promise<{ readonly application: Socket; readonly socket: Socket }> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const port = await serveTcp(cleanup, resolve);
  const application = await dialSocket(port, cleanup);
  return { application, socket: await promise };
}

const direct: Setup = async (options) => {
  const [pair, { application, socket }] = await Promise.all([openPair(cleanup), socketPair()]);
  return { ...pair, application, socket, result: relay(socket, pair.near, options) };
};

/** The tunnel was read from before. */
const byStreams: Setup = async (options) => {
  const [pair, { application, socket }] = await Promise.all([openPair(cleanup), socketPair()]);
  pair.far.write('!');
  await once(pair.near, 'readable');
  expect(pair.near.read(1).toString()).toBe('!');
  return { ...pair, application, socket, result: relay(socket, pair.near, options) };
};

const ofDuplex: Setup = async (options) => {
  const pair = await openPair(cleanup);
  const [application, socket] = duplexPair();
  return { ...pair, application, socket, result: relay(socket, pair.near, options) };
};

const setups = [
  { name: 'directly', setup: direct },
  { name: 'by streams', setup: byStreams },
  { name: 'of any Duplex', setup: ofDuplex },
];

test.each(setups)('each direction ends for itself, bytes are counted, $name', async ({ setup }) => {
  const before = openDescriptors();
  const { application, far, near, result, client, listener } = await setup();
  application.end('question');
  expect(await text(far)).toBe('question');
  far.end('the answer');
  expect(await text(application)).toBe('the answer');
  expect(await result).toEqual({ toTunnel: 8, fromTunnel: 10, error: undefined });
  await soon(() => near.closed && far.closed);
  await Promise.all([client.close(), listener.close()]);
  application.destroy();
  // The server of the pair of sockets.
  await soon(() => openDescriptors() <= before + 1);
});

test.each(setups)('nothing is lost of what a slow reader leaves waiting, $name', async ({ setup }) => {
  const { application, far, result } = await setup();
  const body = Buffer.alloc(7_000_000, 'abcdefghij');
  application.end(body);
  // A window at most is here before anybody reads.
  await soon(() => far.readableLength > 0 || far.read(0) !== null);
  expect(far.readableLength).toBeLessThan(4_300_000);
  expect((await buffer(far)).equals(body)).toBe(true);
  far.end();
  expect((await result).toTunnel).toBe(body.length);
});

test.each(setups.slice(0, 2))('a reset of the application is one of the stream, $name', async ({ setup }) => {
  const { application, far, result } = await setup();
  application.write('x');
  await once(far, 'readable');
  if ('resetAndDestroy' in application && typeof application.resetAndDestroy === 'function')
    application.resetAndDestroy();
  await soon(() => far.closed);
  expect(far.errored).toMatchObject({ code: 'HBONE_STREAM_RESET', http2Code: 10 });
  expect((await result).error).toMatchObject({ code: 'HBONE_RELAY_FAILED' });
});

test.each(setups)('a reset of the stream is one of the application, $name', async ({ setup }) => {
  const { application, socket, far, result } = await setup();
  const errors: unknown[] = [];
  application.on('error', (error) => errors.push(error));
  application.resume();
  far.destroy(new Error('disk full'));
  await soon(() => socket.closed);
  expect((await result).error).toMatchObject({ code: 'HBONE_RELAY_FAILED' });
  if (!('resetAndDestroy' in application)) return;
  await soon(() => application.closed);
  expect(errors).toMatchObject([{ code: 'ECONNRESET' }]);
});

test.each(setups)('a signal cuts both, $name', async ({ setup }) => {
  const cut = new AbortController();
  const { application, socket, far, near, result } = await setup({ signal: cut.signal });
  application.on('error', () => {}).resume();
  cut.abort(new Error('enough'));
  expect((await result).error).toMatchObject({ message: 'enough' });
  await soon(() => far.closed && near.closed && socket.closed);
});

test('a socket that is still connecting', async () => {
  const port = await serveTcp(cleanup, (socket) => socket.pipe(socket));
  const results: RelayResult[] = [];
  const accept = async (stream: TunnelDuplex): Promise<void> => {
    results.push(await relay(connect(port, '127.0.0.1'), stream));
  };
  const listener = await listenOnLoopback(cleanup, { route: () => ({ accept }) });
  const stream = await loopbackClient(cleanup, listener.port).open('a:1');
  stream.end('echo');
  expect(await text(stream)).toBe('echo');
  await soon(() => results.length === 1);
  expect(results).toEqual([{ toTunnel: 4, fromTunnel: 4, error: undefined }]);
});

test('a socket that never connects', async () => {
  const { near, far } = await openPair(cleanup);
  const { error } = await relay(connect(1, '127.0.0.1'), near);
  expect(error).toMatchObject({ code: 'HBONE_RELAY_FAILED', message: expect.stringContaining('refused') });
  await soon(() => far.closed);
  expect(far.errored).toMatchObject({ code: 'HBONE_STREAM_RESET', http2Code: 10 });
});

test('as the mesh has it, a reset is an end', async () => {
  const { application, far, result } = await direct({ applicationReset: 'end' });
  application.write('x');
  await once(far, 'readable');
  if ('resetAndDestroy' in application && typeof application.resetAndDestroy === 'function')
    application.resetAndDestroy();
  expect(await text(far)).toBe('x');
  far.end();
  expect(await result).toMatchObject({ toTunnel: 1, error: undefined });
});

test.each(['socket', 'tunnel'] as const)('a %s that is gone already ends the other', async (gone) => {
  const [{ near, far }, { socket, application }] = await Promise.all([openPair(cleanup), socketPair()]);
  application.on('error', () => {}).resume();
  const first = gone === 'socket' ? socket : near;
  first.destroy();
  const { error, toTunnel } = await relay(socket, near);
  expect(error).toMatchObject({ code: 'HBONE_RELAY_FAILED', message: expect.stringContaining(gone) });
  expect(toTunnel).toBe(0);
  await soon(() => socket.closed && near.closed && far.closed);
});

test('a tunnel that is reset while nobody listens yet, and a signal that has aborted', async () => {
  const { application, socket } = await socketPair();
  application.on('error', () => {}).resume();
  const listener = await listenOnLoopback(cleanup, { route: sorry });
  const client = loopbackClient(cleanup, listener.port);
  const { error } = await relay(socket, await client.open('a:1'));
  expect(error).toMatchObject({ code: 'HBONE_RELAY_FAILED' });
  await soon(() => socket.closed && client.streamCount === 0);
  const { near } = await openPair(cleanup);
  const [left, right] = duplexPair();
  right.on('error', () => {}).resume();
  const cut = await relay(left, near, { signal: AbortSignal.abort(new Error('enough')) });
  expect(cut.error).toMatchObject({ message: 'enough' });
  await soon(() => left.closed && near.closed);
});
