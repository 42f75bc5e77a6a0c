import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  applyRules,
  buildAmbientHostRules,
  buildAmbientPodRules,
  findTools,
  type OwnedRules,
  parseSave,
  removeRules,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { openThrowAway, type ThrowAwayNamespace, withoutCounters } from './testing/throw-away-namespace.ts';

const NEIGHBOURS = readFileSync(join(import.meta.dirname, '../fixtures/docker-and-kube-proxy.save'), 'utf8');
/** Another firewall's own tables, with names like ours and a set. */
const FIREWALL = `
table inet firewalld {
  set blocked {
    type ipv4_addr
    elements = { 10.66.0.1 }
  }
  chain prerouting {
    type nat hook prerouting priority -90; policy accept;
    ip saddr @blocked accept
  }
  chain output {
    type filter hook output priority 0; policy accept;
    jump istio-output
  }
  chain istio-output {
    meta mark 0x539 accept
  }
}
table ip istio-ambient-nat {
  chain prerouting {
    type nat hook prerouting priority -80; policy accept;
  }
}
`;
const rules = buildAmbientPodRules({ capture: 'redirect', dns: true });
const BACKENDS = [
  { variant: 'nft', backend: 'iptables' },
  { variant: 'legacy', backend: 'iptables' },
  { variant: 'nft', backend: 'nftables' },
] as const;

/** All that others have: rules, chains, policies and tables, but not empty built-in tables, which iptables keeps. */
function foreignState(place: ThrowAwayNamespace): readonly string[] {
  const saves = place.inside(
    'for p in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do echo "# $p"; $p-save | sed "s/^\\*/table /"; done',
  );
  const lines = withoutCounters(saves)
    .split('\n')
    .filter((line) => /^-A|^:\S+ (-|DROP)/.test(line));
  const own = place.inside('nft list table inet firewalld; nft list table ip istio-ambient-nat; ip rule; ip -6 rule');
  return [...lines, ...own.split('\n'), ...place.inside('ip route show table 100 2>/dev/null || true').split('\n')];
}

test.each(BACKENDS)('$variant, $backend: what others have stays through apply, repair and remove', async (choice) => {
  await using place = await openThrowAway();
  place.inside(`iptables-${choice.variant}-restore`, NEIGHBOURS);
  place.inside('nft -f -', FIREWALL);
  place.inside('ip rule add pref 100 fwmark 0x7 lookup 200; ip route add local 10.99.0.0/16 dev lo table 100');
  const options = { ...place, backend: choice.backend, tools: await findTools({ variant: choice.variant }) };
  const before = foreignState(place);
  const nftBefore = place.inside('nft -s list ruleset');

  expect(await applyRules(rules, options)).toEqual({ v4: 'applied', v6: 'applied' });
  const ours = /ISTIO_|32764|default dev lo/;
  const others = () => foreignState(place).filter((line) => !ours.test(line));
  expect(others()).toEqual(before);
  expect(await verifyRules(rules, options)).toMatchObject({ intact: true, residue: true });
  expect(await applyRules(rules, options)).toEqual({ v4: 'unchanged', v6: 'unchanged' });

  const flush = {
    iptables: `iptables-${choice.variant} -t nat -F ISTIO_OUTPUT`,
    nftables: 'nft flush chain inet istio-ambient-nat istio-output',
  };
  place.inside(flush[choice.backend]);
  expect(await verifyRules(rules, options)).toMatchObject({ intact: false });
  expect(await applyRules(rules, options)).toMatchObject({ v4: 'repaired' });
  const withoutDns = buildAmbientPodRules({ capture: 'redirect', dns: false });
  expect(await applyRules(withoutDns, options)).toEqual({ v4: 'repaired', v6: 'repaired' });
  expect(await verifyRules(withoutDns, options)).toMatchObject({ intact: true });
  expect(others()).toEqual(before);

  await removeRules(rules, options);
  expect(foreignState(place)).toEqual(before);
  if (choice.backend === 'nftables') expect(place.inside('nft -s list ruleset')).toBe(nftBefore);
  await removeRules(rules, options);
});

