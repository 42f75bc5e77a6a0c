import { expect, test } from 'vitest';
import { buildAuthorizationPolicy } from '../testing/build-authorization-policy.ts';
import { convertAuthorizationPolicy } from './convert-authorization-policy.ts';
import { convertPolicies } from './convert-policies.ts';
import type { PolicyRule } from './policy-object.ts';
import { readAddressRange, readPort, readServiceAccount, readStringMatch } from './read-values.ts';

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
  const object = buildAuthorizationPolicy({ rules: [{}] }, { annotations: { 'istio.io/dry-run': annotation } });
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
    expect(convertAuthorizationPolicy(buildAuthorizationPolicy(spec))).toEqual({
      policy: undefined,
      status: undefined,
    });
  const dryRun = buildAuthorizationPolicy({ targetRefs }, { annotations: { 'istio.io/dry-run': 'true' } });
  expect(convertAuthorizationPolicy(dryRun).status?.reason).toBe('UnsupportedValue');
});

test.each(['CUSTOM', 'AUDIT'] as const)('%s is not sent', (action) => {
  const { policy, status } = convertAuthorizationPolicy(
    buildAuthorizationPolicy({ action, rules: [{}] }, { generation: 4 }),
  );
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
  const allow = convertAuthorizationPolicy(buildAuthorizationPolicy({ rules }));
  expect(allow.policy?.source).toEqual({ ...head, rules: [0, 3], omitted: gone, ignored: [] });
  expect(allow.status?.message).toContain('(found: methods, paths, trustDomains)');
  const deny = convertAuthorizationPolicy(buildAuthorizationPolicy({ action: 'DENY', rules })).policy;
  expect(deny?.source).toEqual({ ...head, rules: [0, 1, 2, 3], omitted: [], ignored: gone });
  expect(deny?.rules).toEqual([[], [[{}]], [[{ namespaces: [{ kind: 'exact', value: 'a' }] }]], []]);
});

test('attributes are sorted, each once', () => {
  const operation = { methods: ['GET'], notHosts: ['h'] };
  const when = [
    { key: 'connection.sni', values: ['x'] },
    { key: 'remote.ip', values: ['10.0.0.1'] },
  ];
  const { policy } = convertAuthorizationPolicy(
    buildAuthorizationPolicy({ rules: [{ to: [{ operation }, { operation }], when }] }),
  );
  expect(policy?.source?.omitted).toEqual([
    { rule: 0, attributes: ['connection.sni', 'methods', 'notHosts', 'remote.ip'] },
  ]);
});

test('a DENY policy has an effect as soon as one of its rules has', () => {
  const rules = [{ to: [{ operation: { methods: ['GET'] } }] }, { to: [{ operation: { ports: ['80'] } }] }];
  expect(convertAuthorizationPolicy(buildAuthorizationPolicy({ action: 'DENY', rules })).status?.message).toContain(
    'is enforced without',
  );
});

test('a workload of the root namespace names what selects it once', () => {
  const object = buildAuthorizationPolicy({ selector: { matchLabels: { app: 'a' } } }, { namespace: 'istio-system' });
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
  expect(convertAuthorizationPolicy(buildAuthorizationPolicy({ action: 'DENY', rules })).status?.message).toContain(
    says,
  );
});

test('of two objects with one key the later counts', () => {
  const { policies, statuses } = convertPolicies([
    buildAuthorizationPolicy({ action: 'DENY' }),
    buildAuthorizationPolicy({}, { name: 'q' }),
    buildAuthorizationPolicy({}),
  ]);
  expect(policies.map(({ name, action }) => `${name} ${action}`)).toEqual(['p Allow', 'q Allow']);
  expect(statuses).toHaveLength(2);
});
