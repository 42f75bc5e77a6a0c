import { renderMask } from '../core/mark.ts';
import type { NftChain, NftHook, NftRule, NftTable } from '../core/nft-script.ts';
import { NFT_TABLES } from './chain-names.ts';
import { PROXY_MARK, RETURN_MARK } from './marks.ts';
import { nftInterface } from './nft-interface.ts';
import type { PodCapture } from './pod-capture.ts';
import { CAPTURE_PORTS, DNS_PORT, DNS_ZONE } from './ports.ts';

type TableKey = keyof typeof NFT_TABLES;
type HookName = 'prerouting' | 'output';

interface NftRow extends NftRule {
  readonly table: TableKey;
}

interface Addresses {
  readonly v4: string;
  readonly v6?: string;
}

const INBOUND = 'istio-prerouting';
const OUTBOUND = 'istio-output';
const MASK = renderMask(PROXY_MARK.mask);
const PROXY = renderMask(PROXY_MARK.value);
const RETURN = renderMask(RETURN_MARK.value);
const NOT_FROM_PROXY = `mark and ${MASK} != ${PROXY}`;
/** Every bit of a connection mark but those of the return mark's mask. */
const OTHER_BITS = renderMask(~RETURN_MARK.mask >>> 0);

/** Base chains by table, in the order of declaration: the priorities of iptables' own tables. */
const HOOKS: { readonly [T in TableKey]: { readonly [H in HookName]: Pick<NftHook, 'type' | 'priority'> } } = {
  nat: { prerouting: { type: 'nat', priority: -100 }, output: { type: 'nat', priority: -100 } },
  // Of type route: a changed mark makes the kernel look for the route again.
  mangle: { prerouting: { type: 'filter', priority: -150 }, output: { type: 'route', priority: -150 } },
  raw: { prerouting: { type: 'filter', priority: -300 }, output: { type: 'filter', priority: -300 } },
};

/**
 * The `redirect` form in the words that the reference gives to nft, blank for blank (spec section 13), tables in its
 * order. A table without rules is left out.
 */
export function buildRedirectNft(capture: PodCapture, probes: Addresses): readonly NftTable[] {
  const rows = [...jumpRows(capture), ...inboundRows(capture, probes), ...outboundRows(capture, probes)];
  const order: readonly TableKey[] = ['nat', 'mangle', 'raw'];
  return order.flatMap((table) => {
    const rules = rows.filter((row) => row.table === table).map(({ chain, text }) => ({ chain, text }));
    return rules.length === 0
      ? []
      : [{ family: 'inet', name: NFT_TABLES[table], chains: usedChains(table, rules), rules } as const];
  });
}

/** Base chains, then regular ones, of which only those that hold a rule or are jumped to. */
function usedChains(table: TableKey, rules: readonly NftRule[]): readonly NftChain[] {
  const hooks: readonly HookName[] = ['prerouting', 'output'];
  const chains: readonly NftChain[] = [
    ...hooks.map((hook) => ({ name: hook, hook: { ...HOOKS[table][hook], hook } })),
    { name: INBOUND },
    { name: OUTBOUND },
  ];
  return chains.filter(({ name }) => rules.some(({ chain, text }) => chain === name || text === `jump ${name}`));
}

/** Rules 1 to 6. */
function jumpRows({ dns }: PodCapture): readonly NftRow[] {
  return [
    jump('mangle', 'prerouting'),
    jump('mangle', 'output'),
    jump('nat', 'output'),
    ...(dns ? [jump('raw', 'prerouting'), jump('raw', 'output')] : []),
    jump('nat', 'prerouting'),
  ];
}

function jump(table: TableKey, chain: HookName): NftRow {
  return { table, chain, text: `jump ${chain === 'output' ? OUTBOUND : INBOUND}` };
}