const SETS =
  'ipset create istio-inpod-probes-v4 hash:ip comment; ipset create istio-inpod-probes-v6 hash:ip family inet6 comment';
const hostRules = buildAmbientHostRules();

test.each(['nft', 'legacy'] as const)(
  '%s: the jump of the host rules is first, and becomes it again',
  async (variant) => {
    await using host = await openThrowAway();
    host.inside(`${SETS}; iptables-${variant}-restore`, NEIGHBOURS);
    const before = foreignNat(host, variant);
    const options = { ...host, tools: await findTools({ variant }) };
    expect(await applyRules(hostRules, options)).toEqual({ v4: 'applied', v6: 'applied' });
    expect(foreignNat(host, variant)[0]).toBe('-A POSTROUTING -j ISTIO_POSTRT');
    expect(await applyRules(hostRules, options)).toEqual({ v4: 'unchanged', v6: 'unchanged' });

    host.inside(`iptables-${variant} -t nat -I POSTROUTING 1 -m mark --mark 0x8 -j MASQUERADE`);
    expect(await verifyRules(hostRules, options)).toMatchObject({
      intact: false,
      v4: { differences: ['nat: misplaced -A POSTROUTING -j ISTIO_POSTRT (at 2, want 1)'] },
      v6: { intact: true },
    });
    expect(await applyRules(hostRules, options)).toEqual({ v4: 'repaired', v6: 'unchanged' });
    expect(foreignNat(host, variant).slice(0, 2)).toEqual([
      '-A POSTROUTING -j ISTIO_POSTRT',
      '-A POSTROUTING -m mark --mark 0x8 -j MASQUERADE',
    ]);
    await removeRules(hostRules, options);
    expect(foreignNat(host, variant)).toEqual(['-A POSTROUTING -m mark --mark 0x8 -j MASQUERADE', ...before]);
  },
);

/** Rules of nat that matter here. */
function foreignNat(host: ThrowAwayNamespace, variant: string): readonly string[] {
  const lines = host.inside(`iptables-${variant}-save -t nat`).split('\n');
  return lines.filter((line) => /^-A POSTROUTING|^-. ISTIO/.test(line));
}

test.each(['nft', 'legacy'] as const)("%s: a user's own chains, one family, no routing", async (variant) => {
  await using place = await openThrowAway();
  place.inside(`iptables-${variant}-restore`, NEIGHBOURS);
  const before = foreignFilter(place, variant);
  const wanted = parseSave(
    `*filter
:ALLOW - [0:0]
:WEB - [0:0]
-I INPUT 1 -p tcp -j ALLOW
-A FORWARD -g WEB
-A ALLOW -p tcp -m tcp --dport 22 -j ACCEPT
-A ALLOW -j WEB
-A WEB -p tcp -m multiport --dports 80,443 -j ACCEPT
COMMIT
`,
    'ipv4',
  );
  const own: OwnedRules = { v4: wanted, ownership: { chains: { filter: ['ALLOW', 'WEB'] } } };
  const options = { ...place, tools: await findTools({ variant }) };
  expect(await applyRules(own, options)).toMatchObject({ v4: 'applied', v6: 'skipped' });
  expect(await verifyRules(own, options)).toMatchObject({
    intact: true,
    v6: { skipped: expect.stringMatching(/^IPv6 was not asked for/) },
  });
  expect(foreignFilter(place, variant)).toContain('-A FORWARD -g WEB');
  expect(await applyRules(own, options)).toMatchObject({ v4: 'unchanged', v6: 'skipped' });
  await removeRules(own, options);
  expect(foreignFilter(place, variant)).toEqual(before);
});

function foreignFilter(place: ThrowAwayNamespace, variant: string): readonly string[] {
  return withoutCounters(place.inside(`iptables-${variant}-save -t filter`)).split('\n');
}
