import { type HboneError, type Route } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { ErrorCode } from '../core/error-code.ts';
import { dialHostile, type HostileAccepted, type HostilePeer, listenHostile } from '../testing/hostile-peer.ts';
import { openDescriptors } from '../testing/loopback.ts';
import {
  connectBlock,
  goaway,
  headers,
  PREFACE,
  rstStream,
  settings,
  statusBlock,
  windowUpdate,
} from '../testing/raw-frames.ts';
import { listenOnLoopback, loopbackClient, serveTcp } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const GREETING = Buffer.concat([PREFACE, settings()]);
const REQUESTS = 3000;
/** hbone.md §2 */
const MAX_STREAMS = 200;
const soon = (condition: () => boolean): Promise<void> =>
  vi.waitUntil(condition, { interval: 2, timeout: 10_000 }).then(() => undefined);

test.each([
  { name: 'rapid reset', end: (id: number) => rstStream(id, ErrorCode.CANCEL) },
  { name: 'MadeYouReset', end: (id: number) => windowUpdate(id, 0) },
])('listenTunnels: $name never has more decisions and dials in flight than streams are allowed', async ({ end }) => {
  let inFlight = 0;
  let most = 0;
  const port = await serveTcp(cleanup, (socket) => socket.pipe(socket));
  const listener = await listenOnLoopback(cleanup, {
    route: async (): Promise<Route> => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      // As a look-up takes its time, whatever becomes of the request.
      await new Promise(setImmediate);
      inFlight -= 1;
      return { host: '127.0.0.1', port };
    },
  });
  const peer = await dialHostile(listener.port, GREETING);
  cleanup(() => peer.socket.destroy());
  await peer.flood(REQUESTS, (index) => {
    const id = 2 * index + 1;
    return Buffer.concat([headers(id, connectBlock('echo:1')), end(id)]);
  });
  await peer.until(() => peer.end !== 'open', 'the end');
  expect(peer.goaways.at(-1)?.code).toBe(ErrorCode.ENHANCE_YOUR_CALM);
  expect(most).toBeLessThanOrEqual(MAX_STREAMS);
  await soon(() => listener.connectionCount === 0 && listener.streamCount === 0 && inFlight === 0);
});

test.each<{ name: string; play: (peer: HostilePeer) => void }>([
  { name: 'refuses every stream', play: (peer) => (peer.onBlock = (id) => void peer.send(rstStream(id, 7))) },
  { name: 'says GOAWAY at once', play: (peer) => void peer.send(goaway(0, 0)) },
  { name: 'says GOAWAY to the first request', play: (peer) => (peer.onBlock = () => void peer.send(goaway(0, 0))) },
  { name: 'closes at once', play: (peer) => void peer.socket.end() },
  { name: 'cuts at once', play: (peer) => void peer.socket.destroy() },
  { name: 'allows no stream', play: (peer) => void peer.send(settings([3, 0])) },
  {
    name: 'answers 503 to all',
    play: (peer) => (peer.onBlock = (id) => void peer.send(headers(id, statusBlock(503), 1))),
  },
])('TunnelClient: a server that $name fails its requests in time, and leaves nothing', async ({ play }) => {
  const before = openDescriptors();
  let connections = 0;
  const hostile = await listenHostile((accepted) => {
    connections += 1;
    serve(accepted, play).catch(() => undefined);
  });
  const client = loopbackClient(cleanup, hostile.port, { responseTimeoutMs: 200 });
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () =>
      client.open('echo:80').then(
        () => 'open',
        (error: HboneError) => error.code,
      ),
    ),
  );
  expect(outcomes).not.toContain('open');
  expect(connections).toBeLessThanOrEqual(40);
  hostile.close();
  client.abort();
  for (const undo of undos.splice(0).toReversed()) undo();
  await soon(() => openDescriptors() <= before);
});

async function serve(accepted: HostileAccepted, play: (peer: HostilePeer) => void): Promise<void> {
  const peer = await accepted.secure(settings());
  cleanup(() => peer.socket.destroy());
  play(peer);
}
