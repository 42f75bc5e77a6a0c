import {
  applyRules,
  buildAmbientHostRules,
  buildAmbientPodRules,
  chooseNftables,
  findTools,
  type NftTable,
  type OwnedRules,
  openProbeSets,
  removeRules,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { openScript } from '../testing/script.ts';
import { openThrowAway } from '../testing/throw-away-namespace.ts';

const backend = 'nftables';
const APPLIED = { v4: 'applied', v6: 'applied' };
const FOREIGN = `add table inet other
add chain inet other input { type filter hook input priority 0 ; policy drop ; }
add rule inet other input counter accept
add table ip istio-ambient-nat
`;
const MARK_RULE = 'meta mark 0x1 counter accept';

/** Rules that are one nft table. */
function own(table: Omit<NftTable, 'family' | 'name'>): OwnedRules {
  const name = { family: 'inet', name: 'own' } as const;
  return { nftables: [{ ...name, ...table }], ownership: { chains: {}, nftTables: [name] } };
}

test.each(['redirect', 'tproxy'] as const)(
  '%s: applied, verified, not applied again, repaired, removed, beside rules of others',
  async (capture) => {
    await using place = await openThrowAway();
    const work = { namespace: place.namespace, backend, tools: await findTools() } as const;
    place.inside('nft -f -', FOREIGN);
    const before = place.inside('nft list ruleset');
    const rules = buildAmbientPodRules({ capture, dns: true });

    expect((await verifyRules(rules, work)).intact).toBe(false);
    expect(await applyRules(rules, work)).toMatchObject(APPLIED);
    const applied = place.inside('nft -s list ruleset');
    expect(await verifyRules(rules, work)).toMatchObject({ intact: true, residue: true });
    expect(await applyRules(rules, work)).toMatchObject({ v4: 'unchanged', v6: 'unchanged' });

    place.inside(`nft insert rule inet istio-ambient-nat output ${MARK_RULE}
      nft flush chain inet istio-ambient-mangle prerouting
      nft add chain inet istio-ambient-raw mine '{ type filter hook input priority 0; policy drop; }'`);
    const { v4 } = await verifyRules(rules, work);
    expect(v4.differences).toContain(
      'inet istio-ambient-nat: extra rule of output: meta mark 0x00000001 counter accept',
    );
    expect(v4.differences).toContainEqual(
      expect.stringMatching(/^inet istio-ambient-mangle: missing rule of prerouting: jump /),
    );
    expect(v4.differences).toContain('inet istio-ambient-raw: extra chain mine');
    expect(v4.differences).toHaveLength(3);
    expect(await applyRules(rules, work)).toMatchObject({ v4: 'repaired', v6: 'repaired' });
    expect(place.inside('nft -s list ruleset')).toBe(applied);
    expect((await verifyRules(rules, work)).intact).toBe(true);

    await removeRules(rules, work);
    expect(place.inside('nft list ruleset')).toBe(before);
    await removeRules(rules, work);
  },
);

test('a table that is not wanted any more goes: raw, once DNS is off', async () => {
  await using place = await openThrowAway();
  const work = { namespace: place.namespace, backend } as const;
  await applyRules(buildAmbientPodRules({ capture: 'redirect', dns: true }), work);
  const rules = buildAmbientPodRules({ capture: 'redirect', dns: false });
  expect((await verifyRules(rules, work)).v4.differences).toContain('inet istio-ambient-raw: extra table');
  expect(await applyRules(rules, work)).toMatchObject({ v4: 'repaired' });
  expect(place.inside('nft list tables')).not.toContain('raw');
  expect((await verifyRules(rules, work)).intact).toBe(true);
});

test('a base chain with another hook, priority or policy is replaced', async () => {
  await using place = await openThrowAway();
  const work = { namespace: place.namespace, backend } as const;
  place.inside(
    `nft add table inet own; nft add chain inet own input '{ type filter hook input priority 5; policy drop; }'`,
  );
  const hook = { type: 'filter', hook: 'input', priority: 0 } as const;
  const rules = own({ chains: [{ name: 'input', hook }], rules: [{ chain: 'input', text: 'counter accept' }] });
  expect((await verifyRules(rules, work)).v4.differences).toContain(
    'inet own: chain input: type filter hook input priority 5; policy drop;, want type filter hook input priority 0; policy accept;',
  );
  await applyRules(rules, work);
  expect((await verifyRules(rules, work)).intact).toBe(true);
});

test('elements of sets stay, and are no difference', async () => {
  await using place = await openThrowAway();
  const work = { namespace: place.namespace, backend } as const;
  const rules = own({
    sets: [{ name: 'hosts', type: 'ipv4_addr' }],
    chains: [{ name: 'c' }],
    rules: [{ chain: 'c', text: 'ip saddr @hosts counter drop' }],
  });
  await applyRules(rules, work);
  place.inside(
    `nft add element inet own hosts '{ 10.0.0.1 comment "} x {", 10.0.0.2, 10.0.0.3 }'; nft flush chain inet own c`,
  );
  expect(await applyRules(rules, work)).toMatchObject({ v4: 'repaired' });
  expect(place.inside('nft list set inet own hosts')).toContain('10.0.0.1 comment "} x {", 10.0.0.2');
  expect(await applyRules(rules, work)).toMatchObject({ v4: 'unchanged' });
});

test('the rules of a host go and the probe sets stay, those of a pod go with their table', async () => {
  await using place = await openThrowAway();
  const work = { namespace: place.namespace, backend, tools: await findTools() } as const;
  const sets = await openProbeSets(work);
  const host = buildAmbientHostRules();
  await removeRules(host, work);
  expect(place.inside('nft list ruleset')).toBe('');
  await sets.ensure();
  await sets.upsert([{ uid: 'a', addresses: ['10.1.2.3'] }]);
  const before = place.inside('nft list ruleset');
  for (const removable of [host, { ownership: host.ownership }]) {
    await applyRules(host, work);
    expect(place.inside('nft list ruleset')).toContain('snat');
    await removeRules(removable, work);
    expect(place.inside('nft list ruleset')).toBe(before);
    expect(await sets.list()).toEqual([{ address: '10.1.2.3', family: 'ipv4', podUid: 'a' }]);
  }
  await sets.destroy();
  await applyRules(buildAmbientPodRules({ capture: 'redirect' }), work);
  await sets.ensure();
  await removeRules(buildAmbientPodRules({ capture: 'redirect' }), work);
  expect(place.inside('nft list ruleset')).toBe('');
});

test('a refused rule changes nothing and is named', async () => {
  await using place = await openThrowAway();
  const work = { namespace: place.namespace, backend } as const;
  await applyRules(own({ chains: [{ name: 'c' }], rules: [{ chain: 'c', text: MARK_RULE }] }), work);
  const before = place.inside('nft list ruleset');
  const bad = own({ chains: [{ name: 'c' }], rules: [{ chain: 'c', text: 'counter jump nowhere' }] });
  await expect(applyRules(bad, work)).rejects.toMatchObject({
    code: 'IPTABLES_RESTORE_FAILED',
    line: 4,
    message: expect.stringContaining('add rule inet own c counter jump nowhere'),
  });
  expect(place.inside('nft list ruleset')).toBe(before);
});

test('when the routing fails, the tables are as they were', async () => {
  await using place = await openThrowAway();
  const work = { namespace: place.namespace, backend } as const;
  place.inside(`nft add table inet istio-ambient-nat; nft add set inet istio-ambient-nat s '{ type ipv4_addr; }'
    nft add element inet istio-ambient-nat s '{ 10.0.0.1 comment "x" }'
    nft add chain inet istio-ambient-nat output '{ type filter hook output priority 5; policy drop; }'
    nft add table inet istio-ambient-raw; nft add chain inet istio-ambient-raw old`);
  const before = place.inside('nft list ruleset | sort');
  place.inside('ip link set lo down');
  await expect(applyRules(buildAmbientPodRules({ capture: 'redirect' }), work)).rejects.toMatchObject({
    code: 'IPTABLES_ROUTING_FAILED',
  });
  expect(place.inside('nft list ruleset | sort')).toBe(before);
});

test('what is missing is said', async () => {
  await using place = await openThrowAway();
  const tools = await findTools();
  const { nft: _nft, ...withoutNft } = tools;
  const rules = buildAmbientPodRules({ capture: 'redirect' });
  const attempt = applyRules(rules, { namespace: place.namespace, backend, tools: withoutNft });
  await expect(attempt).rejects.toMatchObject({
    code: 'IPTABLES_TOOL_MISSING',
    message: expect.stringContaining('nft'),
  });
  await place.kill();
  const gone = applyRules(rules, { namespace: place.namespace, backend, tools });
  await expect(gone).rejects.toMatchObject({ code: 'IPTABLES_NAMESPACE_GONE' });
});

test('without privileges nothing is changed, and it is said', async () => {
  await using place = await openThrowAway('ip link set lo up');
  const tools = await findTools();
  using weak = openScript(`exec setpriv --bounding-set=-net_admin --inh-caps=-net_admin ${tools.nft} "$@"`);
  const work = { namespace: place.namespace, backend, tools: { ...tools, nft: weak.path } } as const;
  const before = place.state();
  await expect(applyRules(buildAmbientPodRules({ capture: 'redirect' }), work)).rejects.toMatchObject({
    code: 'IPTABLES_PERMISSION',
  });
  expect(place.state()).toBe(before);
});

test('nftables is chosen unless sets of iptables are left or nft does not work', async () => {
  await using place = await openThrowAway();
  const tools = await findTools();
  const work = { namespace: place.namespace, tools };
  expect(await chooseNftables(work)).toEqual({ backend: 'nftables' });
  using broken = openScript('echo "nft: symbol lookup error" >&2; exit 127');
  expect(await chooseNftables({ ...work, tools: { ...tools, nft: broken.path } })).toEqual({
    backend: 'iptables',
    reason: 'nft does not work: nft: symbol lookup error',
  });
  using silent = openScript('exit 1');
  expect(await chooseNftables({ ...work, tools: { ...tools, ipset: silent.path } })).toEqual({ backend: 'nftables' });
  place.inside('ipset create istio-inpod-probes-v4 hash:ip');
  for (const _ of ['once', 'twice'])
    expect(await chooseNftables(work)).toMatchObject({
      backend: 'iptables',
      reason: expect.stringContaining('reboot'),
    });
  expect(place.inside('nft list ruleset')).toBe('');
});
