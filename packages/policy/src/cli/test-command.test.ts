import { describe, expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

const POLICIES = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow-sleep, namespace: default}
spec:
  selector: {matchLabels: {app: httpbin}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/sleep]}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: default}
spec: {mtls: {mode: STRICT}}
`;
const WORKLOADS = `workloads:
  sleep: {namespace: default, serviceAccount: sleep}
  notsleep: {namespace: default, serviceAccount: notsleep}
  httpbin: {namespace: default, labels: {app: httpbin}}
`;
const GOOD = `policies: [policies/]
${WORKLOADS}tests:
- {from: sleep, to: httpbin, port: 8000, expect: allow, by: default/allow-sleep}
- {from: notsleep, to: httpbin, port: 8000, expect: deny, by: none}
- {from: {workload: sleep, plaintext: true}, to: httpbin, port: 8000, expect: deny, by: default/strict}
- {from: {workload: sleep, plaintext: true}, to: httpbin, port: 8001, expect: deny, by: strict}
`;
const BAD = `policies: [policies]
${WORKLOADS}tests:
- {from: notsleep, to: httpbin, port: 8000, expect: allow}
`;
const ONE = 'tests: [{from: {ip: 10.0.0.1}, to: {namespace: x}, port: 1, expect: allow}]\n';
const FILES = { 'mesh/policies/a.yaml': POLICIES, 'mesh/suite.yaml': GOOD, 'mesh/bad.yaml': BAD };

test('all as expected', async () => {
  expect(await runForTest(['test', 'mesh/suite.yaml'], FILES)).toMatchObject({
    code: 0,
    error: '',
    output: `mesh/suite.yaml
  ok    sleep to httpbin, port 8000: allow by default/allow-sleep
  ok    notsleep to httpbin, port 8000: deny by no policy
  ok    sleep in plain text to httpbin, port 8000: deny by default/strict
  ok    sleep in plain text to httpbin, port 8001: deny by STRICT