/** Rules 7 to 12; those of nat and mangle do not depend on each other's order. */
function inboundRows({ ingress, virtualInterfaces }: PodCapture, { v4, v6 }: Addresses): readonly NftRow[] {
  const nat = (text: string): NftRow => ({ table: 'nat', chain: INBOUND, text });
  const reroute = virtualInterfaces.flatMap((name) => [
    nat(`iifname ${nftInterface(name)} meta l4proto tcp counter redirect to :${CAPTURE_PORTS.outbound}`),
    nat(`iifname ${nftInterface(name)} meta l4proto tcp counter return`),
  ]);
  const passes = [nat(accept('ip saddr', v4)), ...(v6 === undefined ? [] : [nat(accept('ip6 saddr', v6))])];
  const answers: readonly NftRow[] = [
    { table: 'nat', chain: OUTBOUND, text: accept('ip daddr', v4) },
    ...(v6 === undefined ? [] : [{ table: 'nat', chain: OUTBOUND, text: accept('ip6 daddr', v6) } as const]),
  ];
  const port = `tcp dport != ${CAPTURE_PORTS.inboundHbone}`;
  const toPlaintext = `counter redirect to :${CAPTURE_PORTS.inboundPlaintext}`;
  const captures = [
    // Two blanks, in this family only.
    nat(`ip daddr != 127.0.0.1/32 ${port} mark and ${MASK}  != ${PROXY} ${toPlaintext}`),
    ...(v6 === undefined ? [] : [nat(`ip6 daddr != ::1/128 ${port} ${NOT_FROM_PROXY} ${toPlaintext}`)]),
  ];
  const setMark = `meta mark & ${MASK} == ${PROXY} counter ct mark set ct mark & ${OTHER_BITS} |  ${RETURN}`;
  const restoreMark = `ct mark and ${MASK} == ${RETURN} counter meta mark set ct mark`;
  return [
    ...reroute,
    { table: 'mangle', chain: INBOUND, text: setMark },
    ...(ingress ? [] : passes),
    ...answers,
    ...(ingress ? [] : captures),
    { table: 'mangle', chain: OUTBOUND, text: restoreMark },
  ];
}

function accept(match: string, address: string): string {
  return `meta l4proto tcp ${match} ${address} counter accept`;
}

/** Rules 13 to 19. */
function outboundRows({ dns }: PodCapture, { v6 }: Addresses): readonly NftRow[] {
  const nat = (text: string): NftRow => ({ table: 'nat', chain: OUTBOUND, text });
  const both = (render: (notLoopback: string) => string): readonly NftRow[] => [
    nat(render('ip daddr != 127.0.0.1/32')),
    ...(v6 === undefined ? [] : [nat(render('ip6 daddr != ::1/128'))]),
  ];
  const toDns = `counter redirect to :${CAPTURE_PORTS.dns}`;
  const zone = `counter ct zone set ${DNS_ZONE}`;
  const query = `udp dport ${DNS_PORT} meta mark and ${MASK} == ${PROXY} ${zone}`;
  const answer = `udp sport ${DNS_PORT} meta ${NOT_FROM_PROXY} ${zone}`;
  const dnsRows: readonly NftRow[] = [
    nat(`oifname != lo ${NOT_FROM_PROXY} udp dport ${DNS_PORT} ${toDns}`),
    ...both((notLoopback) => `${notLoopback} tcp dport ${DNS_PORT} ${NOT_FROM_PROXY} ${toDns}`),
    { table: 'raw', chain: OUTBOUND, text: query },
    { table: 'raw', chain: INBOUND, text: answer },
  ];
  return [
    ...(dns ? dnsRows : []),
    nat(`meta l4proto tcp mark and ${MASK} == ${RETURN} counter accept`),
    ...both((notLoopback) => `oifname lo ${notLoopback} counter accept`),
    ...both(
      (notLoopback) =>
        `meta l4proto tcp ${notLoopback} ${NOT_FROM_PROXY} counter redirect to :${CAPTURE_PORTS.outbound}`,
    ),
  ];
}
