import { expect, test } from 'vitest';
import { compile } from '../evaluation/policy-set.ts';
import type { Connection, Policy } from '../policy.ts';
import { buildPolicy, exact, ruleOf } from '../testing/build-policy.ts';
import { renderExplanation, renderSummary } from './render-explanation.ts';

const CONNECTION: Connection = {
  identity: { trustDomain: 'cluster.local', namespace: 'a', serviceAccount: 'notsleep' },
  sourceIp: '10.0.0.7',
  destinationIp: '10.0.0.9',
  destinationPort: 8000,
};
const ALLOW_SLEEP = buildPolicy({
  name: 'allow-sleep',
  namespace: 'a',
  rules: [
    [[{ namespaces: [exact('b')] }], [{ destinationPorts: [9000] }]],
    [
      [{ principals: [exact('cluster.local/ns/a/sa/sleep')] }, { namespaces: [exact('c'), exact('d')] }],
      [{ destinationPorts: [8000, 80] }],
    ],
  ],
});

function explain(policies: readonly Policy[], connection: Partial<Connection> = {}, named: string[] = []) {
  return compile(policies).explain({ ...CONNECTION, ...connection }, { namespace: 'a', authorizationPolicies: named });
}

test('a policy for the namespace without a name is said to apply to the whole mesh', () => {
  const text = renderExplanation(explain([buildPolicy({ namespace: '', rules: [] })]));
  expect(text).toContain(
    'ALLOW /p (whole mesh) does not match\n  its namespace is empty, so it applies to the whole mesh',
  );
});

test('a denied principal', () => {
  expect(renderExplanation(explain([ALLOW_SLEEP]))).toBe(
    `DENIED cluster.local/ns/a/sa/notsleep (10.0.0.7) -> 10.0.0.9:8000 in namespace a: by a/allow-sleep, the only ALLOW policy, which does not admit it
rule 2 of a/allow-sleep failed on \`principals\` only: wanted cluster.local/ns/a/sa/sleep, got cluster.local/ns/a/sa/notsleep
  would pass if the principal were cluster.local/ns/a/sa/sleep (rule 2 of a/allow-sleep)
  would pass if the source namespace were b and the destination port were 9000 (rule 1 of a/allow-sleep)

ALLOW a/allow-sleep (namespace) does not match
  rule 1 does not match
    - namespaces: wanted b, got a
    - destinationPorts: wanted 9000, got 8000
  rule 2 does not match
    - one of these:
         - principals: wanted cluster.local/ns/a/sa/sleep, got cluster.local/ns/a/sa/notsleep
      or - namespaces: wanted one of c, d, got a
    + destinationPorts: 8000
`,
  );
});

test('a workload with mTLS STRICT and a client in plain text', () => {
  const rules = ruleOf({ notPrincipals: [{ kind: 'presence' }] });
  const strict = buildPolicy({
    name: 'istio_converted_static_strict',
    namespace: 'istio-system',
    action: 'Deny',
    rules,
  });
  const named = { ...strict, scope: 'WorkloadSelector' } as const;
  const key = 'istio-system/istio_converted_static_strict';
  expect(renderExplanation(explain([named], { identity: undefined }, [key]))).toBe(
    `DENIED plain text from 10.0.0.7 -> 10.0.0.9:8000 in namespace a: by DENY policy ${key}
rule 1 of ${key} matches: \`notPrincipals\` (the client came in plain text, without a certificate)
  note: ${key}: PeerAuthentication STRICT: denies clients without a certificate
  note: ${key}: the client has to be in the mesh, or mTLS has to be PERMISSIVE
  would pass if the client had a certificate (such as that of cluster.local/ns/a/sa/default) (rule 1 of ${key})

DENY ${key} (selected workloads) matches
  PeerAuthentication STRICT: denies clients without a certificate
  the client has to be in the mesh, or mTLS has to be PERMISSIVE
  rule 1 matches
    + notPrincipals: the client has no certificate
`,
  );
});

test('where a change asks for another port, what ports are is said behind a DENY, too', () => {
  const strict = buildPolicy({
    namespace: 'a',
    action: 'Deny',
    rules: ruleOf({ notPrincipals: [{ kind: 'presence' }] }),
  });
  const lines = renderExplanation(explain([strict, ALLOW_SLEEP], { identity: undefined, destinationPort: 1 })).split(
    '\n',
  );
  expect(lines.filter((line) => line.startsWith('  note: '))).toEqual([
    "  note: policies see the port of the pod (the service's targetPort), not that of the service: perhaps the rule has to name 1",
  ]);
  const allowed = renderExplanation(explain([strict, ALLOW_SLEEP], { identity: undefined }));
  expect(allowed).not.toContain('policies see the port');
});

test('rules are counted as in the object, of which some were left out', () => {
  const source = {
    kind: 'AuthorizationPolicy',
    object: 'a/allow-get',
    rules: [1],
    omitted: [{ rule: 0, attributes: ['methods'] }],
    ignored: [],
  } as const;
  const rules = ruleOf({ principals: [exact('cluster.local/ns/a/sa/sleep')] });
  const text = renderExplanation(explain([buildPolicy({ name: 'allow-get', namespace: 'a', rules, source })]));
  expect(text).toContain('\nrule 2 of a/allow-get failed on `principals` only: ');
  expect(text).toContain('\n  note: a/allow-get: rule 1 is left out: `methods` (HTTP) only a waypoint can judge');
  expect(text).toContain('\n  rule 2 does not match\n');
});

