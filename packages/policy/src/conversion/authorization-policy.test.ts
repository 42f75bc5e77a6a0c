import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { compile } from '../evaluation/policy-set.ts';
import type { Connection } from '../policy.ts';
import { readPolicy } from '../validation/read-policy.ts';
import { convertAuthorizationPolicy } from './convert-authorization-policy.ts';
import { convertPolicies } from './convert-policies.ts';
import { findObjectProblems } from './find-object-problems.ts';
import type { AuthorizationPolicy, PolicyRule, PolicyRuleCondition, PolicyRuleSource } from './policy-object.ts';
import { readPolicyObject } from './read-policy-object.ts';
import { readAddressRange, readPort, readServiceAccount, readStringMatch } from './read-values.ts';

const build = (
  spec: AuthorizationPolicy['spec'],
  metadata: Partial<AuthorizationPolicy['metadata']> = {},
): AuthorizationPolicy => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'p', namespace: 'n', ...metadata },
  ...(spec !== undefined && { spec }),
});

test.each([
  { text: 'a', match: { kind: 'exact', value: 'a' } },
  { text: '', match: { kind: 'exact', value: '' } },
  { text: '*', match: { kind: 'presence' } },
  { text: '*a', match: { kind: 'suffix', value: 'a' } },
  { text: 'a*', match: { kind: 'prefix', value: 'a' } },
  { text: '*a*', match: { kind: 'suffix', value: 'a*' } },
  { text: '**', match: { kind: 'suffix', value: '*' } },
  { text: 'a*b', match: { kind: 'exact', value: 'a*b' } },
  { text: 'spiffe://td/ns/a/sa/b', match: { kind: 'exact', value: 'spiffe://td/ns/a/sa/b' } },
])('the pattern $text', ({ text, match }) => {
  expect(readStringMatch(text)).toEqual(match);
});

test.each([
  { text: '0', port: 0 },
  { text: '65535', port: 65_535 },
  { text: '0080', port: 80 },
  { text: '65536', port: undefined },
  { text: '-1', port: undefined },
  { text: '+1', port: undefined },
  { text: ' 80', port: undefined },
  { text: '80.0', port: undefined },
  { text: '1e3', port: undefined },
  { text: '0x50', port: undefined },
  { text: '', port: undefined },
  { text: '٨', port: undefined },
])('the port "$text"', ({ text, port }) => {
  expect(readPort(text)).toBe(port);
});

test.each([
  { text: '10.0.0.1', range: { address: '10.0.0.1', length: 32 } },
  { text: '10.0.0.5/8', range: { address: '10.0.0.5', length: 8 } },
  { text: '10.0.0.5/0', range: { address: '10.0.0.5', length: 0 } },
  { text: '::1', range: { address: '::1', length: 128 } },
  { text: '2001:db8::/32', range: { address: '2001:db8::', length: 32 } },
  { text: '::ffff:10.0.0.1', range: { address: '::ffff:10.0.0.1', length: 128 } },
  { text: 'fe80::1%eth0', range: { address: 'fe80::1', length: 128 } },
  { text: 'fe80::1%eth0/64', range: undefined },
  { text: 'fe80::1%', range: undefined },
  { text: '10.0.0.1%eth0', range: undefined },
  { text: '10.0.0.0/33', range: undefined },
  { text: '::/129', range: undefined },
  { text: '10.0.0.0/08', range: undefined },
  { text: '10.0.0.0/+8', range: undefined },
  { text: '10.0.0.0/', range: undefined },
  { text: '/8', range: undefined },
  { text: '10.0.0.0/8/8', range: undefined },
  { text: '010.0.0.1', range: undefined },
  { text: '10.0.0', range: undefined },
  { text: '', range: undefined },
  { text: 'bad', range: undefined },
])('the range "$text"', ({ text, range }) => {
  expect(readAddressRange(text)).toEqual(range);
});

test('an account without a namespace is of the namespace of the policy', () => {
  expect(readServiceAccount('a', 'n')).toEqual({ namespace: 'n', serviceAccount: 'a' });
  expect(readServiceAccount('m/a/b', 'n')).toEqual({ namespace: 'm', serviceAccount: 'a/b' });
});

test.each([
  { annotation: 'true', dryRun: true },
  { annotation: '1', dryRun: true },
  { annotation: 'T', dryRun: true },
  { annotation: 'false', dryRun: false },
  { annotation: '', dryRun: false },
  // Go's ParseBool takes neither, and then the reference enforces the policy.
  { annotation: 'yes', dryRun: false },
  { annotation: 'tRUE', dryRun: false },
])('dry-run "$annotation"', ({ annotation, dryRun }) => {
  const object = build({ rules: [{}] }, { annotations: { 'istio.io/dry-run': annotation } });
  const sent = convertAuthorizationPolicy(object, { dryRun: true });
  expect(sent.policy?.dryRun).toBe(dryRun);
  expect(sent.status?.accepted).toBe(true);
  const { policy, status } = convertAuthorizationPolicy(object);
  expect(policy === undefined).toBe(dryRun);
  if (dryRun)
    expect(status).toEqual({
      kind: 'AuthorizationPolicy',
      object: 'n/p',
      accepted: false,
      reason: 'UnsupportedValue',
      message:
        'found policy "n/p" using dry-run annotation, but support for ambient dry-run authorizationPolicies isn\'t enabled',
      observedGeneration: undefined,
    });
});

