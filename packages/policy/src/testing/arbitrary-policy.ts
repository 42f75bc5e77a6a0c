import fc from 'fast-check';
import type { AddressRange, Match, Policy, StringMatch } from '../policy.ts';

const text = fc.oneof(
  fc.constantFrom('', 'default', 'spiffe://x', 'cluster.local/ns/a/sa/b', '__proto__'),
  fc.string({ maxLength: 8 }),
);
const pattern: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.record({ kind: fc.constantFrom('exact', 'prefix', 'suffix'), value: text }),
  fc.constant({ kind: 'presence' } as const),
);
const range: fc.Arbitrary<AddressRange> = fc.oneof(
  fc.record({ address: fc.ipV4(), length: fc.nat(32) }),
  fc.record({
    address: fc.oneof(fc.ipV6(), fc.constantFrom('::', '::ffff:10.0.0.1', '::1', '1::')),
    length: fc.nat(128),
  }),
);
const account = fc.record({ namespace: text, serviceAccount: text });
const port = fc.nat(65_535);
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(value, { minLength: 1, maxLength: 3 });

/** Matches without empty lists: a policy that has been read has none. */
const match: fc.Arbitrary<Match> = fc.record(
  {
    namespaces: some(pattern),
    notNamespaces: some(pattern),
    principals: some(pattern),
    notPrincipals: some(pattern),
    sourceIps: some(range),
    notSourceIps: some(range),
    destinationIps: some(range),
    notDestinationIps: some(range),
    destinationPorts: some(port),
    notDestinationPorts: some(port),
    serviceAccounts: some(account),
    notServiceAccounts: some(account),
  },
  { requiredKeys: [] },
);
const list = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(value, { maxLength: 3 });

/** Any policy that is valid, without `source`. */
export const arbitraryPolicy: fc.Arbitrary<Policy> = fc.record({
  name: text.map((name) => name || 'p'),
  namespace: text,
  scope: fc.constantFrom('Global', 'Namespace', 'WorkloadSelector'),
  action: fc.constantFrom('Allow', 'Deny'),
  dryRun: fc.boolean(),
  rules: list(list(list(match))),
});
