import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { dialTunnel, type TunnelDuplex, type TunnelListener } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { fixtureCredentials, openDescriptors } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { listenOnLoopback, serveTcp } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void) => undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

interface Chain {
  readonly outer: TunnelListener;
  readonly inner: TunnelListener;
  readonly through: TunnelDuplex;
}

const credentials = fixtureCredentials('client');

/** An inner listener that echoes (or a TCP server that says nothing), an outer one that leads to it, and a tunnel through the outer. */
async function openOuter(silent = false): Promise<Chain> {
  const application = await serveTcp(cleanup, (socket) => socket.pipe(socket));
  const inner = await listenOnLoopback(cleanup, { route: () => ({ host: '127.0.0.1', port: application }) });
  const port = silent ? await serveTcp(cleanup, (socket) => socket.resume()) : inner.port;
  const outer = await listenOnLoopback(cleanup, {
    credentials: fixtureCredentials('chained'),
    route: () => ({ host: '127.0.0.1', port }),
  });
  const through = await dialTunnel({ host: '127.0.0.1', port: outer.port, authority: 'inner:15008', credentials });
  return { outer, inner, through };
}

test('a tunnel inside of a tunnel: the outer end sees neither certificates nor names', async () => {
  const before = openDescriptors();
  const { outer, inner, through } = await openOuter();
  const stream = await dialTunnel({ through, authority: 'application:80', credentials });
  expect(stream.peerChain[0]).not.toEqual(through.peerChain[0]);
  const body = 'x'.repeat(1_000_000);
  const answer = text(stream);
  stream.end(body);
  expect((await answer) === body).toBe(true);
  await soon(() => through.closed && stream.closed);
  await Promise.all([inner.close(), outer.close()]);
  // The application listens still.
  await soon(() => openDescriptors() <= before + 1);
});

test.each([
  { name: 'its certificate is refused', options: { verify: () => 'no' }, error: { code: 'HBONE_HANDSHAKE_FAILED' } },
  { name: 'it takes too long', options: { handshakeTimeoutMs: 10 }, error: { code: 'HBONE_HANDSHAKE_FAILED' } },
  { name: 'nobody waits for it', options: { signal: AbortSignal.timeout(0) }, error: { name: 'TimeoutError' } },
])('when the inner one cannot be because $name the outer ends too', async ({ options, error }) => {
  const { outer, through } = await openOuter('handshakeTimeoutMs' in options);
  const opening = dialTunnel({ through, authority: 'application:80', credentials, ...options });
  await expect(opening).rejects.toMatchObject(error);
  await soon(() => outer.streamCount === 0);
});

test('either end of the inner one hears of a lost outer one', async () => {
  const { outer, inner, through } = await openOuter();
  const stream = await dialTunnel({ through, authority: 'application:80', credentials });
  outer.abort();
  await soon(() => stream.closed && inner.streamCount === 0);
  expect(stream.errored).toMatchObject({ code: 'HBONE_CONNECTION_LOST' });
});

test('a reader that stalls holds a window, not what the outer one could carry', async () => {
  const { through } = await openOuter();
  const stream = await dialTunnel({ through, authority: 'application:80', credentials });
  const body = Buffer.alloc(7_000_000, 1);
  const sent = pipeline(Readable.from([body]), stream);
  await soon(() => stream.read(0) !== null || stream.readableLength > 1_000_000);
  expect(stream.readableLength).toBeLessThan(4_300_000);
  expect((await buffer(stream)).equals(body)).toBe(true);
  await sent;
});
