import fc from 'fast-check';
import { CONNECTION_STATES } from '../core/connection-state.ts';
import { TCP_FLAGS } from '../core/matches/transport.ts';
import type { AddressType, Family, Match, PortRange, Rule, TableName, Target } from '../core/rule.ts';

/** Names of ipsets that rules of {@link arbitraryRule} look into: one of `hash:ip,port` for each family. */
export const SET_NAMES = { ipv4: 'set-v4', ipv6: 'set-v6' } as const;

/** The chain that rules of {@link arbitraryRule} lead to. */
export const USER_CHAIN = 'MINE';

const ADDRESS_TYPES: readonly AddressType[] = ['UNSPEC', 'UNREACHABLE', 'LOCAL', 'UNICAST', 'MULTICAST', 'ANYCAST'];
const port = fc.integer({ min: 0, max: 65_535 });
const range: fc.Arbitrary<PortRange> = fc.oneof(
  port.map((first) => ({ first })),
  fc
    .tuple(port, port)
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
);
const ports = fc
  .tuple(range, fc.boolean())
  .filter(([{ first, last }, negated]) => !(negated && first === 0 && last === 65_535))
  .map(([some, negated]) => (negated ? { ...some, negated: true as const } : some));
const bits = fc.integer({ min: 0, max: 0xffff_ffff });
const mark = fc.record({ value: bits, mask: fc.oneof(bits, fc.constant(0xffff_ffff)) });
const interfaceName = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,13}\+?$/);

/** Text in one line that a comment can hold, as people may write it. */
export const arbitraryText = fc
  .oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.constantFrom('-j', '!', '--x'),
  )
  .filter((text) => text !== '' && !/[\n\r\0]/.test(text));

/** An address in any spelling that is read. */
export function arbitraryAddress(family: Family): fc.Arbitrary<string> {
  if (family === 'ipv4') return fc.ipV4();
  const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff }));
  const groups = fc.array(group, { minLength: 8, maxLength: 8 });
  return fc.oneof(
    fc.ipV6().filter((text) => !text.includes('%')),
    groups.map((numbers) => numbers.map((number) => number.toString(16).toUpperCase()).join(':')),
  );
}

/** A rule that the kernel takes in the chain, if {@link SET_NAMES} exist; in any spelling, the listed or another. */
export function arbitraryRule(family: Family, table: TableName, chain: string): fc.Arbitrary<Rule> {
  const protocols = ['tcp', 'udp', 'sctp', family === 'ipv4' ? 'icmp' : 'ipv6-icmp', '47', '6', undefined] as const;
  return fc.constantFrom(...protocols).chain((protocol) => {
    const name = protocol === '6' ? 'tcp' : protocol;
    return fc
      .record({
        core: coreMatches(family, chain),
        others: fc.uniqueArray(otherMatch(family, { chain, protocol: name }), {
          maxLength: 4,
          selector: ({ match }) => match,
        }),
        target: arbitraryTarget(family, { table, chain, protocol: name }),
        swapped: fc.boolean(),
      })
      .map(({ core, others, target, swapped }) => {
        const spelled: readonly Match[] = protocol === undefined ? [] : [{ match: 'protocol', protocol }];
        // Ports without -m behind a multiport would be taken for its own.
        const last = others.toSorted((a, b) => Number(a.match === 'multiport') - Number(b.match === 'multiport'));
        const matches = swapped ? [...spelled, ...last, ...core] : [...core, ...spelled, ...last];
        return target === undefined ? { chain, matches } : { chain, matches, target };
      });
  });
}

interface Place {
  readonly table: TableName;
  readonly chain: string;
  readonly protocol: string | undefined;
}

function negatable<M extends Match>(match: fc.Arbitrary<M>): fc.Arbitrary<Match> {
  return fc.tuple(match, fc.boolean()).map(([some, negated]) => (negated ? { ...some, negated: true } : some));
}

