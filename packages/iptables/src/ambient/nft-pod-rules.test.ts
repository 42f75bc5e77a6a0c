import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildAmbientPodRules, renderNft } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

const golden = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../fixtures/reference/nftables', `${name}.golden`), 'utf8');

test.each([
  { name: 'default', options: { dns: true, ipv6: false } },
  { name: 'default_ipv6', options: { dns: true } },
  { name: 'dns_pod_disabled_and_on_globally', options: { ipv6: false } },
  { name: 'ingress', options: { ipv6: false, ingress: true } },
])('redirect, $name: the golden file of the reference', ({ name, options }) => {
  const probeSources = { v6: 'e9ac:1e77:90ca:399f:4d6d:ece2:2f9b:3164' };
  const { nftables } = buildAmbientPodRules({ capture: 'redirect', probeSources, ...options });
  expect(renderNft(nftables)).toBe(golden(name));
});

interface Choice {
  readonly dns: boolean;
  readonly ipv6: boolean;
  readonly ingress: boolean;
  readonly virtualInterfaces: readonly string[];
}

/** Rows of section 13; `twin` is the rule of IPv6 right after that of IPv4, `V` each virtual interface. */
interface Row {
  readonly row: number;
  readonly at: string;
  readonly when?: (choice: Choice) => boolean;
  readonly text: string | readonly string[];
  readonly twin?: string;
}

const dnsOn = ({ dns }: Choice) => dns;
const inbound = ({ ingress }: Choice) => !ingress;
const ROWS: readonly Row[] = [
  { row: 1, at: 'mangle prerouting', text: 'jump istio-prerouting' },
  { row: 2, at: 'mangle output', text: 'jump istio-output' },
  { row: 3, at: 'nat output', text: 'jump istio-output' },
  { row: 4, at: 'raw prerouting', when: dnsOn, text: 'jump istio-prerouting' },
  { row: 5, at: 'raw output', when: dnsOn, text: 'jump istio-output' },
  { row: 6, at: 'nat prerouting', text: 'jump istio-prerouting' },
  {
    row: 7,
    at: 'nat istio-prerouting',
    text: ['iifname V meta l4proto tcp counter redirect to :15001', 'iifname V meta l4proto tcp counter return'],
  },
  {
    row: 8,
    at: 'mangle istio-prerouting',
    text: 'meta mark & 0xfff == 0x539 counter ct mark set ct mark & 0xfffff000 |  0x111',
  },
  {
    row: 9,
    at: 'nat istio-prerouting',
    when: inbound,
    text: 'meta l4proto tcp ip saddr 10.9.8.7 counter accept',
    twin: 'meta l4proto tcp ip6 saddr fd00::9 counter accept',
  },
  {
    row: 10,
    at: 'nat istio-output',
    text: 'meta l4proto tcp ip daddr 10.9.8.7 counter accept',
    twin: 'meta l4proto tcp ip6 daddr fd00::9 counter accept',
  },
  {
    row: 11,
    at: 'nat istio-prerouting',
    when: inbound,
    text: 'ip daddr != 127.0.0.1/32 tcp dport != 15008 mark and 0xfff  != 0x539 counter redirect to :15006',
    twin: 'ip6 daddr != ::1/128 tcp dport != 15008 mark and 0xfff != 0x539 counter redirect to :15006',
  },
  { row: 12, at: 'mangle istio-output', text: 'ct mark and 0xfff == 0x111 counter meta mark set ct mark' },
  {
    row: 13,
    at: 'nat istio-output',
    when: dnsOn,
    text: 'oifname != lo mark and 0xfff != 0x539 udp dport 53 counter redirect to :15053',
  },
  {
    row: 14,
    at: 'nat istio-output',
    when: dnsOn,
    text: 'ip daddr != 127.0.0.1/32 tcp dport 53 mark and 0xfff != 0x539 counter redirect to :15053',
    twin: 'ip6 daddr != ::1/128 tcp dport 53 mark and 0xfff != 0x539 counter redirect to :15053',
  },
  {
    row: 15,
    at: 'raw istio-output',
    when: dnsOn,
    text: 'udp dport 53 meta mark and 0xfff == 0x539 counter ct zone set 1',
  },
  {
    row: 16,
    at: 'raw istio-prerouting',
    when: dnsOn,
    text: 'udp sport 53 meta mark and 0xfff != 0x539 counter ct zone set 1',
  },
  { row: 17, at: 'nat istio-output', text: 'meta l4proto tcp mark and 0xfff == 0x111 counter accept' },
  {
    row: 18,
    at: 'nat istio-output',
    text: 'oifname lo ip daddr != 127.0.0.1/32 counter accept',
    twin: 'oifname lo ip6 daddr != ::1/128 counter accept',
  },
  {
    row: 19,
    at: 'nat istio-output',
    text: 'meta l4proto tcp ip daddr != 127.0.0.1/32 mark and 0xfff != 0x539 counter redirect to :15001',
    twin: 'meta l4proto tcp ip6 daddr != ::1/128 mark and 0xfff != 0x539 counter redirect to :15001',
  },
];

