import {
  type DialTunnelOptions,
  dialTunnel,
  type HboneError,
  type ListenTunnelsOptions,
  listenTunnels,
  relay,
  TunnelClient,
  type TunnelClientOptions,
} from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { fixtureCredentials } from '../testing/loopback.ts';
import { listenOnLoopback, loopbackClient, openPair } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const credentials = fixtureCredentials('client');
const invalid = { code: 'HBONE_OPTIONS_INVALID', retryable: false };
const MIB = 1_048_576;

test.each<Partial<TunnelClientOptions & ListenTunnelsOptions>>([
  { connectTimeoutMs: Number.NaN },
  { connectTimeoutMs: -1 },
  { connectTimeoutMs: 0 },
  { handshakeTimeoutMs: 2 ** 31 },
  { port: 70_000 },
  { port: Number.NaN },
  { port: 1.5 },
  { tunnel: { codec: { streamWindowBytes: 2 ** 32 } } },
  { tunnel: { codec: { maxFrameBytes: 64 } } },
  { tunnel: { codec: { connectionWindowBytes: 1000, streamWindowBytes: 4 * MIB } } },
  { tunnel: { settingsTimeoutMs: -5 } },
  { tunnel: { liveness: { pingIntervalMs: 0, pingTimeoutMs: 1 } } },
])('an option out of its range is refused by all who take it: %o', async (options) => {
  const given = { credentials, ...options };
  const name = JSON.stringify(options).match(/(\w+)":[^{]/)?.[1];
  const named = { ...invalid, message: expect.stringMatching(/Ms|port|codec/) };
  expect(name).toBeDefined();
  expect(() => new TunnelClient(given)).toThrow(expect.objectContaining(named));
  await expect(dialTunnel({ ...given, authority: 'a:1' })).rejects.toMatchObject(named);
  await expect(listenTunnels({ ...given, route: () => ({ status: 404 }) })).rejects.toMatchObject(named);
});

test.each<Partial<TunnelClientOptions>>([
  { responseTimeoutMs: Number.NaN },
  { maxStreamsPerConnection: 0 },
  { unusedReleaseMs: -1 },
  { maxWaiting: 0.5 },
])('an option of clients out of its range is refused: %o', (options) => {
  expect(() => new TunnelClient({ credentials, ...options })).toThrow(expect.objectContaining(invalid));
});

test.each<Partial<ListenTunnelsOptions>>([{ maxHandshakes: 0 }, { maxConnections: Number.NaN }])(
  'an option of listeners out of its range is refused: %o',
  async (options) => {
    await expect(listenOnLoopback(cleanup, options)).rejects.toMatchObject(invalid);
  },
);

test('what is asked of one tunnel, of a close and of an idle time-out is checked, too', async () => {
  const { near, client, listener } = await openPair(cleanup);
  await expect(client.open('a:1', { port: 0 })).rejects.toMatchObject(invalid);
  await expect(client.close({ deadlineMs: Number.NaN })).rejects.toMatchObject(invalid);
  await expect(listener.close({ deadlineMs: -1 })).rejects.toMatchObject(invalid);
  expect(() => near.setTimeout(-1)).toThrow(expect.objectContaining(invalid));
  // Neither has begun.
  expect((await client.open('far:80')).destroyed).toBe(false);
});

test('Infinity is no limit, and undefined the default', async () => {
  const listener = await listenOnLoopback(cleanup, {
    maxConnections: Number.POSITIVE_INFINITY,
    maxHandshakes: undefined,
    verify: undefined,
    signal: undefined,
    onError: undefined,
    tunnel: {
      codec: { resets: undefined, maxFrameBytes: undefined },
      liveness: undefined,
      settingsTimeoutMs: undefined,
    },
    route: () => ({ accept: (stream) => stream.end(), headers: undefined }),
  });
  const unlimited = Number.POSITIVE_INFINITY;
  const client = loopbackClient(cleanup, listener.port, {
    connectTimeoutMs: unlimited,
    handshakeTimeoutMs: unlimited,
    responseTimeoutMs: unlimited,
    unusedReleaseMs: unlimited,
    maxStreamsPerConnection: unlimited,
    maxWaiting: unlimited,
    verify: undefined,
    tunnel: undefined,
  });
  const stream = await client.open('a:1', { host: undefined, port: undefined, headers: undefined, signal: undefined });
  expect(stream.destroyed).toBe(false);
  const to: DialTunnelOptions = { credentials, authority: 'a:1', host: '127.0.0.1', port: listener.port };
  (await dialTunnel({ ...to, through: undefined, verify: undefined, connectTimeoutMs: undefined })).destroy();
  await relay(stream, stream, { applicationReset: undefined, signal: AbortSignal.abort() });
  await client.close({ deadlineMs: unlimited });
});

test.each([
  { authority: 'a', reason: 'host:port' },
  { authority: 'a:', reason: 'host:port' },
  { authority: ':80', reason: 'host:port' },
  { authority: 'a:b', reason: 'host:port' },
  { authority: '[::1]', reason: 'host:port' },
  { authority: '::1:80', reason: 'host:port' },
  { authority: 'a:0', reason: '1 to 65535' },
  { authority: 'a:99999', reason: '1 to 65535' },
  { authority: `${'a'.repeat(70_000)}:80`, reason: 'octets' },
])('an authority is host:port', async ({ authority, reason }) => {
  const opening = loopbackClient(cleanup, 1).open(authority);
  const error = await opening.catch((thrown: HboneError) => thrown);
  expect(error).toMatchObject({ code: 'HBONE_REQUEST_INVALID', message: expect.stringContaining(reason) });
  if (error instanceof Error) expect(error.message.length).toBeLessThan(500);
});

test.each([
  { headers: { 'bad name': 'x' }, named: 'bad name' },
  { headers: { ok: 'x', 'x-line': 'line\r\nbreak' }, named: 'x-line' },
  { headers: { 'x-snow': '\u2603' }, named: 'x-snow' },
  { headers: { Connection: 'close' }, named: 'connection' },
  { headers: { ':authority': 'b:1' }, named: ':authority' },
])('a malformed header field is named: $named', async ({ headers, named }) => {
  await expect(loopbackClient(cleanup, 1).open('a:1', { headers })).rejects.toMatchObject({
    code: 'HBONE_REQUEST_INVALID',
    message: expect.stringContaining(`header field ${JSON.stringify(named)}`),
  });
});
