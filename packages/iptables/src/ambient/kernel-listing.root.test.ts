import { execFileSync } from 'node:child_process';
import {
  type AmbientPodOptions,
  buildAmbientHostRules,
  buildAmbientPodRules,
  buildListing,
  type RuleSet,
  renderNft,
  renderRestore,
  renderSave,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

/** Runs commands in a namespace of their own that ends with them. */
const inNewNamespace = (script: string, ...files: readonly string[]) =>
  execFileSync('unshare', ['-n', 'sh', '-ec', script, 'sh', ...files], { encoding: 'utf8', stdio: 'pipe' });

/** The blocks of a save by table: each variant prints tables in its own order. */
function blocks(save: string): readonly string[] {
  const text = save.replaceAll(/^#.*\n/gm, '').replaceAll(/ \[\d+:\d+\]$/gm, '');
  return text
    .split(/(?<=^COMMIT\n)/m)
    .filter((block) => block !== '')
    .toSorted();
}

/** What the kernel lists after `ruleSet` was applied to a new namespace. */
function listed(ruleSet: RuleSet, variant: string, prepare = ':'): readonly string[] {
  const program = `${ruleSet.family === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}`;
  const script = `${prepare}; printf %s "$1" | ${program}-restore --noflush -v >/dev/null; ${program}-save`;
  return blocks(inNewNamespace(script, renderRestore(ruleSet)));
}

const foretold = (ruleSet: RuleSet) => blocks(renderSave(buildListing(ruleSet), { counters: false }));
const families = ({ v4, v6 }: { readonly v4: RuleSet; readonly v6?: RuleSet }) => (v6 === undefined ? [v4] : [v4, v6]);
const addSet = (name: string, type: string) => `add set inet istio-ambient-nat ${name} { type ${type} ; }`;

const booleans = [false, true];
const CHOICES = (['redirect', 'tproxy'] as const).flatMap((capture) =>
  booleans.flatMap((dns) =>
    booleans.flatMap((ingress) =>
      [[], ['fake0', 'tap+', 'veth0@if3']].map(
        (virtualInterfaces): AmbientPodOptions => ({ capture, dns, ingress, virtualInterfaces }),
      ),
    ),
  ),
);

test.each(['nft', 'legacy'])(
  '%s: every form and option loads, and is listed as foretold, in both families',
  (variant) => {
    const probeSources = { v4: '10.0.0.9', v6: '::ffff:10.0.0.9' };
    for (const options of [...CHOICES, { capture: 'redirect', probeSources } as const])
      for (const ruleSet of families(buildAmbientPodRules(options)))
        expect(listed(ruleSet, variant)).toEqual(foretold(ruleSet));
  },
);

test.each(['nft', 'legacy'])('%s: the host rules load beside their sets, and come first', (variant) => {
  const rules = buildAmbientHostRules();
  const { probeSets } = rules;
  const sets = `ipset create ${probeSets.v4} hash:ip family inet; ipset create ${probeSets.v6} hash:ip family inet6`;
  for (const ruleSet of families(rules)) expect(listed(ruleSet, variant, sets)).toEqual(foretold(ruleSet));
  const masquerade = `${sets}; iptables-${variant} -t nat -A POSTROUTING -j MASQUERADE`;
  const script = `${masquerade}; printf %s "$1" | iptables-${variant}-restore --noflush; iptables-${variant}-save -t nat`;
  const jumps = inNewNamespace(script, renderRestore(rules.v4)).match(/^-A POSTROUTING.*$/gm);
  expect(jumps).toEqual(['-A POSTROUTING -j ISTIO_POSTRT', '-A POSTROUTING -j MASQUERADE']);
});

test('nft: every option loads, twice with the same result', () => {
  for (const ipv6 of booleans)
    for (const options of CHOICES) {
      const script = renderNft(buildAmbientPodRules({ ...options, ipv6 }).nftables);
      const twice = inNewNamespace(
        'for i in 1 2; do printf %s "$1" | nft -f -; nft list ruleset; echo ======; done',
        script,
      );
      const [first, second] = twice.split('======\n');
      expect(second).toBe(first);
      expect(first?.match(/redirect to/g)?.length ?? 0).toBe(script.match(/redirect to/g)?.length ?? 0);
    }
});

test('nft: the host rules load beside their sets, twice, and leave the elements alone', () => {
  const { nftables, probeSets } = buildAmbientHostRules({ kubeletUid: 1000 });
  const sets = [
    'add table inet istio-ambient-nat',
    addSet(probeSets.v4, 'ipv4_addr'),
    addSet(probeSets.v6 ?? '', 'ipv6_addr'),
    `add element inet istio-ambient-nat ${probeSets.v4} { 10.0.0.1 }`,
  ].join('\n');
  const text = inNewNamespace(
    'printf %s "$1" | nft -f -; for i in 1 2; do printf %s "$2" | nft -f -; done; nft list ruleset',
    sets,
    renderNft(nftables),
  );
  expect(text).toContain('elements = { 10.0.0.1 }');
  expect(text).toContain('ip daddr @istio-inpod-probes-v4 counter packets 0 bytes 0 snat ip to 169.254.7.127');
  expect(text).toContain(
    'ip6 daddr @istio-inpod-probes-v6 counter packets 0 bytes 0 snat ip6 to fd16:9254:7127:1337:ffff:ffff:ffff:ffff',
  );
  expect(text.match(/skuid 1000/g)).toHaveLength(2);
});