const CHAINS = {
  nat: [
    'prerouting { type nat hook prerouting priority -100 ; }',
    'output { type nat hook output priority -100 ; }',
    'istio-prerouting',
    'istio-output',
  ],
  mangle: [
    'prerouting { type filter hook prerouting priority -150 ; }',
    'output { type route hook output priority -150 ; }',
    'istio-prerouting',
    'istio-output',
  ],
  raw: [
    'prerouting { type filter hook prerouting priority -300 ; }',
    'output { type filter hook output priority -300 ; }',
    'istio-prerouting',
    'istio-output',
  ],
};

function expectedScript(choice: Choice): string {
  return (['nat', 'mangle', 'raw'] as const)
    .filter((table) => table !== 'raw' || choice.dns)
    .flatMap((table) => [
      `add table inet istio-ambient-${table}`,
      `flush table inet istio-ambient-${table}`,
      ...CHAINS[table].map((chain) => `add chain inet istio-ambient-${table} ${chain}`),
      ...ROWS.filter(({ at, when }) => at.startsWith(`${table} `) && when?.(choice) !== false).flatMap(
        ({ at, text, twin }) => textsOf(choice, text, twin).map((line) => `add rule inet istio-ambient-${at} ${line}`),
      ),
    ])
    .map((line) => `${line}\n`)
    .join('');
}

function textsOf(choice: Choice, text: Row['text'], twin: string | undefined): readonly string[] {
  if (typeof text === 'string') return choice.ipv6 && twin !== undefined ? [text, twin] : [text];
  return choice.virtualInterfaces.flatMap((name) => text.map((line) => line.replace('V', name)));
}

const booleans = [false, true];
const CHOICES: readonly Choice[] = booleans.flatMap((dns) =>
  booleans.flatMap((ipv6) =>
    booleans.flatMap((ingress) =>
      [[], ['fake0'], ['virt1', 'br-lan.100']].map((virtualInterfaces) => ({ dns, ipv6, ingress, virtualInterfaces })),
    ),
  ),
);

test.each(CHOICES)('dns $dns, ipv6 $ipv6, ingress $ingress, interfaces $virtualInterfaces: the rows', (choice) => {
  const probeSources = { v4: '10.9.8.7', v6: 'FD00::0009' };
  const { nftables } = buildAmbientPodRules({ capture: 'redirect', probeSources, ...choice });
  expect(renderNft(nftables)).toBe(expectedScript(choice));
});

test.each([
  { name: 'tap+', written: '"tap*"' },
  { name: '0eth', written: '"0eth"' },
  { name: 'veth0@if3', written: '"veth0@if3"' },
  { name: 'vlan', written: '"vlan"' },
  { name: '_x.1-2', written: '_x.1-2' },
])('interface $name is $written in nft', ({ name, written }) => {
  const { nftables } = buildAmbientPodRules({ capture: 'redirect', virtualInterfaces: [name] });
  expect(renderNft(nftables)).toContain(` iifname ${written} meta l4proto tcp counter return\n`);
});
