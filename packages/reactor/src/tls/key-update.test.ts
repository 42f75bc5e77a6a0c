import { createHash } from 'node:crypto';
import type { Secure } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import type { TlsLog } from '../testing/tls-log.ts';
import { NOTHING, type Tunnel, TunnelRig } from '../testing/tunnel-rig.ts';

const STORM = 3000;
const STREAM_BYTES = 20_000_000;
const CHUNK_BYTES = 50_000;

async function establishedTunnel(rig: TunnelRig): Promise<Tunnel> {
  const tunnel = await rig.begin(rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s'));
  await rig.established([tunnel]);
  return tunnel;
}

async function end(rig: TunnelRig, { client, server }: Tunnel): Promise<void> {
  client.close();
  server.close();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
}

test.each(['own', 'openssl'] as const)(
  `${STORM} KeyUpdates with update_requested, each with a byte, both ways: records %s`,
  async (records) => {
    await using rig = new TunnelRig({ recordsPerKey: 1, records });
    const tunnel = await establishedTunnel(rig);
    for (let count = 0; count < STORM; count++) {
      for (const secure of [tunnel.client, tunnel.server]) secure.send(Uint8Array.of(count), 0, 1);
      await rig.turn();
    }
    const { clientLog, serverLog } = tunnel;
    await rig.until(() => clientLog.received + serverLog.received === 2 * STORM, 'all bytes');
    const sent = Uint8Array.from({ length: STORM }, (_, index) => index);
    const digest = `${STORM} ${createHash('sha256').update(sent).digest('hex')}`;
    expect([clientLog.digest, serverLog.digest]).toEqual([digest, digest]);
    await end(rig, tunnel);
  },
);

test.each(['own', 'openssl'] as const)(
  'KeyUpdates before every record under back-pressure: nothing is lost or changed, records %s',
  async (records) => {
    await using rig = new TunnelRig({ recordsPerKey: 1, records });
    const tunnel = await establishedTunnel(rig);
    const hash = createHash('sha256');
    const flows: readonly (readonly [Secure, TlsLog, Secure])[] = [
      [tunnel.client, tunnel.serverLog, tunnel.server],
      [tunnel.server, tunnel.clientLog, tunnel.client],
    ];
    const chunk = Buffer.from(Uint8Array.from({ length: CHUNK_BYTES }, (_, index) => index * 7));
    let stalls = 0;
    for (const [, , receiver] of flows) receiver.pause();
    for (let sent = 0; sent < STREAM_BYTES; sent += CHUNK_BYTES) {
      hash.update(chunk);
      for (const [sender, , receiver] of flows) {
        sender.send(chunk, 0, CHUNK_BYTES);
        if (sender.room > 0) continue;
        stalls++;
        receiver.resume();
        await rig.until(() => sender.room > 0, 'room');
        receiver.pause();
      }
    }
    for (const [, , receiver] of flows) receiver.resume();
    await rig.until(() => flows.every(([, log]) => log.received === STREAM_BYTES), 'all bytes');
    const digest = `${STREAM_BYTES} ${hash.digest('hex')}`;
    expect(flows.map(([, log]) => log.digest)).toEqual([digest, digest]);
    expect(stalls).toBeGreaterThan(0);
    await end(rig, tunnel);
  },
);
