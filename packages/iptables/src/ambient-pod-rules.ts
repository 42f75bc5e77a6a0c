import { isIP, SocketAddress } from 'node:net';
import { builtInChains, TABLE_NAMES } from './core/builtin-chains.ts';
import { FULL_MASK, type Mark } from './core/mark.ts';
import type {
  AddressMatch,
  Chain,
  Family,
  Match,
  RedirectTarget,
  Rule,
  RuleSet,
  Table,
  TableName,
} from './core/rule.ts';
import { buildTable } from './core/table.ts';
import { IptablesError } from './errors.ts';

/** Mark of every socket the node proxy opens in a pod's namespace. */
export const PROXY_MARK: Mark = { value: 0x539, mask: 0xfff };
/** Mark of connections from the proxy to the application, and of the packets answering them. */
export const RETURN_MARK: Mark = { value: 0x111, mask: 0xfff };
/** Ports of the node proxy inside of a pod's namespace. */
export const CAPTURE_PORTS = { outbound: 15_001, inboundPlaintext: 15_006, inboundHbone: 15_008, dns: 15_053 } as const;
/** Source addresses that host probes (kubelet) carry, so that they pass uncaptured. */
export const DEFAULT_PROBE_SOURCES = { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' } as const;

const DNS_PORT = 53;
/** Keeps the proxy's own queries apart from the application's in connection tracking. */
const DNS_ZONE = 1;

/** `fwmark` rule and the "everything is local" table it selects, the same in both families. */
export interface PolicyRouting {
  readonly mark: Mark;
  /** Priority of the rule; lower comes first. */
  readonly priority: number;
  /** Number of the routing table with `local default dev lo`. */
  readonly table: number;
}

/** Spec section 6: packets marked as answers to the proxy are delivered locally, whatever their destination. */
export const AMBIENT_POLICY_ROUTING: PolicyRouting = { mark: RETURN_MARK, priority: 32_764, table: 100 };

/** What to build; see {@link buildAmbientPodRules}. */
export interface AmbientPodOptions {
  /** `tproxy`: inbound by TPROXY in mangle, outbound by REDIRECT in nat. */
  readonly capture: 'tproxy';
  /** Redirect port 53 (UDP and TCP) to the proxy. Default false. */
  readonly dns?: boolean;
  /** Build the IPv6 half. Default true. */
  readonly ipv6?: boolean;
  /** Addresses that host probes come from; {@link DEFAULT_PROBE_SOURCES} where absent. */
  readonly probeSources?: { readonly v4?: string; readonly v6?: string };
}

/** Everything a pod's namespace needs for the capture of its traffic, as data. */
export interface AmbientRules {
  readonly v4: RuleSet;
  /** Absent when built with `ipv6: false`. */
  readonly v6?: RuleSet;
  readonly routing: PolicyRouting;
}

/**
 * Builds the rules of an ambient pod: for `tproxy` the listing of Istio's documentation on traffic redirection. With
 * `dns` they gain the DNS rules of the first release that had them complete (1.24, where this form was still
 * selectable): earlier ones sent the proxy's own queries back to the proxy.
 * Throws `IPTABLES_RULE_INVALID` for a probe source that is no address of its family.
 */
export function buildAmbientPodRules(options: AmbientPodOptions): AmbientRules {
  const dns = options.dns ?? false;
  const v4 = buildFamily('ipv4', options.probeSources?.v4 ?? DEFAULT_PROBE_SOURCES.v4, dns);
  if (options.ipv6 === false) return { v4, routing: AMBIENT_POLICY_ROUTING };
  const v6 = buildFamily('ipv6', options.probeSources?.v6 ?? DEFAULT_PROBE_SOURCES.v6, dns);
  return { v4, v6, routing: AMBIENT_POLICY_ROUTING };
}

interface FamilyAddresses {
  readonly probe: string;
  readonly any: string;
  readonly loopback: Pick<AddressMatch, 'address' | 'prefixLength'>;
}

const TCP: Match = { match: 'protocol', protocol: 'tcp' };
const UDP: Match = { match: 'protocol', protocol: 'udp' };
const FROM_PROXY: Match = { match: 'mark', mark: PROXY_MARK };
const NOT_FROM_PROXY: Match = { match: 'mark', mark: PROXY_MARK, negated: true };
const INBOUND = 'ISTIO_PRERT';
const OUTBOUND = 'ISTIO_OUTPUT';

function buildFamily(family: Family, probeSource: string, dns: boolean): RuleSet {
  const ipv4 = family === 'ipv4';
  const addresses: FamilyAddresses = {
    probe: canonicalAddress(family, probeSource),
    any: ipv4 ? '0.0.0.0' : '::',
    loopback: ipv4 ? { address: '127.0.0.1', prefixLength: 32 } : { address: '::1', prefixLength: 128 },
  };
  const tables: Table[] = [
    declared('mangle', buildMangle(addresses)),
    declared('nat', buildNat(addresses, dns)),
    ...(dns ? [declared('raw', buildRaw())] : []),
  ];
  return { family, tables };
}

/** The proxy's own connections are recognised first, before any rule accepts them. */
function buildMangle({ probe, any, loopback }: FamilyAddresses): readonly Rule<'mangle'>[] {
  const notLoopback: Match = { match: 'destination', ...loopback, negated: true };
  const { inboundHbone, inboundPlaintext } = CAPTURE_PORTS;
  const capture = (onPort: number) => ({ target: 'TPROXY', onPort, onIp: any, mark: RETURN_MARK }) as const;
  const hbonePort: Match = { match: 'tcp', destinationPort: { first: inboundHbone }, implicit: true };
  const known: Match = { match: 'conntrack', states: ['RELATED', 'ESTABLISHED'] };
  const accept = { target: 'ACCEPT' } as const;
  return [
    { chain: 'PREROUTING', matches: [], target: { target: 'jump', chain: INBOUND } },
    { chain: 'OUTPUT', matches: [], target: { target: 'jump', chain: OUTBOUND } },
    {
      chain: INBOUND,
      matches: [FROM_PROXY],
      target: { target: 'CONNMARK', operation: 'set-xmark', mark: RETURN_MARK },
    },
    { chain: INBOUND, matches: [{ match: 'source', address: probe }, TCP, { match: 'tcp' }], target: accept },
    { chain: INBOUND, matches: [notLoopback, { match: 'in-interface', name: 'lo' }, TCP], target: accept },
    { chain: INBOUND, matches: [TCP, hbonePort, NOT_FROM_PROXY], target: capture(inboundHbone) },
    { chain: INBOUND, matches: [TCP, known], target: accept },
    { chain: INBOUND, matches: [notLoopback, TCP, NOT_FROM_PROXY], target: capture(inboundPlaintext) },
    {
      chain: OUTBOUND,
      matches: [{ match: 'connmark', mark: RETURN_MARK }],
      target: { target: 'CONNMARK', operation: 'restore-mark', nfmask: FULL_MASK, ctmask: FULL_MASK },
    },
  ];
}

function buildNat({ probe, loopback }: FamilyAddresses, dns: boolean): readonly Rule<'nat'>[] {
  const notLoopback: Match = { match: 'destination', ...loopback, negated: true };
  const port53 = { destinationPort: { first: DNS_PORT } } as const;
  const accept = { target: 'ACCEPT' } as const;
  const dnsRules: readonly Rule<'nat'>[] = [
    {
      chain: OUTBOUND,
      matches: [
        { match: 'out-interface', name: 'lo', negated: true },
        UDP,
        NOT_FROM_PROXY,
        { match: 'udp', ...port53 },
      ],
      target: { ...redirect(CAPTURE_PORTS.dns), abbreviated: true },
    },
    {
      chain: OUTBOUND,
      matches: [notLoopback, TCP, { match: 'tcp', ...port53, implicit: true }, NOT_FROM_PROXY],
      target: redirect(CAPTURE_PORTS.dns),
    },
  ];
  return [
    { chain: 'OUTPUT', matches: [], target: { target: 'jump', chain: OUTBOUND } },
    { chain: OUTBOUND, matches: [{ match: 'destination', address: probe }, TCP, { match: 'tcp' }], target: accept },
    ...(dns ? dnsRules : []),
    { chain: OUTBOUND, matches: [TCP, { match: 'mark', mark: RETURN_MARK }], target: accept },
    { chain: OUTBOUND, matches: [notLoopback, { match: 'out-interface', name: 'lo' }], target: accept },
    { chain: OUTBOUND, matches: [notLoopback, TCP, NOT_FROM_PROXY], target: redirect(CAPTURE_PORTS.outbound) },
  ];
}

function redirect(first: number): RedirectTarget {
  return { target: 'REDIRECT', toPorts: { first } };
}

function buildRaw(): readonly Rule<'raw'>[] {
  const zone = { target: 'CT', zone: DNS_ZONE } as const;
  const queries: Match = { match: 'udp', destinationPort: { first: DNS_PORT } };
  const answers: Match = { match: 'udp', sourcePort: { first: DNS_PORT } };
  return [
    { chain: 'PREROUTING', matches: [], target: { target: 'jump', chain: INBOUND } },
    { chain: 'OUTPUT', matches: [], target: { target: 'jump', chain: OUTBOUND } },
    { chain: OUTBOUND, matches: [UDP, FROM_PROXY, queries], target: zone },
    { chain: INBOUND, matches: [UDP, NOT_FROM_PROXY, answers], target: zone },
  ];
}

function declared(name: TableName, rules: readonly Rule[]): Table {
  return buildTable(name, declareChains(rules), rules);
}

/** The order of the reference (spec section 4): chains as rules in them are met, then jump targets not yet declared. */
function declareChains(rules: readonly Rule[]): readonly Chain[] {
  const builtIn = new Set(TABLE_NAMES.flatMap((name) => builtInChains(name)));
  const targets = rules.map(({ target }) => (target?.target === 'jump' ? target.chain : undefined));
  const names = new Set([...rules.map(({ chain }) => chain), ...targets.filter((name) => name !== undefined)]);
  return [...names].filter((name) => !builtIn.has(name)).map((name) => ({ name }));
}

/** The kernel lists addresses in one spelling only; comparing needs the same. */
function canonicalAddress(family: Family, address: string): string {
  const version = family === 'ipv4' ? 4 : 6;
  if (isIP(address) !== version || address.includes('%'))
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `probe source ${JSON.stringify(address)}: want an ${family} address`,
    );
  return new SocketAddress({ address, family }).address;
}
