import { expect, test } from 'vitest';
import { parseLocalConfig } from '../local-config/local-config.ts';
import type { LocalConfigStatus } from '../local-config/local-config-file.ts';
import { emptySnapshot, snapshotOf } from '../local-config/mesh-snapshot.ts';
import { policiesPage } from './policies-page.ts';

const mesh = snapshotOf(
  parseLocalConfig(`
policies:
- {name: only-sleep, namespace: default, scope: WorkloadSelector, action: Allow, dryRun: false, rules: [[[{principals: [!Exact spiffe://td/ns/a/sa/b]}]]]}
- {name: spare, namespace: default, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[]]], source: {kind: AuthorizationPolicy, object: default/spare, rules: [1], omitted: [], ignored: [{rule: 1, attributes: [methods, paths]}]}}
- {name: try, namespace: default, scope: Namespace, action: Deny, dryRun: true, rules: [[], []]}
- {name: all, namespace: istio-system, scope: Global, action: Allow, dryRun: false, rules: [[]]}
workloads:
- {name: pb, namespace: default, workloadIps: [10.0.0.1], services: {}, authorizationPolicies: [default/only-sleep, default/gone, default/gone]}
${['1', '2', '3', '4', '5', '6', '7']
  .map((n) => `- {name: w${n}, namespace: d, workloadIps: [], services: {}, authorizationPolicies: [default/gone]}`)
  .join('\n')}
`),
);

const status: LocalConfigStatus = {
  path: '/etc/mesh.yaml',
  inForce: { sha256: 'ab12', readAtEpochMs: 0 },
  refused: undefined,
  refusals: 0,
  repeated: [],
};
const refused: LocalConfigStatus = {
  ...status,
  refusals: 3,
  refused: { message: 'policies[0].action: unknown variant `\u001b[2J`', sha256: undefined, atEpochMs: 1000 },
};

function text(localConfig: LocalConfigStatus | undefined, snapshot = mesh, unknownPolicy: 'deny' | 'skip' = 'deny') {
  const page = policiesPage(new URL('http://x/'), { mesh: snapshot, localConfig, unknownPolicy });
  return String(page.body);
}

test('who is governed by what, what is missing, what is doubtful', () => {
  expect(text(status)).toBe(
    `local configuration /etc/mesh.yaml: 8 workloads, 0 services, 4 policies
  in force, read 1970-01-01T00:00:00.000Z, sha256 ab12

POLICY              ACTION         SCOPE             RULES  APPLIES TO
default/only-sleep  Allow          WorkloadSelector  1      default/pb
default/spare       Deny           WorkloadSelector  1      no workload names it
default/try         Deny, dry-run  Namespace         2      namespace default
istio-system/all    Allow          Global            1      all workloads

MISSING       NAMED BY (connections to them are denied)
default/gone  default/pb d/w1 d/w2 d/w3 d/w4 and 3 more

DOUBTFUL
default/only-sleep rules[0][0][0].principals[0]: nobody has this principal: they are compared without spiffe://
default/spare spec.rules[1]: applies without what is HTTP: only a waypoint can judge methods, paths
`,
  );
});

test('a refusal is told beside the version that stays in force, in one line and without control characters', () => {
  expect(text(refused, emptySnapshot)).toBe(
    `local configuration /etc/mesh.yaml: 0 workloads, 0 services, 0 policies
  in force, read 1970-01-01T00:00:00.000Z, sha256 ab12
  REFUSED 1970-01-01T00:00:01.000Z, the version above stays in force: policies[0].action: unknown variant \`\\u{1b}[2J\`

no policies: nothing is denied
`,
  );
});

test.each([
  { localConfig: undefined, has: 'no local configuration\n' },
  { localConfig: { ...status, inForce: undefined }, has: '  not yet taken by every data thread\n' },
  { localConfig: { ...status, path: undefined }, has: 'local configuration of LOCAL_XDS: ' },
])('$has', ({ localConfig, has }) => {
  expect(text(localConfig)).toContain(has);
});

test('with ZTUNNEL_UNKNOWN_POLICY=skip the page says so', () => {
  expect(text(status, mesh, 'skip')).toContain('NAMED BY (it is skipped)');
});

function pageOf(workload: string) {
  return policiesPage(new URL(`http://x/?workload=${workload}`), { mesh, localConfig: status, unknownPolicy: 'deny' });
}