function coreMatches(family: Family, chain: string): fc.Arbitrary<readonly Match[]> {
  const length = family === 'ipv4' ? 32 : 128;
  const address = (match: 'source' | 'destination') =>
    fc.oneof(
      negatable(fc.record({ match: fc.constant(match), address: arbitraryAddress(family) })),
      negatable(
        fc.record({
          match: fc.constant(match),
          address: arbitraryAddress(family),
          prefixLength: fc.integer({ min: 1, max: length }),
        }),
      ),
      fc.constant<Match>({ match, address: family === 'ipv4' ? '1.2.3.4' : '::1', prefixLength: 0 }),
    );
  const choices = [address('source'), address('destination')];
  if (chain !== 'OUTPUT' && chain !== 'POSTROUTING') choices.push(interfaces('in-interface'));
  if (chain !== 'INPUT' && chain !== 'PREROUTING') choices.push(interfaces('out-interface'));
  return fc.uniqueArray(fc.oneof(...choices), { maxLength: 3, selector: ({ match }) => match });
}

function otherMatch(family: Family, { chain, protocol }: Omit<Place, 'table'>): fc.Arbitrary<Match> {
  const choices: fc.Arbitrary<Match>[] = [
    fc.constantFrom('mark', 'connmark').chain((match) => negatable(mark.map((value) => ({ match, mark: value })))),
    negatable(subset(CONNECTION_STATES).map((states) => ({ match: 'conntrack', states }))),
    arbitraryText.filter((text) => Buffer.byteLength(text) < 256).map((text): Match => ({ match: 'comment', text })),
    fc
      .record({
        side: fc.constantFrom('source', 'destination'),
        types: subset([
          ...ADDRESS_TYPES,
          ...(family === 'ipv4' ? (['BROADCAST', 'BLACKHOLE', 'PROHIBIT'] as const) : []),
        ]),
      })
      .chain((fields) => negatable(fc.constant({ match: 'addrtype', ...fields }))),
    fc.record({
      match: fc.constant('limit'),
      packets: fc.integer({ min: 30, max: 10_000 }),
      per: fc.constantFrom('sec', 'min', 'hour'),
      burst: fc.integer({ min: 1, max: 100 }),
    }),
    negatable(
      fc
        .double({ min: 0, max: 1, noNaN: true })
        .map((share) => ({ match: 'statistic', mode: 'random', probability: Number(share.toFixed(11)) })),
    ),
    negatable(
      fc
        .tuple(fc.integer({ min: 1, max: 0xffff_ffff }), bits)
        .map(([every, packet]) => ({ match: 'statistic', mode: 'nth', every, packet: packet % every })),
    ),
    negatable(
      fc.constantFrom<readonly ('src' | 'dst')[]>(['src'], ['dst', 'dst']).map((directions) => {
        return { match: 'set', set: SET_NAMES[family], directions };
      }),
    ),
  ];
  choices.push(...protocolMatches(protocol));
  if (chain === 'OUTPUT' || chain === 'POSTROUTING') choices.push(owner());
  return fc.oneof(...choices);
}

function interfaces(match: 'in-interface' | 'out-interface'): fc.Arbitrary<Match> {
  return negatable(fc.record({ match: fc.constant(match), name: interfaceName }));
}

function subset<T>(values: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...values], { minLength: 1 });
}

function owner(): fc.Arbitrary<Match> {
  const id = fc.integer({ min: 0, max: 0xffff_fffe });
  const ids = fc.tuple(id, id, fc.boolean()).map(([a, b, single]) => {
    return single ? { first: a } : { first: Math.min(a, b), last: Math.max(a, b) };
  });
  return fc.oneof(
    negatable(fc.constant({ match: 'owner', by: 'socket-exists' } as const)),
    fc
      .tuple(fc.constantFrom('user', 'group'), ids)
      .chain(([by, some]) => negatable(fc.constant({ match: 'owner', by, ...some } as const))),
  );
}

function protocolMatches(protocol: string | undefined): readonly fc.Arbitrary<Match>[] {
  if (protocol === 'icmp' || protocol === 'ipv6-icmp') {
    const octet = fc.integer({ min: 0, max: 255 });
    const match = protocol === 'icmp' ? 'icmp' : 'icmp6';
    return [
      negatable(octet.map((type) => ({ match, type }))),
      negatable(fc.tuple(octet, octet).map(([type, code]) => ({ match, type, code }))),
    ];
  }
  if (protocol !== 'tcp' && protocol !== 'udp') return [];
  const multiport = fc
    .record({
      side: fc.constantFrom('source', 'destination', 'either'),
      ports: fc.array(range, { minLength: 1, maxLength: 7 }),
    })
    .chain((fields) => negatable(fc.constant({ match: 'multiport', ...fields } as const)));
  const flags = fc.shuffledSubarray([...TCP_FLAGS], { minLength: 1 }).chain((examined) =>
    fc.tuple(fc.shuffledSubarray(examined), fc.boolean()).map(([set, negated]) => {
      return negated ? { examined, set, negated: true as const } : { examined, set };
    }),
  );
  const transport = fc
    .record(
      { sourcePort: ports, destinationPort: ports, ...(protocol === 'tcp' ? { flags } : {}) },
      { requiredKeys: [] },
    )
    .map((fields): Match => ({ match: protocol, ...fields }));
  const implicit = ports.map((destinationPort): Match => ({ match: protocol, destinationPort, implicit: true }));
  return [multiport, transport, transport, implicit];
}