test.each<[string, readonly Policy[], Partial<Connection>, string]>([
  [
    'allowed by a policy',
    [
      buildPolicy({
        namespace: 'a',
        rules: ruleOf({ namespaces: [{ kind: 'prefix', value: '' }], notDestinationPorts: [1] }),
      }),
    ],
    { destinationIp: 'fd00::9' },
    'ALLOWED cluster.local/ns/a/sa/notsleep (10.0.0.7) -> [fd00::9]:8000 in namespace a: by ALLOW policy a/p\n' +
      'rule 1 of a/p matches: `namespaces` (a, as wanted: prefix "") and `notDestinationPorts` (wanted not 1, got 8000)',
  ],
  [
    'allowed by a rule without conditions',
    [buildPolicy({ namespace: 'a' })],
    {},
    'ALLOWED cluster.local/ns/a/sa/notsleep (10.0.0.7) -> 10.0.0.9:8000 in namespace a: by ALLOW policy a/p\n' +
      'rule 1 of a/p matches everything: it has no conditions',
  ],
  [
    'allowed by nothing',
    [],
    { sourceIp: '0.0.0.0', destinationIp: '0.0.0.0' },
    'ALLOWED cluster.local/ns/a/sa/notsleep -> port 8000 in namespace a: no ALLOW policy applies and no DENY policy matches',
  ],
  [
    'several conditions of several policies',
    [ALLOW_SLEEP, buildPolicy({ namespace: 'a', rules: [] })],
    { destinationPort: 443, identity: undefined, sourceIp: '0.0.0.0' },
    'DENIED plain text -> 10.0.0.9:443 in namespace a: none of the 2 ALLOW policies admits it\n' +
      'rule 1 of a/allow-sleep failed on `namespaces` (wanted b, got none) and `destinationPorts` (wanted 9000, got 443)',
  ],
  [
    'an ALLOW policy without rules',
    [buildPolicy({ namespace: 'a', rules: [] })],
    {},
    'DENIED cluster.local/ns/a/sa/notsleep (10.0.0.7) -> 10.0.0.9:8000 in namespace a: by a/p, the only ALLOW policy, which does not admit it\n' +
      'no connection can meet any of its rules',
  ],
])('the summary: %s', (_name, policies, connection, summary) => {
  expect(renderSummary(explain(policies, connection))).toBe(summary);
});

test('a policy that is missing', () => {
  expect(renderExplanation(explain([], {}, ['a/gone']))).toBe(
    `DENIED cluster.local/ns/a/sa/notsleep (10.0.0.7) -> 10.0.0.9:8000 in namespace a: policy a/gone has not arrived yet

policy a/gone: named by the workload, but not known
`,
  );
});

test('no policy at all, and the shadow of a dry run', () => {
  expect(renderExplanation(explain([]))).toContain('\n\nno policy applies\n');
  const dryRun = buildPolicy({ namespace: 'a', name: 'dry', action: 'Deny', dryRun: true });
  expect(renderExplanation(explain([dryRun]))).toContain(`
  dry run: with all dry-run policies enforced, it would be denied (explicitly denied by: a/dry)

dry-run DENY a/dry (namespace) matches
`);
});

test('long lists are shortened, and what decides stays', () => {
  const principals = Array.from({ length: 20 }, (_, of) => exact(`x/ns/n/sa/s${of}`));
  const rules = Array.from({ length: 30 }, () => [[{ principals, sourceIps: [{ address: '10.9.0.0', length: 16 }] }]]);
  const others = Array.from({ length: 30 }, (_, at) => buildPolicy({ namespace: 'a', name: `p${at}`, rules }));
  const ports = Array.from({ length: 21 }, () => ({ destinationPorts: [7] }));
  const last = buildPolicy({ namespace: 'a', name: 'zz', rules: [...rules, [ports]] });
  const text = renderExplanation(explain([...others, last]));
  expect(text.split('\n').length).toBeLessThan(500);
  expect(text).toContain('\nrule 31 of a/zz failed on `destinationPorts` only: wanted 7, got 8000\n');
  expect(text).toContain(
    '\n    - principals: wanted one of x/ns/n/sa/s0, x/ns/n/sa/s1, x/ns/n/sa/s2, x/ns/n/sa/s3, … (16 more), got ',
  );
  expect(text).toContain('\n  … (25 more rules)\n');
  expect(text).toContain('\n         … (13 more)\n  … (11 more rules)\n… (11 more policies)\n');
});

test('a rule that failed on many conditions is told in one short line', () => {
  const rules = ruleOf({
    namespaces: [exact('b')],
    principals: [exact('cluster.local/ns/b/sa/x')],
    sourceIps: [{ address: '10.9.0.0', length: 16 }],
    destinationPorts: [1],
    serviceAccounts: [{ namespace: 'b', serviceAccount: 'x' }],
  });
  expect(renderSummary(explain([buildPolicy({ namespace: 'a', rules })]))).toContain(
    '`sourceIps` (wanted 10.9.0.0/16, got 10.0.0.7) and 2 more conditions',
  );
});

test('values cannot forge lines or steer the terminal', () => {
  const value = 'x\nALLOWED by\u001b[2J\u009b\u202e\u2028';
  const text = renderExplanation(
    explain([buildPolicy({ namespace: 'a', rules: ruleOf({ namespaces: [exact(value)] }) })]),
  );
  expect(text).toContain('wanted x\\u000aALLOWED by\\u001b[2J\\u009b\\u202e\\u2028, got a');
  expect(text.split('\n')[1]).toMatch(/^rule 1 of a\/p failed on `namespaces` only: .*, got a$/);
});
