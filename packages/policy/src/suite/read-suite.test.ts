import { describe, expect, test } from 'vitest';
import { PolicyError } from '../errors.ts';
import { readSuite } from './read-suite.ts';

const WORKLOADS = {
  sleep: { namespace: 'default', serviceAccount: 'sleep', labels: { app: 'sleep' }, ip: '10.0.0.1' },
  httpbin: { namespace: 'default' },
};
const SLEEP = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sleep' };
const TEST = { from: 'sleep', to: 'httpbin', port: 8000, expect: 'allow' };

function problemsOf(value: unknown): readonly string[] {
  try {
    readSuite(value);
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyError);
    expect(error).toHaveProperty('code', 'POLICY_INVALID');
    return error instanceof PolicyError ? error.problems.map(({ path, message }) => `${path}: ${message}`) : [];
  }
  return [];
}

test('a suite with everything', () => {
  const inline = { kind: 'AuthorizationPolicy' };
  const suite = readSuite({
    rootNamespace: 'root',
    namespace: 'shop',
    trustDomain: 'td',
    policies: ['policies/', inline],
    workloads: { ...WORKLOADS, web: { namespace: 'shop', authorizationPolicies: ['shop/a'] } },
    tests: [{ ...TEST, name: 'a name', to: 'web', by: 'shop/a', enforced: 'deny' }],
  });
  expect(suite).toEqual({
    rootNamespace: 'root',
    namespace: 'shop',
    policies: [
      { kind: 'file', file: 'policies/' },
      { kind: 'object', path: 'policies[1]', value: inline },
    ],
    tests: [
      {
        name: 'a name',
        path: 'tests[0]',
        from: {
          name: 'sleep',
          namespace: 'default',
          labels: { app: 'sleep' },
          identity: { ...SLEEP, trustDomain: 'td' },
          ip: '10.0.0.1',
          authorizationPolicies: [],
        },
        to: {
          name: 'web',
          namespace: 'shop',
          labels: {},
          identity: { trustDomain: 'td', namespace: 'shop', serviceAccount: 'default' },
          ip: undefined,
          authorizationPolicies: ['shop/a'],
        },
        port: 8000,
        expect: 'allow',
        by: 'shop/a',
        enforced: 'deny',
      },
    ],
  });
});

describe('clients', () => {
  test.each([
    ['a workload', 'sleep', { name: 'sleep', identity: SLEEP, ip: '10.0.0.1' }],
    [
      'in plain text',
      { workload: 'sleep', plaintext: true },
      { name: 'sleep in plain text', identity: undefined, ip: '10.0.0.1' },
    ],
    ['at another address', { workload: 'sleep', ip: '10.0.0.9' }, { name: 'sleep', identity: SLEEP, ip: '10.0.0.9' }],
    [
      'a principal',
      { principal: 'cluster.local/ns/default/sa/sleep' },
      { name: 'cluster.local/ns/default/sa/sleep', identity: SLEEP, ip: undefined },
    ],
    ['a SPIFFE id', { principal: 'spiffe://cluster.local/ns/default/sa/sleep' }, { identity: SLEEP }],
    [
      'outside the mesh',
      { ip: '10.9.9.9' },
      { name: 'a client at 10.9.9.9 in plain text', identity: undefined, ip: '10.9.9.9' },
    ],
    [
      'anybody in plain text',
      { plaintext: true },
      { name: 'a client in plain text', identity: undefined, ip: undefined },
    ],
  ])('%s', (_name, from, client) => {
    expect(readSuite({ workloads: WORKLOADS, tests: [{ ...TEST, from }] }).tests[0]?.from).toMatchObject(client);
  });
});