test('what is for a waypoint has no status here, unless it is a dry run: that is looked at first', () => {
  const targetRefs = [{ kind: 'Gateway', name: 'w' }];
  for (const spec of [{ targetRefs, action: 'AUDIT' as const }, { targetRef: { kind: 'Gateway', name: 'w' } }])
    expect(convertAuthorizationPolicy(build(spec))).toEqual({ policy: undefined, status: undefined });
  const dryRun = build({ targetRefs }, { annotations: { 'istio.io/dry-run': 'true' } });
  expect(convertAuthorizationPolicy(dryRun).status?.reason).toBe('UnsupportedValue');
});

test.each(['CUSTOM', 'AUDIT'] as const)('%s is not sent', (action) => {
  const { policy, status } = convertAuthorizationPolicy(build({ action, rules: [{}] }, { generation: 4 }));
  expect(policy).toBeUndefined();
  expect(status).toMatchObject({
    accepted: false,
    reason: 'UnsupportedValue',
    message: `ztunnel does not support the ${action} action`,
    observedGeneration: 4,
  });
});

test('the source says which rules stayed, and which attributes went', () => {
  const http = { to: [{ operation: { methods: ['GET'], paths: ['/'] } }] };
  const rules: readonly PolicyRule[] = [
    {},
    http,
    { from: [{ source: { namespaces: ['a'], trustDomains: ['b'] } }] },
    {},
  ];
  const gone = [
    { rule: 1, attributes: ['methods', 'paths'] },
    { rule: 2, attributes: ['trustDomains'] },
  ];
  const head = { kind: 'AuthorizationPolicy', object: 'n/p' };
  const allow = convertAuthorizationPolicy(build({ rules }));
  expect(allow.policy?.source).toEqual({ ...head, rules: [0, 3], omitted: gone, ignored: [] });
  expect(allow.status?.message).toContain('(found: methods, paths, trustDomains)');
  const deny = convertAuthorizationPolicy(build({ action: 'DENY', rules })).policy;
  expect(deny?.source).toEqual({ ...head, rules: [0, 1, 2, 3], omitted: [], ignored: gone });
  expect(deny?.rules).toEqual([[], [[{}]], [[{ namespaces: [{ kind: 'exact', value: 'a' }] }]], []]);
});

test('attributes are sorted, each once', () => {
  const operation = { methods: ['GET'], notHosts: ['h'] };
  const when = [
    { key: 'connection.sni', values: ['x'] },
    { key: 'remote.ip', values: ['10.0.0.1'] },
  ];
  const { policy } = convertAuthorizationPolicy(build({ rules: [{ to: [{ operation }, { operation }], when }] }));
  expect(policy?.source?.omitted).toEqual([
    { rule: 0, attributes: ['connection.sni', 'methods', 'notHosts', 'remote.ip'] },
  ]);
});

test('a DENY policy has an effect as soon as one of its rules has', () => {
  const rules = [{ to: [{ operation: { methods: ['GET'] } }] }, { to: [{ operation: { ports: ['80'] } }] }];
  expect(convertAuthorizationPolicy(build({ action: 'DENY', rules })).status?.message).toContain('is enforced without');
});

test('a workload of the root namespace names what selects it once', () => {
  const object = build({ selector: { matchLabels: { app: 'a' } } }, { namespace: 'istio-system' });
  const { policiesOf } = convertPolicies([object]);
  for (const namespace of ['istio-system', 'other'])
    expect(policiesOf({ namespace, labels: { app: 'a', more: 'b' } })).toEqual(['istio-system/p']);
});

test.each([
  { rest: {}, says: 'this DENY policy has no enforceable rules at ztunnel and will have no effect' },
  { rest: { ports: ['80'] }, says: 'DENY policy with HTTP attributes is enforced without the HTTP rules' },
  { rest: { ports: ['bad'] }, says: 'this DENY policy has no enforceable rules at ztunnel and will have no effect' },
])('DENY with a method and $rest', ({ rest, says }) => {
  const rules = [{ to: [{ operation: { methods: ['GET'], ...rest } }] }];
  expect(convertAuthorizationPolicy(build({ action: 'DENY', rules })).status?.message).toContain(says);
});

test('of two objects with one key the later counts', () => {
  const { policies, statuses } = convertPolicies([build({ action: 'DENY' }), build({}, { name: 'q' }), build({})]);
  expect(policies.map(({ name, action }) => `${name} ${action}`)).toEqual(['p Allow', 'q Allow']);
  expect(statuses).toHaveLength(2);
});

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
        const object = build({
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
        const objects = denied.length === 0 ? [] : [build({ action: 'DENY', rules: denied })];
        if (allowed !== null) objects.push(build({ rules: allowed }, { name: 'q' }));
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
