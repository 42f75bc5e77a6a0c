import { findTools, openProbeSets, type ProbePod, type ProbeSetOptions } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { openThrowAway } from '../testing/throw-away-namespace.ts';

const BACKENDS = ['iptables', 'nftables'] as const;
const A: ProbePod = { uid: '863b91d4-4b68-4efa-917f-4b560e3e86aa', addresses: ['10.1.2.3', 'fd00:0::3'] };
const B: ProbePod = { uid: 'b', addresses: ['10.1.2.4'] };

async function openSets(backend: (typeof BACKENDS)[number], options: Partial<ProbeSetOptions> = {}) {
  const place = await openThrowAway();
  const sets = await openProbeSets({ namespace: place.namespace, backend, ...options });
  await sets.ensure();
  /** Entries as `10.1.2.3 b`, sorted. */
  const entries = async () => (await sets.list()).map(({ address, podUid }) => `${address} ${podUid}`).toSorted();
  return { place, sets, entries, [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
}

test.each(BACKENDS)('%s: entries are added, replaced, removed', async (backend) => {
  await using opened = await openSets(backend);
  const { sets, entries } = opened;
  expect(await entries()).toEqual([]);
  await sets.upsert([A, B, { uid: 'c', addresses: ['::ffff:10.1.2.5'] }, { uid: 'none', addresses: [] }]);
  expect(await entries()).toEqual(['10.1.2.3 ' + A.uid, '10.1.2.4 b', '10.1.2.5 c', 'fd00::3 ' + A.uid]);
  await sets.upsert([{ uid: 'new', addresses: ['10.1.2.3'] }]);
  expect(await entries()).toContain('10.1.2.3 new');
  await sets.ensure();
  expect(await sets.remove([A, B])).toEqual([{ address: '10.1.2.3', podUid: A.uid, otherUid: 'new' }]);
  expect(await entries()).toEqual(['10.1.2.3 new', '10.1.2.5 c']);
  expect(await sets.remove([B])).toEqual([]);
  await sets.flush();
  expect(await entries()).toEqual([]);
  await sets.destroy();
  await sets.destroy();
  await expect(sets.list()).rejects.toMatchObject({ code: 'IPTABLES_SET_FAILED' });
  await expect(sets.upsert([A])).rejects.toMatchObject({ code: 'IPTABLES_SET_FAILED' });
});

test.each(BACKENDS)('%s: a snapshot replaces what was there, unless a pod has no address', async (backend) => {
  await using opened = await openSets(backend);
  const { sets, entries } = opened;
  await sets.upsert([A, { uid: 'old', addresses: ['10.1.2.4', '10.1.2.9'] }]);
  expect(await sets.sync([A, B, { uid: 'early', addresses: [] }])).toEqual({ removed: [], removalSkipped: true });
  expect(await entries()).toEqual(['10.1.2.3 ' + A.uid, '10.1.2.4 b', '10.1.2.9 old', 'fd00::3 ' + A.uid]);
  expect(await sets.sync([A, B])).toEqual({
    removed: [{ address: '10.1.2.9', family: 'ipv4', podUid: 'old' }],
    removalSkipped: false,
  });
  expect(await entries()).toEqual(['10.1.2.3 ' + A.uid, '10.1.2.4 b', 'fd00::3 ' + A.uid]);
  await sets.sync([]);
  expect(await entries()).toEqual([]);
});

test.each(BACKENDS)('%s: without IPv6 there is one set, and its addresses are skipped', async (backend) => {
  await using opened = await openSets(backend, { ipv6: false });
  const { sets, entries, place } = opened;
  await sets.upsert([A]);
  expect(await sets.sync([A, { uid: 'six', addresses: ['fd00::6'] }])).toMatchObject({ removalSkipped: false });
  expect(await entries()).toEqual(['10.1.2.3 ' + A.uid]);
  expect(place.inside('ipset list -n; nft list ruleset')).not.toContain('istio-inpod-probes-v6');
});

test.each(BACKENDS)('%s: what is no address or UID is refused before anything changes', async (backend) => {
  await using opened = await openSets(backend);
  const { sets, entries } = opened;
  for (const uid of ['', 'a"b', 'a b', 'a\nflush x', "a'", 'x'.repeat(129), '}'])
    await expect(sets.upsert([B, { uid, addresses: ['10.1.2.3'] }])).rejects.toMatchObject({
      code: 'IPTABLES_RULE_INVALID',
    });
  for (const address of ['', '10.1.2', '10.1.2.3/24', 'example.org', 'fe80::1%eth0', '10.1.2.3 }', '::g'])
    await expect(sets.sync([B, { uid: 'b', addresses: [address] }])).rejects.toMatchObject({
      code: 'IPTABLES_RULE_INVALID',
    });
  expect(await entries()).toEqual([]);
});

test.each(BACKENDS)('%s: 5,000 pods are a few processes', async (backend) => {
  await using opened = await openSets(backend);
  const { sets } = opened;
  const pods = Array.from({ length: 5000 }, (_, index): ProbePod => {
    const [high, low] = [index >> 8, index & 0xff];
    return {
      uid: `pod-${index}`,
      addresses: [`10.9.${high}.${low}`, `fd09::${high.toString(16)}:${low.toString(16)}`],
    };
  });
  await sets.upsert(pods);
  expect(await sets.list()).toHaveLength(10_000);
  expect((await sets.sync(pods.slice(1))).removed).toHaveLength(2);
  expect(await sets.remove(pods)).toEqual([]);
  expect(await sets.list()).toEqual([]);
});

test('an ipset that is full says so, and how far it came; a set of nft has no limit', async () => {
  const addresses = Array.from({ length: 70_000 }, (_, at) => `10.${at >> 16}.${(at >> 8) & 0xff}.${at & 0xff}`);
  await using ipset = await openSets('iptables');
  await expect(ipset.sets.upsert([{ uid: 'a', addresses }])).rejects.toMatchObject({
    code: 'IPTABLES_SET_FAILED',
    message: expect.stringMatching(
      /Hash is full.*: istio-inpod-probes-v4 is made for 65536 entries; 655\d\d of 70000 changes were made$/,
    ),
  });
  expect((await ipset.sets.list()).length).toBeGreaterThanOrEqual(65_536);
  await using nft = await openSets('nftables');
  await nft.sets.upsert([{ uid: 'a', addresses }]);
  expect(await nft.sets.list()).toHaveLength(70_000);
});

test.each(BACKENDS)('%s: calls take turns', async (backend) => {
  await using opened = await openSets(backend);
  const { sets, entries } = opened;
  const uids = Array.from({ length: 8 }, (_, index) => `pod-${index}`);
  const calls = uids.flatMap((uid) => {
    const pods = [{ uid, addresses: ['10.1.2.3'] }];
    return [sets.upsert(pods), sets.remove(pods)];
  });
  await Promise.all(calls);
  expect(await entries()).toEqual([]);
});

test.each(BACKENDS)('%s: entries of others have no pod, and are not removed for one', async (backend) => {
  await using opened = await openSets(backend);
  const { sets, place } = opened;
  place.inside(
    backend === 'iptables'
      ? 'ipset add istio-inpod-probes-v4 10.1.2.4'
      : `nft add element inet istio-ambient-nat istio-inpod-probes-v4 '{ 10.1.2.4 }'`,
  );
  expect(await sets.list()).toEqual([{ address: '10.1.2.4', family: 'ipv4' }]);
  expect(await sets.remove([B])).toEqual([{ address: '10.1.2.4', podUid: 'b' }]);
});

test.each(BACKENDS)('%s: what is missing is said', async (backend) => {
  await using place = await openThrowAway();
  const { nft: _nft, ipset: _ipset, ...tools } = await findTools();
  const sets = await openProbeSets({ namespace: place.namespace, backend, tools });
  await expect(sets.ensure()).rejects.toMatchObject({ code: 'IPTABLES_TOOL_MISSING' });
});

test.each(BACKENDS)(
  '%s: a set that rules name cannot be destroyed under ipset, and goes with its table under nft',
  async (backend) => {
    await using opened = await openSets(backend);
    const { sets, place } = opened;
    if (backend === 'nftables') {
      await sets.destroy();
      expect(place.inside('nft list tables')).toBe('');
      return;
    }
    place.inside('iptables -A INPUT -m set --match-set istio-inpod-probes-v4 src');
    await expect(sets.destroy()).rejects.toMatchObject({
      code: 'IPTABLES_SET_FAILED',
      message: expect.stringContaining('in use'),
    });
  },
);
