import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildAmbientHostRules,
  buildListing,
  type RuleSet,
  renderNft,
  renderRestore,
  renderSave,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

const golden = (backend: string) =>
  readFileSync(join(import.meta.dirname, `../../fixtures/reference/${backend}/hostprobe.golden`), 'utf8');

test('the golden files of the reference', () => {
  const { v4, v6, nftables } = buildAmbientHostRules({ ipv6: false, kubeletUid: 1000 });
  expect(`iptables-save\nip6tables-save\n${renderRestore(v4)}`.trimEnd()).toBe(golden('iptables'));
  expect(v6).toBeUndefined();
  expect(renderNft(nftables)).toBe(golden('nftables'));
});

const expected = (set: string, address: string) => `* nat
-N ISTIO_POSTRT
-I POSTROUTING 1 -j ISTIO_POSTRT
-A ISTIO_POSTRT -m owner --socket-exists -p tcp -m set --match-set ${set} dst -j SNAT --to-source ${address}
COMMIT
`;

test('both families, other probe sources (3: H1 to H3; 13)', () => {
  const probeSources = { v4: '10.1.2.3', v6: 'FD00:0::1' };
  const { v4, v6, nftables } = buildAmbientHostRules({ probeSources, kubeletUid: 997 });
  expect(renderRestore(v4)).toBe(expected('istio-inpod-probes-v4', '10.1.2.3'));
  expect(renderRestore(v6 ?? EMPTY)).toBe(expected('istio-inpod-probes-v6', 'fd00::1'));
  expect(renderNft(nftables)).toBe(`add table inet istio-ambient-nat
flush table inet istio-ambient-nat
add chain inet istio-ambient-nat postrouting { type nat hook postrouting priority 100 ; }
add rule inet istio-ambient-nat postrouting meta l4proto tcp skuid 997 ip daddr @istio-inpod-probes-v4 counter snat to 10.1.2.3
add rule inet istio-ambient-nat postrouting meta l4proto tcp skuid 997 ip6 daddr @istio-inpod-probes-v6 counter snat to fd00::1
`);
});

const EMPTY: RuleSet = { family: 'ipv6', tables: [] };

test('the kernel lists the protocol first, and the jump without its position (5)', () => {
  expect(renderSave(buildListing(buildAmbientHostRules().v4), { counters: false })).toBe(`*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:ISTIO_POSTRT -
-A POSTROUTING -j ISTIO_POSTRT
-A ISTIO_POSTRT -p tcp -m owner --socket-exists -m set --match-set istio-inpod-probes-v4 dst -j SNAT --to-source 169.254.7.127
COMMIT
`);
});

test('the sets that must exist are named, and the host chain is owned', () => {
  const both = buildAmbientHostRules();
  expect(both.probeSets).toEqual({ v4: 'istio-inpod-probes-v4', v6: 'istio-inpod-probes-v6' });
  expect(buildAmbientHostRules({ ipv6: false }).probeSets).toEqual({ v4: 'istio-inpod-probes-v4' });
  expect(both.ownership).toEqual({
    chains: { nat: ['ISTIO_POSTRT'] },
    nftTables: [{ family: 'inet', name: 'istio-ambient-nat', keepSets: true }],
  });
  expect(both).not.toHaveProperty('routing');
  expect(renderNft(both.nftables)).toContain('skuid 0 ip daddr');
});

test.each([{ kubeletUid: -1 }, { kubeletUid: 1.5 }, { kubeletUid: Number.NaN }, { kubeletUid: 0xffff_ffff }])(
  '%o is refused',
  (options) => {
    expect(() => buildAmbientHostRules(options)).toThrow(expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' }));
  },
);

test.each([{ v4: '::1' }, { v4: '10.0.0.1; flush ruleset' }, { v6: '1.2.3.4' }, { v6: 'fe80::1%lo' }])(
  'probe source %o is refused',
  (probeSources) => {
    expect(() => buildAmbientHostRules({ probeSources })).toThrow(
      expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' }),
    );
  },
);