4 passed, 0 failed
`,
  });
});

test('a failure tells where and why', async () => {
  const { code, output } = await runForTest(['test', 'mesh/suite.yaml', 'mesh/bad.yaml'], FILES);
  expect(code).toBe(1);
  expect(output).toContain('        at mesh/bad.yaml:7:3\n');
  expect(output).toContain('wanted cluster.local/ns/default/sa/sleep, got cluster.local/ns/default/sa/notsleep');
  expect(output).toContain('4 passed, 1 failed\n');
});

test.each([
  ['tap', 'TAP version 13\n1..4\nok 1 - '],
  ['junit', '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="4" failures="0" errors="0">\n'],
])('--format %s, to a file', async (format, start) => {
  const { output } = await runForTest(['test', 'mesh/suite.yaml', '--format', format], FILES);
  expect(output.startsWith(start)).toBe(true);
  const filed = await runForTest(['test', 'mesh/suite.yaml', '--format', format, '--output', 'report'], FILES);
  expect(filed.written.get('report')).toBe(output);
  expect(filed.output).toBe('4 passed, 0 failed\n');
});

test('the suite that help shows is one', async () => {
  const { output } = await runForTest(['help', 'test']);
  const [example = ''] = /(?<=\n) {2}policies:[^]*?(?=\n\n)/.exec(output) ?? [];
  const files = { 'suite.yaml': example.replaceAll(/^ {2}/gm, ''), 'policies/a.yaml': POLICIES };
  expect(await runForTest(['test', 'suite.yaml'], files)).toMatchObject({ code: 0, error: '' });
});

describe('policies', () => {
  const tests = `${WORKLOADS}tests:\n- {from: sleep, to: httpbin, port: 8000, expect: deny, by: default/p}\n`;
  test.each([
    [
      'an object',
      '{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: default}, spec: {action: DENY, rules: [{}]}}',
    ],
    ['a message', '{name: p, namespace: default, scope: NAMESPACE, action: DENY, groups: [{}]}'],
    ['a policy', '{name: p, namespace: default, scope: Namespace, action: Deny, dryRun: false, rules: [[]]}'],
  ])('%s in the suite', async (_name, policy) => {
    expect(await runForTest(['test', 's'], { s: `policies:\n- ${policy}\n${tests}` })).toMatchObject({
      code: 0,
      error: '',
    });
  });

  test('for chosen workloads count for those that name them, and it is told if none does', async () => {
    const policy = '{name: p, namespace: default, scope: WORKLOAD_SELECTOR, action: DENY, groups: [{}]}';
    const named = tests.replace('labels: {app: httpbin}', 'authorizationPolicies: [default/p]');
    expect(await runForTest(['test', 's'], { s: `policies:\n- ${policy}\n${named}` })).toMatchObject({
      code: 0,
      error: '',
    });
    expect(await runForTest(['test', 's'], { s: `policies:\n- ${policy}\n${tests}` })).toMatchObject({
      code: 1,
      error: 'default/p is left out: no workload of the tests has it in its authorizationPolicies\n',
    });
  });

  test('of the root namespace, and without a namespace', async () => {
    const object =
      '{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p}, spec: {action: DENY, rules: [{}]}}';
    const own = await runForTest(['test', 's'], { s: `namespace: default\npolicies:\n- ${object}\n${tests}` });
    expect(own).toMatchObject({ code: 0, error: '' });
    const root = await runForTest(['test', 's'], {
      s: `namespace: r\nrootNamespace: r\npolicies:\n- ${object}\n${tests.replace('default/p', 'r/p')}`,
    });
    expect(root).toMatchObject({ code: 0, error: '' });
  });

  test('beside documents of other kinds, and suites', async () => {
    const other =
      '---\napiVersion: apps/v1\nkind: Deployment\n---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\n';
    const files = { 'x/p.yaml': `${POLICIES}${other}`, 'x/suite.yaml': GOOD.replace('policies/', '../x') };
    const error = '2 documents of other kinds are left out\n';
    expect(await runForTest(['test', 'x/suite.yaml'], files)).toMatchObject({ code: 0, error });
  });

  test('that dry-run annotations mark are not enforced', async () => {
    const object =
      '{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: default, annotations: {istio.io/dry-run: "true"}}, spec: {action: DENY, rules: [{}]}}';
    const suite = `policies:\n- ${object}\n${tests.replace('expect: deny, by: default/p', 'expect: allow, enforced: deny')}`;
    expect(await runForTest(['test', 's'], { s: suite })).toMatchObject({ code: 0, error: '' });
  });
});

describe('errors end in exit code 2 and one line with the place', () => {
  test.each([
    ['no suite', ['test'], {}, 'test wants a suite: test SUITE.yaml'],
    ['no format', ['test', 's', '--format', 'x'], {}, '--format "x": want human or tap or junit'],
    ['no file', ['test', 's'], {}, 'no s'],
    ['an empty file', ['test', 's'], { s: '' }, 'the suite is empty: want tests'],
    ['syntax', ['test', 's'], { s: 'a: [' }, 's:1:5: '],
    [
      'a mistake',
      ['test', 's'],
      { s: 'tests:\n- {from: x, to: {namespace: n}, port: 1, expect: allow}\n' },
      's:2:10: tests[0].from: want one of the workloads (the suite has none), not "x"',
    ],
    ['a file of policies that is not there', ['test', 'd/s'], { 'd/s': `policies: [x.yaml]\n${ONE}` }, 'no d/x.yaml'],
    ['no test', ['test', 's'], { s: 'policies: [p]\ntests: []\n' }, 's:2:1: tests: is empty: want at least one'],
    [
      'a file without policies',
      ['test', 'd/s'],
      { 'd/s': `policies: [p, q]\n${ONE}`, 'd/p': POLICIES, 'd/q': 'apiVersion: apps/v1\nkind: Deployment\n---\n' },
      'd/s:1:15: policies[1]: there is no policy in d/q',
    ],
    [
      'a folder with suites only',
      ['test', 'd/s.yaml'],
      { 'd/s.yaml': `policies: [../d]\n${ONE}` },
      'd/s.yaml:1:12: policies[0]: there is no policy in d',
    ],
    [
      'an object of another kind',
      ['test', 's'],
      { s: `policies:\n- {apiVersion: apps/v1, kind: Deployment}\n${ONE}` },
      's:2:3: policies[0]: there is no policy in it',
    ],
    [
      'a policy with a mistake',
      ['test', 's'],
      {
        s: `${ONE}policies: [p]\n`,
        p: 'kind: AuthorizationPolicy\napiVersion: security.istio.io/v1\nmetadata: {name: x, namespace: z}\nspec: {action: Deny}\n',
      },
      'p:4:16: spec.action: want ALLOW, DENY, AUDIT or CUSTOM, not "Deny"',
    ],
    [
      'a policy in the suite with a mistake',
      ['test', 's'],
      { s: `${ONE}policies:\n- name: x\n  scope: NAMESPACE\n  groups: 1\n` },
      's:5:11: groups: want a list, not 1',
    ],
    [
      'a value that would be dropped',
      ['test', 's'],
      {
        s: `${ONE}policies:\n- {kind: AuthorizationPolicy, apiVersion: security.istio.io/v1, metadata: {name: x, namespace: z}, spec: {rules: [{to: [{operation: {ports: ["x"]}}]}]}}\n`,
      },
      'spec.rules[0].to[0].operation.ports[0]: ',
    ],
    [
      'a policy without a namespace',
      ['test', 's'],
      {
        s: `${ONE}policies:\n- {kind: AuthorizationPolicy, apiVersion: security.istio.io/v1, metadata: {name: x}}\n`,
      },
      'metadata.namespace: is missing: which workloads it is for depends on it',
    ],
    [
      'a kind that is none',
      ['test', 's'],
      {
        s: `${ONE}policies:\n- {kind: AuthorisationPolicy, apiVersion: security.istio.io/v1, metadata: {name: x}}\n`,
      },
      'kind: want ',
    ],
  ])('%s', async (_name, args, files: { readonly [path: string]: string }, message) => {
    const { code, output, error } = await runForTest(args, files);
    expect({ code, output }).toEqual({ code: 2, output: '' });
    expect(error).toContain(message);
    expect(error.split('\n')).toHaveLength(2);
  });
});