test('those that govern one workload', () => {
  expect(String(pageOf('default/pb').body)).toBe(
    `local configuration /etc/mesh.yaml: 8 workloads, 0 services, 4 policies
  in force, read 1970-01-01T00:00:00.000Z, sha256 ab12

POLICY              ACTION         SCOPE             RULES  APPLIES TO
default/only-sleep  Allow          WorkloadSelector  1      default/pb
default/try         Deny, dry-run  Namespace         2      namespace default
istio-system/all    Allow          Global            1      all workloads

MISSING       NAMED BY (connections to them are denied)
default/gone  default/pb

DOUBTFUL
default/only-sleep rules[0][0][0].principals[0]: nobody has this principal: they are compared without spiffe://
`,
  );
  expect(String(pageOf('d/w1').body)).not.toContain('default/try');
  expect(pageOf('d/x')).toMatchObject({ status: 404, body: 'no workload d/x is known\n' });
});

test('as data', () => {
  const url = new URL('http://x/?format=json');
  const { body, contentType } = policiesPage(url, { mesh, localConfig: refused, unknownPolicy: 'deny' });
  expect(contentType).toBe('application/json');
  expect(JSON.parse(String(body))).toMatchObject({
    localConfig: {
      path: '/etc/mesh.yaml',
      inForce: { sha256: 'ab12', readAt: '1970-01-01T00:00:00.000Z' },
      refused: { message: expect.stringContaining('unknown variant'), sha256: null, at: '1970-01-01T00:00:01.000Z' },
      refusals: 3,
    },
    unknownPolicy: 'deny',
    policies: [
      {
        name: 'only-sleep',
        action: 'Allow',
        rules: [[[{ principals: [{ Exact: 'spiffe://td/ns/a/sa/b' }] }]]],
        namedBy: ['default/pb'],
      },
      { name: 'spare', namedBy: [] },
      { name: 'try' },
      { name: 'all' },
    ],
    missing: [{ policy: 'default/gone', namedBy: { length: 8 } }],
    doubts: [
      { policy: 'default/only-sleep', path: 'rules[0][0][0].principals[0]' },
      { policy: 'default/spare', path: 'spec.rules[1]' },
    ],
  });
});

const many = snapshotOf(
  parseLocalConfig(
    `policies:\n${Array.from(
      { length: 300 },
      (_, n) =>
        `- {name: p${String(n).padStart(3, '0')}, namespace: n${n % 3}, scope: Namespace, action: Deny, dryRun: false, rules: []}\n`,
    ).join('')}`,
  ),
);

function manyPage(query: string) {
  return policiesPage(new URL(`http://x/?${query}`), { mesh: many, localConfig: status, unknownPolicy: 'deny' });
}

test('of many policies the first hundred are shown, with the number of all', () => {
  const lines = String(manyPage('').body).split('\n');
  expect(lines.filter((line) => / Deny /.test(line))).toHaveLength(100);
  expect(lines).toContain('100 of 300 policies shown: narrow with ?namespace=N or ?workload=N/W, or raise ?limit=N');
  const data = JSON.parse(String(manyPage('format=json').body));
  expect(data).toMatchObject({ policyCount: 300, policies: { length: 100 } });
});

test.each([
  { query: 'limit=3', shown: 3, count: 300 },
  { query: 'limit=300', shown: 300, count: 300 },
  { query: 'namespace=n1&limit=2', shown: 2, count: 100 },
  { query: 'namespace=n1', shown: 100, count: 100 },
  { query: 'namespace=other', shown: 0, count: 0 },
])('?$query: $shown of $count', ({ query, shown, count }) => {
  const { policyCount, policies } = JSON.parse(String(manyPage(`format=json&${query}`).body));
  expect([policies.length, policyCount]).toEqual([shown, count]);
  expect(String(manyPage(query).body).includes(' policies shown: ')).toBe(shown < count);
});

test.each(['limit=0', 'limit=-1', 'limit=x', 'limit=1.5', 'limit=99999999999999999999'])('?%s is refused', (query) => {
  expect(manyPage(query)).toMatchObject({ status: 400, body: 'invalid limit; expected a number from 1 to 100000\n' });
});

test('of those who name a policy not all are listed, but counted', () => {
  const workloads = Array.from(
    { length: 30 },
    (_, n) => `- {name: w${n}, namespace: d, workloadIps: [], services: {}, authorizationPolicies: [d/gone]}\n`,
  );
  const snapshot = snapshotOf(parseLocalConfig(`workloads:\n${workloads.join('')}`));
  const url = new URL('http://x/?format=json&limit=20');
  const { body } = policiesPage(url, { mesh: snapshot, localConfig: status, unknownPolicy: 'deny' });
  expect(JSON.parse(String(body))).toMatchObject({
    missingCount: 1,
    missing: [{ policy: 'd/gone', namedBy: { length: 20 }, namedByCount: 30 }],
  });
});

test('a policy that another one has replaced is doubtful', () => {
  const repeated = [
    { policy: 'default/try', index: 2, message: 'replaces policies[0] (line 2), which has the same name' },
  ];
  expect(text({ ...status, repeated })).toContain(
    'DOUBTFUL\ndefault/try policies[2]: replaces policies[0] (line 2), which has the same name\n',
  );
});
