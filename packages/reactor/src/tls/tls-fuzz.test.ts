import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import type { SecureHandler } from '@ambientmesh/hbone';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TlsLog } from '../testing/tls-log.ts';
import { NOTHING, TunnelRig } from '../testing/tunnel-rig.ts';

const rig = new TunnelRig({ maxHandshakes: 10_000 });
const [client, server] = [rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s')];
const SEED = 20_240;
const MUTATIONS = 400;
/** Every how many octets a recorded handshake is cut. */
const STRIDE = 3;
const AT_ONCE = 50;

let random = SEED;
function below(bound: number): number {
  random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
  return (random >>> 8) % bound;
}

/** What each side sent in a handshake, and in the data behind it. */
const recorded: { client: Buffer; server: Buffer } = { client: Buffer.alloc(0), server: Buffer.alloc(0) };

beforeAll(async () => {
  const tunnels: Socket[] = [];
  const proxy = createServer((socket) => {
    const upstream = connectTcp(rig.port, '127.0.0.1');
    tunnels.push(socket, upstream);
    socket.on('data', (chunk: Buffer) => (recorded.client = Buffer.concat([recorded.client, chunk])));
    upstream.on('data', (chunk: Buffer) => (recorded.server = Buffer.concat([recorded.server, chunk])));
    socket.pipe(upstream).pipe(socket);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = proxy.address();
  const [log, serverLog] = [new TlsLog(), new TlsLog()];
  const dialled = await rig.dial(typeof address === 'object' && address !== null ? address.port : 0);
  const own = rig.engine.secureClient(dialled, client, log);
  const other = rig.engine.secureServer(await rig.accept(), server, serverLog);
  await rig.until(() => log.has('established') && serverLog.has('established'), 'the handshake');
  own.send(Buffer.alloc(1000), 0, 1000);
  other.send(Buffer.alloc(1000), 0, 1000);
  await rig.until(() => log.received + serverLog.received === 2000, 'bytes');
  own.abort();
  other.abort();
  for (const socket of tunnels) socket.destroy();
  proxy.close();
});

afterAll(async () => {
  rig.stop();
  await rig[Symbol.asyncDispose]();
});

/** Has one of our ends hear each of `texts` and the end; answers what they said of it. */
async function hear(role: 'client' | 'server', texts: readonly Buffer[]): Promise<readonly TlsLog[]> {
  const logs: TlsLog[] = [];
  for (let from = 0; from < texts.length; from += AT_ONCE) {
    const batch = await Promise.all(
      texts.slice(from, from + AT_ONCE).map(async (text) => {
        const log = new TlsLog();
        const plain = await rig.dial(rig.port);
        const peer = await rig.accept();
        const secure = (handler: SecureHandler) =>
          role === 'server'
            ? rig.engine.secureServer(plain, server, handler)
            : rig.engine.secureClient(plain, client, handler);
        secure(log);
        peer.write(text, 0, text.length);
        peer.end();
        return { log, peer };
      }),
    );
    await rig.until(() => batch.every(({ log }) => log.events.length > 0), 'an end of each');
    for (const { log, peer } of batch) {
      peer.close();
      logs.push(log);
    }
    expect(await rig.empty()).toEqual(NOTHING);
  }
  return logs;
}

test.each(['client', 'server'] as const)(
  'what the other end said, cut anywhere: the %s fails once',
  { timeout: 30_000 },
  async (role) => {
    const text = recorded[role === 'client' ? 'server' : 'client'];
    const cuts = Array.from({ length: Math.ceil(text.length / STRIDE) }, (_, index) =>
      text.subarray(0, index * STRIDE),
    );
    const logs = await hear(role, cuts);
    expect(logs.map(({ events }) => events)).toEqual(cuts.map(() => ['failed']));
  },
);

test.each(['client', 'server'] as const)(
  `what the other end said, changed in ${MUTATIONS} ways (seed ${SEED}): the %s fails once`,
  { timeout: 30_000 },
  async (role) => {
    const text = recorded[role === 'client' ? 'server' : 'client'];
    const changed = Array.from({ length: MUTATIONS }, () => {
      const copy = Buffer.from(text);
      for (let count = 1 + below(4); count > 0; count--) copy[below(count > 2 ? 200 : copy.length)] = below(256);
      return copy.subarray(below(4) === 0 ? below(20) : 0);
    });
    const logs = await hear(role, changed);
    expect(logs.map(({ events }) => events)).toEqual(changed.map(() => ['failed']));
  },
);
