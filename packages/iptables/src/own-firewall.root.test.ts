import {
  accept,
  applyRules,
  buildAmbientPodRules,
  buildRuleSet,
  connectionState,
  drop,
  type Family,
  findTools,
  inInterface,
  jump,
  log,
  type OwnedRules,
  removeRules,
  rule,
  tcp,
  verifyRules,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { breakFamily } from './testing/break-ipv6.ts';
import { openScript } from './testing/script.ts';
import { openThrowAway, type ThrowAwayNamespace, withoutCounters } from './testing/throw-away-namespace.ts';

const VARIANTS = ['nft', 'legacy'] as const;
const build = (family: Family) =>
  buildRuleSet(family, {
    filter: {
      INPUT: {
        policy: 'DROP',
        rules: [
          rule([connectionState('ESTABLISHED', 'RELATED')], accept()),
          rule([inInterface('lo')], accept()),
          rule([tcp({ to: 22 })], accept()),
          rule([], jump('LOGGED')),
        ],
      },
      LOGGED: { rules: [rule([], log({ prefix: 'refused ' }))] },
    },
    nat: { OUTPUT: { rules: [] } },
  });
const ownership = { chains: { filter: ['INPUT', 'LOGGED'] } } as const;
const server = { v4: build('ipv4'), v6: build('ipv6'), ownership } satisfies OwnedRules;
/** What somebody had there. */
const BEFORE = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
-A INPUT -p udp -m udp --dport 68 -j ACCEPT
-A INPUT -j DROP
-A FORWARD -i eth1 -j ACCEPT
COMMIT
`;
const OTHERS = [':FORWARD DROP', '-A FORWARD -i eth1 -j ACCEPT'];

/** Policies other than ACCEPT, chains and rules of both families. */
function firewall(place: ThrowAwayNamespace, variant: string): readonly string[] {
  const saves = place.inside(`iptables-${variant}-save; echo IPv6; ip6tables-${variant}-save`);
  return withoutCounters(saves)
    .split('\n')
    .filter((line) => /^-A|^:\S+ (-|DROP)|^IPv6/.test(line));
}

test.each(VARIANTS)('%s: INPUT is ours as a whole: applied, verified, repaired, removed', async (variant) => {
  await using place = await openThrowAway();
  place.inside(`iptables-${variant}-restore`, BEFORE);
  const work = { ...place, tools: await findTools({ variant }) };
  await expect(applyRules(server, { ...work, reconcile: false })).rejects.toMatchObject({ code: 'IPTABLES_CONFLICT' });
  expect(await applyRules(server, work)).toEqual({ v4: 'repaired', v6: 'applied' });
  const applied = firewall(place, variant);
  expect(applied).toEqual(expect.arrayContaining([':INPUT DROP', ...OTHERS, '-A INPUT -j LOGGED']));
  expect(applied.filter((line) => line === ':INPUT DROP')).toHaveLength(2);
  expect(applied.filter((line) => line.includes('--dport 68'))).toEqual([]);
  expect(await verifyRules(server, work)).toMatchObject({ intact: true, residue: true });
  expect(await applyRules(server, work)).toEqual({ v4: 'unchanged', v6: 'unchanged' });

  place.inside(`iptables-${variant} -P INPUT ACCEPT; ip6tables-${variant} -I INPUT 1 -j ACCEPT`);
  expect(await verifyRules(server, work)).toMatchObject({
    intact: false,
    v4: { differences: ['filter: policy of INPUT is ACCEPT, want DROP'] },
    v6: { differences: ['filter: extra -A INPUT -j ACCEPT'] },
  });
  expect(await applyRules(server, work)).toEqual({ v4: 'repaired', v6: 'repaired' });
  expect(firewall(place, variant)).toEqual(applied);

  await removeRules(server, work);
  expect(firewall(place, variant)).toEqual([...OTHERS, 'IPv6']);
  expect(await verifyRules({ ownership, v6: { family: 'ipv6', tables: [] } }, work)).toMatchObject({ residue: false });
  await removeRules(server, work);
});

test.each(VARIANTS)('%s: when the second family fails, rules and policies of INPUT are as before', async (variant) => {
  await using place = await openThrowAway();
  const tools = await findTools({ variant });
  const bad = {
    ...server,
    v6: breakFamily(server.v6, 'OUTPUT'),
    ownership: { chains: { ...ownership.chains, nat: ['OUTPUT'] } },
  };
  for (const before of ['', BEFORE, BEFORE.replace(':INPUT ACCEPT', ':INPUT DROP')]) {
    place.inside(`iptables-${variant}-restore; ip6tables-${variant} -P INPUT DROP`, before);
    const found = firewall(place, variant);
    await expect(applyRules(bad, { ...place, tools })).rejects.toMatchObject({ code: 'IPTABLES_RESTORE_FAILED' });
    expect(firewall(place, variant)).toEqual(found);
  }
});

test.each(VARIANTS)('%s: only what was ever ours is opened by removal', async (variant) => {
  await using place = await openThrowAway();
  const work = { ...place, tools: await findTools({ variant }) };
  const others = `ip6tables-${variant} -P INPUT DROP; ip6tables-${variant} -A INPUT -p tcp -j ACCEPT`;
  place.inside(`iptables-${variant} -P OUTPUT DROP; ${others}`);
  const output = buildRuleSet('ipv4', {
    filter: { INPUT: { policy: 'DROP' }, OUTPUT: { rules: [rule([tcp({ to: 22 })], accept())] } },
  });
  const own: OwnedRules = { v4: output, ownership: { chains: { filter: ['INPUT', 'OUTPUT'] } } };
  expect(await applyRules(own, work)).toMatchObject({ v4: 'repaired', v6: 'skipped', v6Note: expect.any(String) });
  await removeRules(own, work);
  expect(firewall(place, variant)).toEqual([':OUTPUT DROP', 'IPv6', ':INPUT DROP', '-A INPUT -p tcp -j ACCEPT']);
  await removeRules({ ownership: own.ownership }, work);
  expect(firewall(place, variant)).toEqual(['IPv6']);
});

test.each(VARIANTS)('%s: an abort after the policies were changed puts them back', async (variant) => {
  await using place = await openThrowAway();
  place.inside(`iptables-${variant}-restore`, BEFORE);
  const found = firewall(place, variant);
  const tools = await findTools({ variant });
  if (tools.v6 === undefined) throw new Error('expected ip6tables');
  // The first restore does its work and then hangs until it is killed; later ones are as usual.
  using hang = openScript(
    `${tools.v6.restore} "$@" || exit 1; test -e "$0.ran" && exit 0; touch "$0.ran"; exec tail -f /dev/null`,
  );
  const slow = { ...tools, v6: { ...tools.v6, restore: hang.path } };
  const controller = new AbortController();
  const attempt = applyRules(server, { ...place, tools: slow, signal: controller.signal });
  const outcome = attempt.catch((error: unknown) => error);
  const dropped = () => firewall(place, variant).filter((line) => line === ':INPUT DROP');
  await expect.poll(dropped, { timeout: 10_000 }).toHaveLength(2);
  const reason = new Error('enough');
  controller.abort(reason);
  expect(await outcome).toBe(reason);
  expect(firewall(place, variant)).toEqual(found);
});

test.each(VARIANTS)(
  '%s: chains of our own beside rules of others: the jump is first, and is kept first',
  async (variant) => {
    await using place = await openThrowAway();
    place.inside(`iptables-${variant}-restore`, BEFORE);
    const work = { ...place, tools: await findTools({ variant }) };
    const before = firewall(place, variant);
    const v4 = buildRuleSet('ipv4', {
      filter: {
        INPUT: { rules: [{ ...rule([], jump('SERVER')), position: 1 }] },
        SERVER: { rules: [rule([tcp({ to: 22 })], accept()), rule([tcp({ to: 23 })], drop())] },
      },
    });
    const own: OwnedRules = { v4, ownership: { chains: { filter: ['SERVER'] } } };
    expect(await applyRules(own, work)).toMatchObject({ v4: 'applied' });
    const input = () => firewall(place, variant).filter((line) => line.startsWith('-A INPUT'));
    expect(input().map((line) => line.split(' ').at(-1))).toEqual(['SERVER', 'ACCEPT', 'DROP']);
    place.inside(`iptables-${variant} -I INPUT 1 -j ACCEPT`);
    expect((await verifyRules(own, work)).v4.differences).toEqual([
      'filter: misplaced -A INPUT -j SERVER (at 2, want 1)',
    ]);
    await applyRules(own, work);
    expect(input().map((line) => line.split(' ').at(-1))).toEqual(['SERVER', 'ACCEPT', 'ACCEPT', 'DROP']);
    place.inside(`iptables-${variant} -D INPUT 2`);
    await removeRules(own, work);
    expect(firewall(place, variant)).toEqual(before);
  },
);

test('tables of nftables for one family do not make the other one safe', async () => {
  await using place = await openThrowAway();
  const table = {
    family: 'ip',
    name: 'own',
    chains: [{ name: 'c' }],
    rules: [{ chain: 'c', text: 'counter drop' }],
  } as const;
  const own: OwnedRules = { nftables: [table], ownership: { chains: {}, nftTables: [table] } };
  expect(await applyRules(own, { ...place, backend: 'nftables' })).toEqual({
    v4: 'applied',
    v6: 'skipped',
    v6Note: expect.stringContaining('IPv6 was not asked for'),
  });
  expect(await verifyRules(own, { ...place, backend: 'nftables' })).toMatchObject({
    intact: true,
    v6: { skipped: expect.stringContaining('its traffic meets none of these rules') },
  });
});

test('a table that iptables cannot list is not taken for empty', async () => {
  await using place = await openThrowAway();
  const work = { ...place, tools: await findTools({ variant: 'nft' }) };
  await applyRules(server, work);
  place.inside('nft insert rule ip filter INPUT ct state established accept');
  const unknown = { code: 'IPTABLES_SAVE_FAILED', message: expect.stringContaining('does not list table filter') };
  await expect(verifyRules(server, work)).rejects.toMatchObject(unknown);
  await expect(applyRules(server, work)).rejects.toMatchObject(unknown);
  await expect(removeRules(server, work)).rejects.toMatchObject(unknown);
  // Nobody else's business: the table is not owned.
  const nat: OwnedRules = {
    v4: buildRuleSet('ipv4', { nat: { OUTPUT: { rules: [rule([tcp({ to: 22 })], accept())] } } }),
    ownership: { chains: { nat: ['OUTPUT'] } },
  };
  expect(await applyRules(nat, work)).toMatchObject({ v4: 'applied' });
});

test.each(['iif lo', 'suppress_prefixlength 0'])('an ip rule that says more (%s) is not ours', async (more) => {
  await using place = await openThrowAway();
  const rules = buildAmbientPodRules({ capture: 'redirect', ipv6: false });
  await applyRules(rules, place);
  place.inside(`ip rule del pref 32764; ip rule add pref 32764 fwmark 0x111/0xfff ${more} lookup 100`);
  expect((await verifyRules(rules, place)).v4.differences).toEqual([
    'missing ip rule with priority 32764 to table 100',
  ]);
  expect(await applyRules(rules, place)).toMatchObject({ v4: 'repaired' });
  expect(await verifyRules(rules, place)).toMatchObject({ intact: true });
});

test('an ip rule that keeps ours out is an error, not success', async () => {
  await using place = await openThrowAway();
  const rules = buildAmbientPodRules({ capture: 'redirect', ipv6: false });
  place.inside('ip rule add pref 32764 fwmark 0x111/0xfff from 10.0.0.0/8 lookup 100');
  const before = place.state();
  await expect(applyRules(rules, place)).rejects.toMatchObject({
    code: 'IPTABLES_ROUTING_FAILED',
    message: expect.stringContaining('in the way'),
  });
  expect(place.state()).toBe(before);
});
