import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Plain, Secure, TlsOptions } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { allocatedBytes } from '../testing/allocated-bytes.ts';
import { TlsLog } from '../testing/tls-log.ts';
import { NOTHING, type Tunnel, TunnelRig } from '../testing/tunnel-rig.ts';

const HANDSHAKES = 1000;
const AT_ONCE = 20;
const MEBIBYTE = 1_048_576;

function nameOf({ client: { peerChain } }: Tunnel): string {
  return new X509Certificate(peerChain[0]!).subjectAltName ?? '';
}

/** Ends of a connection, one for each way there is. */
const ENDS: readonly ((tunnel: Tunnel) => void)[] = [
  ({ client, server }) => (client.close(), server.close()),
  ({ client }) => client.abort(),
  ({ client, server }) => (client.close(), server.abort()),
  ({ client, server }) => (server.close(() => client.close()), server.close()),
  ({ client, server }) => (client.send(Buffer.alloc(10_000), 0, 10_000), client.close(), server.close()),
];

test(`${HANDSHAKES} handshakes leave no handle, no descriptor, no slab and no memory`, {
  timeout: 120_000,
}, async () => {
  await using rig = new TunnelRig();
  const [client, server] = [rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s')];
  let warm = 0;
  for (let done = 0; done < HANDSHAKES; done += AT_ONCE) {
    const tunnels: Tunnel[] = [];
    for (let count = 0; count < AT_ONCE; count++) tunnels.push(await rig.begin(client, server));
    await rig.established(tunnels);
    for (const [index, tunnel] of tunnels.entries()) ENDS[index % ENDS.length]!(tunnel);
    await rig.turn();
    for (const { client: one, server: other } of tunnels) for (const secure of [one, other]) secure.abort();
    expect(await rig.empty()).toEqual(NOTHING);
    if (done === HANDSHAKES / 2) warm = allocatedBytes();
  }
  // Of 500 handshakes: 30 KB or more for each lost one.
  expect(allocatedBytes() - warm).toBeLessThan(MEBIBYTE);
  client.credentials.close?.();
  server.credentials.close?.();
  rig.stop();
});

test('aborted in each phase of a handshake, nothing is left', async () => {
  await using rig = new TunnelRig();
  const [client, server] = [rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s')];
  for (let turns = 0; turns < 8; turns++) {
    const tunnel = await rig.begin(client, server);
    for (let turn = 0; turn < turns; turn++) await rig.turn();
    const ends = [tunnel.client, tunnel.server];
    ends[turns % 2]!.abort();
    ends[(turns + 1) % 2]!.close();
    expect(await rig.empty()).toEqual(NOTHING);
  }
  rig.stop();
});

test('aborted by its own `verify`, from inside of OpenSSL', async () => {
  await using rig = new TunnelRig();
  const client = rig.tls('spiffe://a/ns/b/sa/c');
  let own: Secure | undefined;
  const abortOwn = (): undefined => {
    own?.abort();
  };
  const server: TlsOptions = { ...rig.tls('spiffe://a/ns/b/sa/s'), verify: abortOwn };
  const tunnel = await rig.begin(client, server);
  own = tunnel.server;
  await rig.until(() => tunnel.clientLog.has('failed') || tunnel.clientLog.has('ended'), 'the end');
  expect(tunnel.serverLog.events).toEqual([]);
  tunnel.client.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('certificates are replaced while connections run: those go on, new ones have the new', async () => {
  await using rig = new TunnelRig();
  const client = rig.tls('spiffe://a/ns/b/sa/c');
  const before = rig.tls('spiffe://a/ns/b/sa/before');
  const tunnels = [await rig.begin(client, before), await rig.begin(client, before)];
  await rig.established(tunnels);
  before.credentials.close?.();
  before.credentials.close?.();
  const after = await rig.begin(client, rig.tls('spiffe://a/ns/b/sa/after'));
  await rig.established([after]);
  expect([...tunnels, after].map(nameOf)).toEqual(
    ['before', 'before', 'after'].map((name) => `URI:spiffe://a/ns/b/sa/${name}`),
  );
  const chunk = Buffer.alloc(300_000, 7);
  for (const { server } of tunnels) server.send(chunk, 0, chunk.length);
  await rig.until(() => tunnels.every(({ clientLog }) => clientLog.received === chunk.length), 'bytes of the old ones');
  const late = await rig.begin(client, before);
  await rig.until(() => late.serverLog.failure !== undefined, 'the refusal');
  expect(late.serverLog.failure).toEqual({ code: 'TLS', message: 'the credentials are closed' });
  for (const { client: one, server } of [...tunnels, after, late]) for (const secure of [one, server]) secure.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('handshakes are bounded in number: the one whose peer has been silent the longest gives way', async () => {
  await using rig = new TunnelRig({ maxHandshakes: 3 });
  const server = rig.tls('spiffe://a/ns/b/sa/s');
  const logs: TlsLog[] = [];
  const peers: Plain[] = [];
  for (let count = 0; count < 3; count++) {
    const [dialled, accepted] = await rig.pair();
    peers.push(dialled);
    logs.push(new TlsLog());
    rig.engine.secureServer(accepted, server, logs.at(-1)!);
    // Its first step is made, which waits for the peer.
    await rig.turn();
  }
  const tunnel = await rig.begin(rig.tls('spiffe://a/ns/b/sa/c'), server);
  await rig.established([tunnel]);
  const refusal = { code: 'TLS', message: 'more than 3 handshakes at once' };
  expect(logs.map(({ failure }) => failure)).toEqual([refusal, undefined, undefined]);
  for (const peer of peers) peer.reset();
  await rig.until(() => logs.every(({ failure }) => failure !== undefined), 'the resets');
  tunnel.client.abort();
  tunnel.server.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('handshakes are bounded in number: where all wait for us, one more is refused with words', async () => {
  await using rig = new TunnelRig({ maxHandshakes: 3 });
  const server = rig.tls('spiffe://a/ns/b/sa/s');
  const pairs: (readonly [Plain, Plain])[] = [];
  for (let count = 0; count < 4; count++) pairs.push(await rig.pair());
  const logs = pairs.map(() => new TlsLog());
  for (const [index, [, accepted]] of pairs.entries()) rig.engine.secureServer(accepted, server, logs[index]!);
  await rig.until(() => logs[3]!.failure !== undefined, 'the refusal');
  const refusal = { code: 'TLS', message: 'more than 3 handshakes at once' };
  expect(logs.map(({ failure }) => failure)).toEqual([undefined, undefined, undefined, refusal]);
  for (const [dialled] of pairs) dialled.reset();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('handshakes are bounded in number: one that is over, and waits for the end of its peer, gives way', async () => {
  await using rig = new TunnelRig({ maxHandshakes: 1, closeLingerMs: 30_000 });
  const server = rig.tls('spiffe://a/ns/b/sa/s');
  const [silent, accepted] = await rig.pair();
  const closed = rig.engine.secureServer(accepted, server, new TlsLog());
  await rig.turn();
  let over = false;
  closed.close(() => (over = true));
  await rig.turn();
  expect(over).toBe(false);
  const tunnel = await rig.begin(rig.tls('spiffe://a/ns/b/sa/c'), server);
  await rig.established([tunnel]);
  expect(over).toBe(true);
  silent.reset();
  for (const secure of [tunnel.client, tunnel.server]) secure.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('silent peers of accepted connections keep no place of dialled ones', async () => {
  await using rig = new TunnelRig({ maxHandshakes: 1 });
  const [client, server] = [rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s')];
  const tunnel = await rig.begin(client, server);
  await rig.established([tunnel]);
  for (const secure of [tunnel.client, tunnel.server]) secure.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('what is sent before the handshake is done counts', async () => {
  await using rig = new TunnelRig();
  const [dialled, accepted] = await rig.pair();
  const secure = rig.engine.secureClient(dialled, rig.tls('spiffe://a/ns/b/sa/c'), new TlsLog());
  const { room } = secure;
  secure.send(Buffer.alloc(1000), 0, 1000);
  expect(secure.room).toBe(room - 1000);
  secure.abort();
  accepted.reset();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('a connection that was forgotten may be ended after its engine', () => {
  const program = new URL('../proofs/late-abort.ts', import.meta.url);
  // The allocator fills what is freed, at once: whoever reads it still is ended by a signal.
  const env = { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0', MALLOC_PERTURB_: '165' };
  const flags = ['--conditions=@ambientmesh/source', '--no-warnings'];
  const { status, signal, stderr } = spawnSync(process.execPath, [...flags, fileURLToPath(program)], { env });
  expect({ status, signal, stderr: String(stderr) }).toEqual({ status: 0, signal: null, stderr: '' });
});

test('handshakes are bounded in a turn, and all get done', async () => {
  await using rig = new TunnelRig({ handshakeStepsPerTurn: 1 });
  const [client, server] = [rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s')];
  const tunnels: Tunnel[] = [];
  for (let count = 0; count < 10; count++) tunnels.push(await rig.begin(client, server));
  await rig.established(tunnels);
  expect(tunnels.map(({ serverLog }) => serverLog.events)).toEqual(tunnels.map(() => ['established']));
  for (const { client: one, server: other } of tunnels) for (const secure of [one, other]) secure.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

test('credentials of another engine are refused', async () => {
  await using rig = new TunnelRig();
  await using other = new TunnelRig();
  const [plain] = await rig.pair();
  expect(() => rig.engine.secureClient(plain, other.tls('spiffe://a/ns/b/sa/c'), new TlsLog())).toThrow(TypeError);
  plain.reset();
  rig.stop();
  other.stop();
});
