import {
  applyRules,
  buildAmbientPodRules,
  findLeftovers,
  findTools,
  removeRules,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { openThrowAway } from './testing/throw-away-namespace.ts';

const rules = buildAmbientPodRules({ capture: 'redirect' });
const { ownership } = rules;

test('rules of ours that other programs wrote are found, and removed without those in use', async () => {
  await using pod = await openThrowAway();
  const [nft, legacy] = [await findTools({ variant: 'nft' }), await findTools({ variant: 'legacy' })];
  const inUse = { ...pod, tools: nft, backend: 'nftables' } as const;
  expect(await findLeftovers(rules, inUse)).toEqual([]);
  await applyRules(rules, { ...pod, tools: nft });
  await applyRules(rules, { ...pod, tools: legacy });
  await applyRules(rules, inUse);

  const found = await findLeftovers(rules, inUse);
  expect(found).toMatchObject([
    { backend: 'iptables', variant: 'nft' },
    { backend: 'iptables', variant: 'legacy' },
  ]);
  expect(found[1]?.found).toEqual(
    expect.arrayContaining(['ipv4 nat: extra -A OUTPUT -j ISTIO_OUTPUT', 'ipv6 nat: extra chain ISTIO_OUTPUT']),
  );
  expect(await findLeftovers(rules, { ...pod, tools: nft })).toMatchObject([
    { backend: 'iptables', variant: 'legacy' },
    { backend: 'nftables', found: expect.arrayContaining(['table inet istio-ambient-nat']) },
  ]);
  for (const { backend, tools } of found) await removeRules({ ownership }, { ...pod, backend, tools });
  expect(await findLeftovers(rules, inUse)).toEqual([]);
  expect(pod.inside('iptables-nft-save; ip6tables-legacy-save')).not.toContain('ISTIO');
  expect(await verifyRules(rules, inUse)).toMatchObject({ intact: true });
});

test('each family has its own variant in use: what the other has there is not touched', async () => {
  await using pod = await openThrowAway();
  const [nft, legacy] = [await findTools({ variant: 'nft' }), await findTools({ variant: 'legacy' })];
  if (legacy.v6 === undefined) throw new Error('expected ip6tables-legacy');
  const mixed = { ...pod, tools: { ...nft, v6: legacy.v6 } };
  await applyRules(rules, { ...pod, tools: nft });
  await applyRules(rules, mixed);
  const found = await findLeftovers(rules, mixed);
  expect(found).toMatchObject([
    { variant: 'nft', found: expect.arrayContaining(['ipv6 nat: extra chain ISTIO_OUTPUT']) },
  ]);
  for (const { backend, tools } of found) await removeRules({ ownership }, { ...pod, backend, tools });
  expect(await findLeftovers(rules, mixed)).toEqual([]);
  expect(await verifyRules(rules, mixed)).toMatchObject({ intact: true });
});
