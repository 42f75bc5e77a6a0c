import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { compile } from '../evaluation/policy-set.ts';
import type { Connection } from '../policy.ts';
import { buildAuthorizationPolicy } from '../testing/build-authorization-policy.ts';
import { readPolicy } from '../validation/read-policy.ts';
import { convertPolicies } from './convert-policies.ts';
import { findObjectProblems } from './find-object-problems.ts';
import type { PolicyRule, PolicyRuleCondition, PolicyRuleSource } from './policy-object.ts';
import { readPolicyObject } from './read-policy-object.ts';

const odd = fc.oneof(
  fc.constantFrom('*', '**', '', '/', '//', '10.0.0.0/8', '::/0', '65536', '080', 'a/b/c', '__proto__', 'constructor'),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const lists = (names: readonly string[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, fc.array(odd, { maxLength: 3 })])), { requiredKeys: [] });
const oddRule: fc.Arbitrary<PolicyRule> = fc.record(
  {
    from: fc.array(
      fc.record({ source: lists(['principals', 'notNamespaces', 'serviceAccounts', 'ipBlocks', 'remoteIpBlocks']) }),
      { maxLength: 2 },
    ),
    to: fc.array(fc.record({ operation: lists(['ports', 'notPorts', 'hosts']) }), { maxLength: 2 }),
    when: fc.array(
      fc.record({
        key: fc.oneof(fc.constantFrom('source.ip', 'destination.port', 'toString'), odd),
        values: fc.array(odd),
      }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);

test('odd values: nothing is thrown, what comes out is well formed, and objects read are as they were written', () => {
  const action = fc.constantFrom('ALLOW', 'DENY', 'AUDIT', 'CUSTOM');
  const labels = fc.dictionary(odd, odd, { maxKeys: 2 });
  fc.assert(
    fc.property(
      fc.array(oddRule, { maxLength: 3 }),
      action,
      fc.option(labels),
      labels,
      (rules, verb, selected, worn) => {
        const object = buildAuthorizationPolicy({
          action: verb,
          rules,
          ...(selected !== null && { selector: { matchLabels: selected } }),
        });
        expect(readPolicyObject(object)).toEqual(object);
        findObjectProblems(object);
        const { policies, policiesOf } = convertPolicies([object]);
        for (const policy of policies) expect(readPolicy(policy)).toEqual(policy);
        const wanted = Object.entries(selected ?? {});
        const selects =
          wanted.length > 0 && wanted.every(([name, value]) => Object.hasOwn(worn, name) && worn[name] === value);
        expect(policiesOf({ namespace: 'n', labels: worn })).toEqual(selects && policies.length > 0 ? ['n/p'] : []);
      },
    ),
    { numRuns: 300 },
  );
});

/** What an AuthorizationPolicy says of a connection, said once more and plainly, as the reference of the API has it. */
function ruleHolds({ from, to, when }: PolicyRule, connection: Connection): boolean {
  return (
    (from === undefined || from.some(({ source = {} }) => sourceHolds(source, connection))) &&
    (to === undefined ||
      to.some(({ operation = {} }) =>
        listHolds(operation.ports, operation.notPorts, (port) => Number(port) === connection.destinationPort),
      )) &&
    (when ?? []).every((condition) => conditionHolds(condition, connection))
  );
}

function sourceHolds(source: PolicyRuleSource, connection: Connection): boolean {
  const { identity } = connection;
  return (
    listHolds(source.principals, source.notPrincipals, (text) => isLike(text, principalOf(connection))) &&
    listHolds(source.namespaces, source.notNamespaces, (text) => isLike(text, identity?.namespace)) &&
    listHolds(
      source.serviceAccounts,
      source.notServiceAccounts,
      (text) =>
        identity !== undefined &&
        `${identity.namespace}/${identity.serviceAccount}` === (text.includes('/') ? text : `n/${text}`),
    ) &&
    listHolds(source.ipBlocks, source.notIpBlocks, (text) => isWithin(text, connection.sourceIp))
  );
}

function conditionHolds({ key, values, notValues }: PolicyRuleCondition, connection: Connection): boolean {
  return listHolds(values, notValues, (text) => {
    if (key === 'source.namespace') return isLike(text, connection.identity?.namespace);
    if (key === 'source.principal') return isLike(text, principalOf(connection));
    if (key === 'destination.port') return Number(text) === connection.destinationPort;
    return isWithin(text, key === 'source.ip' ? connection.sourceIp : connection.destinationIp);
  });
}

function listHolds(
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  matches: (text: string) => boolean,
): boolean {
  return (values === undefined || values.some(matches)) && !(notValues ?? []).some(matches);
}

function principalOf({ identity }: Connection): string | undefined {
  return identity && `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;
}

function isLike(pattern: string, text: string | undefined): boolean {
  if (text === undefined) return false;
  if (pattern === '*') return text !== '';
  return new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text);
}

function isWithin(range: string, ip: string): boolean {
  const [address = '', length] = range.split('/');
  const base = ipaddr.parse(address);
  const other = ipaddr.parse(ip);
  if (base.kind() !== other.kind()) return false;
  return other.match(base, length === undefined ? (base.kind() === 'ipv4' ? 32 : 128) : Number(length));
}

const some = (...texts: readonly string[]) => fc.array(fc.constantFrom(...texts), { minLength: 1, maxLength: 2 });
const PRINCIPALS = ['td/ns/a/sa/x', 'td/ns/b/sa/y', '*', '*/sa/x', 'td/ns/a/*', 'other'];
const NAMESPACES = ['a', 'b*', '*a', '*'];
const IPS = ['10.0.0.1', '10.0.0.0/24', '10.9.9.9/8', '::1', '2001:db8::/32', '0.0.0.0/0'];
const ports = some('80', '443', '08080');
const goodRule: fc.Arbitrary<PolicyRule> = fc.record(
  {
    from: fc.array(
      fc.record({
        source: fc
          .record(
            {
              principals: some(...PRINCIPALS),
              notPrincipals: some(...PRINCIPALS),
              namespaces: some(...NAMESPACES),
              notNamespaces: some(...NAMESPACES),
              serviceAccounts: some('x', 'a/x', 'b/y'),
              notServiceAccounts: some('x', 'a/x'),
              ipBlocks: some(...IPS),
              notIpBlocks: some(...IPS),
            },
            { requiredKeys: [] },
          )
          .filter((source) => Object.keys(source).length > 0),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    to: fc.array(fc.record({ operation: fc.oneof(fc.record({ ports }), fc.record({ notPorts: ports })) }), {
      minLength: 1,
      maxLength: 2,
    }),
    when: fc.array(
      fc.oneof(
        ...Object.entries({
          'source.ip': some(...IPS),
          'destination.ip': some(...IPS),
          'source.namespace': some(...NAMESPACES),
          'source.principal': some(...PRINCIPALS),
          'destination.port': ports,
        }).map(([key, values]) =>
          fc.oneof(
            fc.record({ key: fc.constant(key), values }),
            fc.record({ key: fc.constant(key), notValues: values }),
            fc.record({ key: fc.constant(key), values, notValues: values }),
          ),
        ),
      ),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);
const connection: fc.Arbitrary<Connection> = fc.record({
  identity: fc.option(
    fc.record({
      trustDomain: fc.constantFrom('td', 'other'),
      namespace: fc.constantFrom('a', 'b', 'n', 'ba'),
      serviceAccount: fc.constantFrom('x', 'y'),
    }),
    { nil: undefined },
  ),
  sourceIp: fc.constantFrom('10.0.0.1', '10.0.0.9', '10.1.1.1', '::1', '2001:db8::5', '192.168.0.1'),
  destinationIp: fc.constantFrom('10.0.0.1', '::1'),
  destinationPort: fc.constantFrom(80, 443, 8080, 1),
});

test('a connection passes as the objects say: DENY before ALLOW, and any rule suffices', () => {
  const target = { namespace: 'n', authorizationPolicies: [] };
  fc.assert(
    fc.property(
      fc.array(goodRule, { maxLength: 2 }),
      fc.option(fc.array(goodRule, { maxLength: 3 })),
      fc.array(connection, { minLength: 1, maxLength: 5 }),
      (denied, allowed, tried) => {
        // Without rules it would deny nothing, so it is refused.
        const objects = denied.length === 0 ? [] : [buildAuthorizationPolicy({ action: 'DENY', rules: denied })];
        if (allowed !== null) objects.push(buildAuthorizationPolicy({ rules: allowed }, { name: 'q' }));
        // Conversion takes service accounts beside principals, which the reference refuses.
        expect(
          objects
            .flatMap((object) => findObjectProblems(object))
            .filter(({ severity, path }) => severity === 'error' && !path.endsWith('erviceAccounts')),
        ).toEqual([]);
        const set = compile(convertPolicies(objects).policies);
        for (const each of tried) {
          const isDenied = denied.some((rule) => ruleHolds(rule, each));
          const isAllowed = allowed === null || allowed.some((rule) => ruleHolds(rule, each));
          expect(set.evaluate(each, target).allowed).toBe(isAllowed && !isDenied);
        }
      },
    ),
    { numRuns: 500 },
  );
});
