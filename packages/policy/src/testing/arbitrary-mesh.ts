import fc from 'fast-check';
import type { AddressRange, Connection, Match, Policy, StringMatch, TargetWorkload } from '../policy.ts';

const NAMESPACES = ['a', 'b', 'ab'];
const ACCOUNTS = ['x', 'y'];
const TRUST_DOMAINS = ['td', 'td2'];
const IPS = ['10.0.0.1', '10.0.0.2', '10.1.0.1', 'fd00::1', 'fd00::2', '::ffff:10.0.0.1'];
const PORTS = [80, 81];

const namespace = fc.constantFrom(...NAMESPACES);
const identity = fc.record({
  trustDomain: fc.constantFrom(...TRUST_DOMAINS),
  namespace,
  serviceAccount: fc.constantFrom(...ACCOUNTS),
});
const ip = fc.constantFrom(...IPS);

/** A connection that random policies of this file often match. */
export const arbitraryConnection: fc.Arbitrary<Connection> = fc.record({
  identity: fc.option(identity, { nil: undefined }),
  sourceIp: ip,
  destinationIp: ip,
  destinationPort: fc.constantFrom(...PORTS),
});

const principalText = identity.map((id) => `${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`);
const pattern = (text: fc.Arbitrary<string>): fc.Arbitrary<StringMatch> =>
  fc.oneof(
    { weight: 3, arbitrary: text.map((value): StringMatch => ({ kind: 'exact', value })) },
    fc.tuple(text, fc.nat(20)).map(([value, end]): StringMatch => ({ kind: 'prefix', value: value.slice(0, end) })),
    fc.tuple(text, fc.nat(20)).map(([value, start]): StringMatch => ({ kind: 'suffix', value: value.slice(start) })),
    fc.constant<StringMatch>({ kind: 'presence' }),
  );
const range: fc.Arbitrary<AddressRange> = fc.tuple(ip, fc.nat(128)).map(([address, length]) => ({
  address,
  length: address.includes(':') ? length : length % 33,
}));
const few = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> => fc.array(value, { maxLength: 2 });
const account = fc.record({ namespace, serviceAccount: fc.constantFrom(...ACCOUNTS) });
const port = fc.constantFrom(...PORTS);

const match: fc.Arbitrary<Match> = fc.oneof(
  fc.record({ principals: few(pattern(principalText)) }),
  fc.record(
    {
      namespaces: few(pattern(namespace)),
      notNamespaces: few(pattern(namespace)),
      principals: few(pattern(principalText)),
      notPrincipals: few(pattern(principalText)),
      serviceAccounts: few(account),
      notServiceAccounts: few(account),
      sourceIps: few(range),
      notSourceIps: few(range),
      destinationIps: few(range),
      notDestinationIps: few(range),
      destinationPorts: few(port),
      notDestinationPorts: few(port),
    },
    { requiredKeys: [] },
  ),
);

/** Policies of few names and values, so that they collide, apply to the same workloads and often match. */
export const arbitraryPolicies: fc.Arbitrary<Policy[]> = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('p', 'q', 'r'),
    namespace: fc.constantFrom('', ...NAMESPACES),
    scope: fc.constantFrom('Global', 'Namespace', 'WorkloadSelector'),
    action: fc.constantFrom('Allow', 'Deny'),
    dryRun: fc.boolean(),
    rules: few(few(few(match))),
  }),
  { maxLength: 6, selector: (policy) => `${policy.namespace}/${policy.name}` },
);

/** Names policies of this file, some of which may be missing. */
export const arbitraryWorkload: fc.Arbitrary<TargetWorkload> = fc.record({
  namespace,
  authorizationPolicies: fc.array(fc.constantFrom('a/p', 'a/q', 'b/p', '/p'), { maxLength: 2 }),
});
