import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PolicyError } from '../errors.ts';
import { compile } from '../evaluation/policy-set.ts';
import { arbitraryPolicy } from '../testing/arbitrary-policy.ts';
import { buildPolicy } from '../testing/build-policy.ts';
import { findProblems, readPolicy } from './read-policy.ts';

const GOOD = { name: 'web', namespace: 'shop', scope: 'Namespace', action: 'Allow', dryRun: false, rules: [] };
const withMatch = (match: unknown) => ({ ...GOOD, rules: [[[match]]] });
const SOURCE = {
  kind: 'Waypoint',
  object: 'a/b',
  rules: [0],
  omitted: [],
  ignored: [{ rule: 1, attributes: ['methods'] }],
};

test.each([
  { data: undefined, path: '', says: 'want a map, not nothing' },
  { data: [], path: '', says: 'want a map, not a list' },
  { data: 'policy', path: '', says: 'want a map, not "policy"' },
  { data: { ...GOOD, name: 7 }, path: 'name', says: 'want text, not 7' },
  { data: { ...GOOD, name: '' }, path: 'name', says: 'want the name of the policy, not ""' },
  { data: { ...GOOD, name: undefined }, path: 'name', says: 'is missing: want the name of the policy' },
  { data: { ...GOOD, name: null }, path: 'name', says: 'want text, not null' },
  { data: { ...GOOD, namespace: undefined }, path: 'namespace', says: 'is missing: want text' },
  {
    data: { ...GOOD, scope: 'global' },
    path: 'scope',
    says: 'want Global, Namespace or WorkloadSelector, not "global"',
  },
  { data: { ...GOOD, action: 'AUDIT' }, path: 'action', says: 'want Allow or Deny, not "AUDIT"' },
  { data: { ...GOOD, dryRun: 'true' }, path: 'dryRun', says: 'want true or false, not "true"' },
  { data: { ...GOOD, dryRun: undefined }, path: 'dryRun', says: 'is missing: want true or false' },
  { data: { ...GOOD, rule: [] }, path: 'rule', says: 'unknown field: did you mean rules? want name, namespace,' },
  { data: { ...GOOD, 'a.b': 1 }, path: '["a.b"]', says: 'unknown field' },
  { data: JSON.parse(`{"__proto__": 1, "name": 1}`), path: '__proto__', says: 'unknown field' },
  { data: { ...GOOD, rules: {} }, path: 'rules', says: 'want a list, not a map' },
  { data: { ...GOOD, rules: [{}] }, path: 'rules[0]', says: 'want a list, not a map' },
  { data: { ...GOOD, rules: [[], [null]] }, path: 'rules[1][0]', says: 'want a list, not null' },
  { data: withMatch(null), path: 'rules[0][0][0]', says: 'want a map, not null' },
  {
    data: withMatch({ ports: [1] }),
    path: 'rules[0][0][0].ports',
    says: 'unknown field: want namespaces, notNamespaces',
  },
  { data: withMatch({ namespaces: 'a' }), path: 'rules[0][0][0].namespaces', says: 'want a list, not "a"' },
  { data: withMatch({ namespaces: ['a'] }), path: 'rules[0][0][0].namespaces[0]', says: 'want a map, not "a"' },
  {
    data: withMatch({ principals: [{ exact: 'a' }] }),
    path: 'rules[0][0][0].principals[0].exact',
    says: 'want kind or value',
  },
  {
    data: withMatch({ principals: [{}] }),
    path: 'rules[0][0][0].principals[0].kind',
    says: 'want exact, prefix, suffix or presence',
  },
  {
    data: withMatch({ principals: [{ kind: 'regex', value: '' }] }),
    path: 'rules[0][0][0].principals[0].kind',
    says: 'not "regex"',
  },
  {
    data: withMatch({ principals: [{ kind: 'exact' }] }),
    path: 'rules[0][0][0].principals[0].value',
    says: 'is missing: want text',
  },
  {
    data: withMatch({ principals: [{ kind: 'presence', value: '' }] }),
    path: 'rules[0][0][0].principals[0].value',
    says: 'leave it out',
  },
  {
    data: withMatch({ sourceIps: ['10.0.0.0/8'] }),
    path: 'rules[0][0][0].sourceIps[0]',
    says: 'want a map, not "10.0.0.0/8"',
  },
  ...['', '10.0.0', '10.0.0.256', '010.0.0.1', 'fe80::1%eth0', '[::1]', ' ::1', 'localhost'].map((address) => ({
    data: withMatch({ notSourceIps: [{ address, length: 8 }] }),
    path: 'rules[0][0][0].notSourceIps[0].address',
    says: 'want an IPv4 or IPv6 address, not',
  })),
  {
    data: withMatch({ sourceIps: [{ address: '10.0.0.0', length: 33 }] }),
    path: 'rules[0][0][0].sourceIps[0].length',
    says: 'from 0 to 32, not 33',
  },
  {
    data: withMatch({ sourceIps: [{ address: '::', length: 129 }] }),
    path: 'rules[0][0][0].sourceIps[0].length',
    says: 'from 0 to 128, not 129',
  },
  {
    data: withMatch({ sourceIps: [{ address: '::', length: 1.5 }] }),
    path: 'rules[0][0][0].sourceIps[0].length',
    says: 'a whole number',
  },
  {
    data: withMatch({ sourceIps: [{ address: '::' }] }),
    path: 'rules[0][0][0].sourceIps[0].length',
    says: 'is missing',
  },
  ...[-1, 65_536, 0.5, Number.NaN, '80', null, 80n].map((port) => ({
    data: withMatch({ destinationPorts: [80, port] }),
    path: 'rules[0][0][0].destinationPorts[1]',
    says: 'want a whole number from 0 to 65535, not',
  })),
  {
    data: withMatch({ serviceAccounts: [{ namespace: 'a', name: 'b' }] }),
    path: 'rules[0][0][0].serviceAccounts[0].name',
    says: 'unknown field',
  },
  {
    data: withMatch({ serviceAccounts: [{ namespace: 'a' }] }),
    path: 'rules[0][0][0].serviceAccounts[0].serviceAccount',
    says: 'is missing',
  },
  { data: { ...GOOD, source: null }, path: 'source', says: 'want a map, not null' },
  {
    data: { ...GOOD, source: { ...SOURCE, kind: 'Gateway' } },
    path: 'source.kind',
    says: 'AuthorizationPolicy, PeerAuthentication or Waypoint',
  },
  {
    data: { ...GOOD, source: { ...SOURCE, omitted: [{ rule: -1, attributes: [] }] } },
    path: 'source.omitted[0].rule',
    says: 'whole number',
  },
  {
    data: { ...GOOD, source: { ...SOURCE, ignored: [{ rule: 0, attributes: [1] }] } },
    path: 'source.ignored[0].attributes[0]',
    says: 'want text',
  },
])('$path: $says', ({ data, path, says }) => {
  const problems = findProblems(data);
  expect(problems[0]).toMatchObject({ severity: 'error', path });
  expect(problems[0]?.message).toContain(says);
  expect(() => readPolicy(data)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID', problems }));
});

test('a policy without a name is put nowhere, and what is in force stays', () => {
  const refused = expect.objectContaining({
    code: 'POLICY_INVALID',
    problems: [expect.objectContaining({ path: 'name' })],
  });
  const nameless = buildPolicy({ name: '' });
  const set = compile([buildPolicy()]);
  expect(() => set.put(nameless)).toThrow(refused);
  expect(() => compile([nameless])).toThrow(refused);
  expect(set.size).toBe(1);
});

test('every mistake is told, the first ones in the message', () => {
  const data = { name: 'web', namespace: 'shop', scope: 1, action: 2, rules: [[[{ destinationPorts: ['a', 'b'] }]]] };
  expect(findProblems(data).map(({ path }) => path)).toEqual([
    'scope',
    'action',
    'dryRun',
    'rules[0][0][0].destinationPorts[0]',
    'rules[0][0][0].destinationPorts[1]',
  ]);
  expect(() => readPolicy(data)).toThrow(
    /^policy shop\/web: scope: want Global[^;]*; action: [^;]*; dryRun: is missing: want true or false; and 2 more$/,
  );
});

test('a long value is cut in complaints', () => {
  expect(findProblems({ ...GOOD, action: 'x'.repeat(1000) })[0]?.message.length).toBeLessThan(100);
});

test('a policy that is read is a copy, with its source and without empty lists', () => {
  const data = { ...withMatch({ namespaces: [], destinationPorts: [0, 65_535] }), source: SOURCE };
  const policy = readPolicy(data);
  expect(policy).toEqual({ ...data, rules: [[[{ destinationPorts: [0, 65_535] }]]] });
  data.source.rules.push(7);
  expect(policy.source?.rules).toEqual([0]);
});

test.each([
  { data: { ...GOOD, action: 'Deny' }, path: 'rules', says: 'no effect' },
  { data: { ...GOOD, namespace: '' }, path: 'namespace', says: 'it applies to the whole mesh, as with scope Global' },
  {
    data: { ...GOOD, namespace: '', scope: 'WorkloadSelector' },
    path: 'namespace',
    says: 'workloads have to name /web',
  },
  { data: withMatch({}), path: 'rules[0][0][0]', says: 'never matches' },
  { data: withMatch({ sourceIps: [] }), path: 'rules[0][0][0]', says: 'never matches' },
  {
    data: withMatch({ notPrincipals: [{ kind: 'exact', value: 'spiffe://td/ns/a/sa/b' }] }),
    path: 'rules[0][0][0].notPrincipals[0]',
    says: 'without spiffe://',
  },
  {
    data: withMatch({ sourceIps: [{ address: '::ffff:10.0.0.1', length: 128 }] }),
    path: 'rules[0][0][0].sourceIps[0]',
    says: 'IPv4',
  },
])('a warning, and it is read: $path $says', ({ data, path, says }) => {
  expect(findProblems(data)).toEqual([{ severity: 'warning', path, message: expect.stringContaining(says) }]);
  expect(readPolicy(data)).toMatchObject({ name: 'web' });
});

test.each([
  GOOD,
  // Global policies need none.
  { ...GOOD, namespace: '', scope: 'Global' },
  { ...withMatch({}), source: SOURCE },
  withMatch({
    principals: [{ kind: 'presence' }, { kind: 'prefix', value: '' }],
    sourceIps: [{ address: '::', length: 0 }],
  }),
])('nothing is wrong with %j', (data) => {
  expect(findProblems(data)).toEqual([]);
});

test('valid policies are read as they are', () => {
  fc.assert(
    fc.property(arbitraryPolicy, (policy) => {
      expect(readPolicy(policy)).toEqual(policy);
    }),
    { numRuns: 200 },
  );
});

test('any data is read or refused, never anything else', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withTypedArray: true,
    withSparseArray: true,
  });
  const broken = fc.tuple(arbitraryPolicy, fc.constantFrom('name', 'scope', 'rules', 'source'), anything);
  const data = fc.oneof(
    anything,
    broken.map(([policy, field, value]) => ({ ...policy, [field]: value })),
  );
  fc.assert(
    fc.property(data, (value) => {
      const wrong = findProblems(value).some(({ severity }) => severity === 'error');
      try {
        readPolicy(value);
        expect(wrong).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(PolicyError);
        expect(wrong).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
