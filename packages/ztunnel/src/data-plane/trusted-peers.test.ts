import { X509Certificate } from 'node:crypto';
import { CertificateAuthority } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { TrustedPeers } from './trusted-peers.ts';

const [old, other] = await Promise.all([
  CertificateAuthority.create({ trustDomain: 'cluster.local', intermediate: true }),
  CertificateAuthority.create({ trustDomain: 'cluster.local' }),
]);
const uris = ['spiffe://cluster.local/ns/default/sa/client'];
const valid = await old.issue({ uris });
const expired = await old.issue({ uris, notAfterEpochMs: Date.now() - 1000 });
const identity = 'spiffe://cluster.local/ns/default/sa/server';

const der = (pem: string): Buffer => new X509Certificate(pem).raw;

test.each([
  { name: 'the same roots in another array', now: [old.rootPem], lost: false },
  { name: 'a root more', now: [other.rootPem, old.rootPem], lost: false },
  { name: 'another root', now: [other.rootPem], lost: true },
  { name: 'one of two is gone, not its own', before: [old.rootPem, other.rootPem], now: [old.rootPem], lost: false },
  { name: 'one of two is gone, its own', before: [old.rootPem, other.rootPem], now: [other.rootPem], lost: true },
  { name: 'expired, root a more', leaf: expired, now: [other.rootPem, old.rootPem], lost: false },
  { name: 'expired, other gone', leaf: expired, before: [old.rootPem, other.rootPem], now: [old.rootPem], lost: false },
  { name: 'expired, its own gone', leaf: expired, before: [old.rootPem], now: [other.rootPem], lost: true },
  { name: 'no certificate held', now: undefined, lost: false },
])('$name: lost $lost', ({ before = [old.rootPem], leaf = valid, now, lost }) => {
  let roots: readonly string[] | undefined = before;
  const peers = new TrustedPeers(() => roots);
  const peer = { peerChain: leaf.chain.map(der) };
  expect(peers.hasLost(peer)).toBe(false);
  peers.admitted(peer, { identity, rootsPem: before, usage: 'client' });
  expect(peers.hasLost(peer)).toBe(false);
  roots = now;
  expect([peers.hasLost(peer), peers.hasLost(peer)]).toEqual([lost, lost]);
});

test('10,000 tunnels of twenty peers are judged with less than a second of work', async () => {
  const chains = await Promise.all(Array.from({ length: 20 }, async () => (await old.issue({ uris })).chain.map(der)));
  let roots = [old.rootPem, other.rootPem];
  const peers = new TrustedPeers(() => roots);
  const tunnels = Array.from({ length: 10_000 }, (_, i) => ({ peerChain: chains[i % 20] ?? [] }));
  for (const tunnel of tunnels) peers.admitted(tunnel, { identity, rootsPem: roots, usage: 'client' });
  roots = [other.rootPem];
  const begin = process.cpuUsage();
  expect(tunnels.filter((tunnel) => peers.hasLost(tunnel))).toHaveLength(10_000);
  roots = [old.rootPem];
  expect(tunnels.filter((tunnel) => peers.hasLost(tunnel))).toHaveLength(0);
  const { user, system } = process.cpuUsage(begin);
  expect((user + system) / 1000).toBeLessThan(1000);
});