function arbitraryTarget(family: Family, { table, chain, protocol }: Place): fc.Arbitrary<Target | undefined> {
  const targets: fc.Arbitrary<Target | undefined>[] = [
    fc.constantFrom<Target | undefined>({ target: 'ACCEPT' }, { target: 'RETURN' }, undefined),
    mark.map((value) => ({ target: 'MARK', mark: value })),
    mark.map((value) => ({ target: 'CONNMARK', operation: 'set-xmark', mark: value })),
    fc.tuple(fc.constantFrom('save-mark', 'restore-mark'), bits, bits).map(([operation, nfmask, ctmask]) => {
      return { target: 'CONNMARK', operation, nfmask, ctmask };
    }),
    fc
      .record(
        {
          prefix: fc.string({ minLength: 1, maxLength: 29 }).filter((text) => text !== '!'),
          level: fc.integer({ min: 0, max: 7 }),
        },
        { requiredKeys: [] },
      )
      .map((fields) => ({ target: 'LOG', ...fields })),
  ];
  if (chain !== USER_CHAIN)
    targets.push(fc.constantFrom<Target>({ target: 'jump', chain: USER_CHAIN }, { target: 'goto', chain: USER_CHAIN }));
  if (table === 'filter') targets.push(rejectTarget(family, protocol));
  if (table === 'nat' && chain !== USER_CHAIN)
    targets.push(natTarget(family, chain, ['tcp', 'udp', 'sctp', 'icmp'].includes(protocol ?? '')));
  if (table === 'raw')
    targets.push(
      fc.integer({ min: 0, max: 65_535 }).map((zone) => ({ target: 'CT', zone })),
      fc.constant({ target: 'CT', zone: 'none' }),
    );
  if (table === 'mangle' && chain === 'PREROUTING' && (protocol === 'tcp' || protocol === 'udp'))
    targets.push(fc.record({ target: fc.constant('TPROXY'), onPort: port, onIp: arbitraryAddress(family), mark }));
  return fc.oneof(...targets);
}

function rejectTarget(family: Family, protocol: string | undefined): fc.Arbitrary<Target> {
  const names =
    family === 'ipv4'
      ? ['icmp-port-unreachable', 'icmp-host-prohibited', 'admin-prohib', 'port-unreach']
      : ['icmp6-port-unreachable', 'icmp6-adm-prohibited', 'no-route'];
  if (protocol === 'tcp') names.push('tcp-reset');
  return fc.oneof(
    fc.constant<Target>({ target: 'REJECT' }),
    fc.constantFrom(...names).map((name): Target => ({ target: 'REJECT', with: name })),
  );
}

function natTarget(family: Family, chain: string, withPorts: boolean): fc.Arbitrary<Target> {
  const place = fc.record(
    { address: arbitraryAddress(family), ...(withPorts ? { ports: range } : {}) },
    { requiredKeys: ['address'] },
  );
  const snat = place.map((fields): Target => ({ target: 'SNAT', ...fields }));
  if (chain === 'INPUT') return snat;
  if (chain === 'POSTROUTING')
    return fc.oneof(
      snat,
      fc
        .record(
          { random: fc.constantFrom('ports', 'fully'), ...(withPorts ? { ports: range } : {}) },
          { requiredKeys: [] },
        )
        .map((fields): Target => ({ target: 'MASQUERADE', ...fields })),
    );
  const dnat = place.map((fields): Target => ({ target: 'DNAT', ...fields }));
  return withPorts
    ? fc.oneof(
        dnat,
        range.map((toPorts): Target => ({ target: 'REDIRECT', toPorts })),
      )
    : dnat;
}
