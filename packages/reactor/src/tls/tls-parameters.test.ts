import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { CredentialsSource, TlsOptions } from '@ambientmesh/hbone';
import { clientHelloExtensions, createThrowAwayAuthority } from '@ambientmesh/hbone/testing';
import { expect, test } from 'vitest';
import { TlsLog } from '../testing/tls-log.ts';
import { NOTHING, TunnelRig } from '../testing/tunnel-rig.ts';

const URI = 'spiffe://example.org/ns/default/sa/peer';
const SIGNATURE_ALGORITHMS = 13;
const KEY_SHARE = 51;
const X25519 = 0x1d;

// hbone.md §1.1: no SNI (0), no tickets (35), no record size limit (28), and what a recorded hello of the reference offers.
test('the ClientHello offers what the reference offers, and nothing more', async () => {
  await using rig = new TunnelRig();
  let hello: Buffer = Buffer.alloc(0);
  const listener = createServer(
    (socket) => void socket.on('error', () => {}).on('data', (chunk: Buffer) => (hello = chunk)),
  );
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  // oxlint-disable-next-line no-unsafe-type-assertion -- it listens on a port
  const { port } = listener.address() as AddressInfo;
  const secure = rig.engine.secureClient(await rig.dial(port), rig.tls(URI), new TlsLog());
  await rig.until(() => hello.length > 0, 'the ClientHello');
  const extensions = clientHelloExtensions(hello);
  expect([...extensions.keys()].toSorted((a, b) => a - b)).toEqual([5, 10, 11, 13, 16, 23, 43, 45, 51]);
  expect(extensions.get(SIGNATURE_ALGORITHMS)?.subarray(2).toString('hex')).toBe(
    '0503040306030807080608050804060105010401',
  );
  expect(extensions.get(KEY_SHARE)?.readUInt16BE(2)).toBe(X25519);
  secure.abort();
  listener.close();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

/** What the server and the client say of a handshake of two with these credentials, and the chains that were looked at. */
async function shakeHands(
  rig: TunnelRig,
  credentials: CredentialsSource,
): Promise<{ said: readonly string[]; looked: readonly number[] }> {
  const looked: number[] = [];
  const options: TlsOptions = {
    credentials: rig.engine.credentials(credentials),
    verify: (chain) => {
      looked.push(chain.length);
      return undefined;
    },
    handshakeTimeoutMs: 5000,
  };
  const { client, server, clientLog, serverLog } = await rig.begin(options, options);
  const logs = [serverLog, clientLog];
  await rig.until(() => logs.every(({ events }) => events.length > 0), 'the outcome');
  client.abort();
  server.abort();
  options.credentials.close?.();
  expect(await rig.empty()).toEqual(NOTHING);
  return { said: logs.map(({ failure }) => failure?.message ?? 'established'), looked };
}

test.each([
  { what: '16 certificates', intermediates: 15, uri: URI },
  { what: '60 KiB', intermediates: 1, uri: `${URI}${'x'.repeat(60_000)}` },
])('a chain of $what is verified', async ({ intermediates, uri }) => {
  await using rig = new TunnelRig();
  const { said, looked } = await shakeHands(rig, createThrowAwayAuthority({ intermediates }).issue(uri));
  rig.stop();
  expect(said).toEqual(['established', 'established']);
  expect(looked).toEqual([intermediates + 1, intermediates + 1]);
});

test.each([
  { what: '17 certificates', intermediates: 16, uri: URI },
  { what: 'more than 64 KiB', intermediates: 1, uri: `${URI}${'x'.repeat(65_060)}` },
])('a chain of $what is refused unseen by both ends', async ({ intermediates, uri }) => {
  await using rig = new TunnelRig();
  const { said, looked } = await shakeHands(rig, createThrowAwayAuthority({ intermediates }).issue(uri));
  rig.stop();
  expect(said[1]).toContain('certificate chain too long');
  expect(said).not.toContain('established');
  expect(looked).toEqual([]);
});