test.each([
  [TEST, 'sleep to httpbin, port 8000: allow'],
  [{ ...TEST, by: 'a/b' }, 'sleep to httpbin, port 8000: allow by a/b'],
  [{ ...TEST, by: 'none', expect: 'deny' }, 'sleep to httpbin, port 8000: deny by no policy'],
  [{ ...TEST, by: 'strict', expect: 'deny' }, 'sleep to httpbin, port 8000: deny by STRICT'],
  [
    { ...TEST, to: { namespace: 'shop', labels: { app: 'web', v: '1' } } },
    'sleep to shop/app=web,v=1, port 8000: allow',
  ],
  [{ ...TEST, to: { namespace: 'shop' } }, 'sleep to shop/*, port 8000: allow'],
])('a test without a name gets one', (one, name) => {
  expect(readSuite({ workloads: WORKLOADS, tests: [one] }).tests[0]?.name).toBe(name);
});

test.each([
  [{}, ['tests: is missing: want a list']],
  [[], [': want a map, not a list']],
  [
    { tests: [], zzz: 1 },
    [
      'zzz: unknown field: want rootNamespace, namespace, trustDomain, policies, workloads or tests',
      'tests: is empty: want at least one',
    ],
  ],
  [
    { tests: [], policies: [1, ''] },
    [
      'policies[0]: want a file, a folder or an object, not 1',
      'policies[1]: want a file, a folder or an object, not ""',
      'tests: is empty: want at least one',
    ],
  ],
  [
    {
      tests: [],
      workloads: {
        a: {},
        b: { namespace: 'x/y' },
        c: { namespace: 'n', ip: '1.2', labels: { k: 1 }, authorizationPolicies: ['x'] },
      },
    },
    [
      'workloads.a.namespace: is missing: want text',
      'workloads.b.namespace: want a name without / and spaces, not "x/y"',
      'workloads.c.labels.k: want text, not 1',
      'workloads.c.ip: want an IPv4 or IPv6 address, not "1.2"',
      'workloads.c.authorizationPolicies[0]: want namespace/name of a policy, not "x"',
      'tests: is empty: want at least one',
    ],
  ],
  [
    { workloads: WORKLOADS, tests: [{}] },
    [
      'tests[0].from: is missing: want a workload, or a map of principal and ip',
      'tests[0].to: is missing: want a workload',
      'tests[0].port: is missing: want a port',
      'tests[0].expect: is missing: want allow or deny',
    ],
  ],
  [
    {
      workloads: WORKLOADS,
      tests: [{ ...TEST, from: 'slep', port: 0, expect: 'ALLOW', by: 'x', enforced: true, name: '' }],
    },
    [
      'tests[0].from: want one of the workloads (sleep, httpbin), not "slep"',
      'tests[0].port: want a port from 1 to 65535, not 0',
      'tests[0].expect: want allow or deny, not "ALLOW"',
      'tests[0].by: want namespace/name of a policy, strict or none, not "x"',
      'tests[0].enforced: want allow or deny, not true',
      'tests[0].name: want a name, not ""',
    ],
  ],
  [
    { tests: [{ ...TEST, to: { namespace: 'x' } }] },
    ['tests[0].from: want one of the workloads (the suite has none), not "sleep"'],
  ],
  [
    {
      workloads: WORKLOADS,
      tests: [
        { ...TEST, from: {} },
        { ...TEST, from: { principal: 'x' } },
        { ...TEST, from: { workload: 'sleep', principal: 'a/ns/b/sa/c' } },
        { ...TEST, from: { principal: 'a/ns/b/sa/c', plaintext: true } },
        { ...TEST, from: { plaintext: false, ip: '10.0.0.1' } },
      ],
    },
    [
      'tests[0].from: want workload, principal, or ip of a client in plain text',
      'tests[1].from.principal: want TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT, not "x"',
      'tests[2].from: has workload and principal: want one of them',
      'tests[3].from: has principal and plaintext: plain text proves none',
      'tests[4].from: plaintext is false: want workload or principal',
    ],
  ],
  // A workload with mistakes is still one that is there.
  [
    { workloads: { a: {} }, tests: [{ ...TEST, from: 'a', to: 'a' }] },
    ['workloads.a.namespace: is missing: want text'],
  ],
])('mistakes are told with their paths: %#', (value, problems) => {
  expect(problemsOf(value)).toEqual(problems);
});
