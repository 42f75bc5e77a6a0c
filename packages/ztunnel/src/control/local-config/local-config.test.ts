import { readFile } from 'node:fs/promises';
import { compile } from '@ambientmesh/policy';
import { expect, test } from 'vitest';
import { parseLocalConfig } from './local-config.ts';

const workload = (more: string): string =>
  `workloads:\n- {name: a, namespace: default, workloadIps: [10.1.1.1], ${more}}\n`;
const service = (vips: string): string =>
  `services:\n- {name: s, namespace: default, hostname: h, vips: [${vips}], ports: {80: 80}}\n`;
const denyAll = (name: string): string =>
  `- {name: ${name}, namespace: d, scope: Global, action: Deny, dryRun: false, rules: []}\n`;

test.each([
  { text: 'nonsense: 1\n', message: 'unknown field `nonsense`, expected one of `workloads`, `policies`, `services`' },
  { text: workload('services: {}, colour: red'), message: 'workloads[0]: unknown field `colour` at line 2 column 3' },
  { text: workload('node: n'), message: 'workloads[0]: missing field `services` at line 2 column 3' },
  {
    text: workload('services: {}, services: {}'),
    message: 'workloads[0]: duplicate field `services` at line 2 column 3',
  },
  { text: workload('services: {nohost: {80: 80}}'), message: 'failed to parse namespaced hostname: nohost' },
  {
    text: workload('services: {}, protocol: QUIC'),
    message: 'workloads[0]: unknown variant `QUIC`, expected `TCP` or `HBONE` at line 2 column 3',
  },
  {
    text: 'workloads:\n- {name: a, namespace: default, workloadIps: [10.1.1.999], services: {}}\n',
    message: 'workloads[0]: invalid IP address syntax at line 2 column 3',
  },
  {
    text: service('10.0.0.1'),
    message:
      'services[0].vips[0]: invalid value: string "10.0.0.1", expected string for NetworkAddress with format network/IP at line 2 column 53',
  },
  {
    text: 'policies:\n- {name: p, namespace: d, scope: Namespace, action: Audit, dryRun: false, rules: []}\n',
    message: 'policies[0].action: unknown variant `Audit`, expected `Allow` or `Deny` at line 2 column 53',
  },
  {
    text: 'policies:\n- {name: p, namespace: d, scope: Global, action: Deny, dryRun: false, rules: [[[{principals: [{Exact: x}]}]]]}\n',
    message: /^policies\[0\]\.rules\[0\]\[0\]\[0\]\.principals\[0\]: invalid value: expected a YAML tag/,
  },
  {
    text: 'policies:\n- {name: p, namespace: d, scope: Global, action: Deny, dryRun: false, rules: [], sauce: 1}\n',
    message:
      'policies[0]: unknown field `sauce`, expected one of `name`, `namespace`, `scope`, `action`, `rules`, `dryRun` at line 2 column 82',
  },
  {
    text: 'policies:\n- {name: p, namespace: d, scope: Global, action: Deny, dryRun: false, rules: [], source: {kind: Pod}}\n',
    message: /^policies\[0\]: policy d\/p: source\.kind: want AuthorizationPolicy, /,
  },
  { text: 'workloads: [\n', message: /^local configuration: / },
])('refused: $message', ({ text, message }) => {
  expect(() => parseLocalConfig(text)).toThrow(
    expect.objectContaining({
      code: 'ZTUNNEL_LOCAL_CONFIG_INVALID',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    }),
  );
});

test.each(['', '{}\n', '# nothing\n', 'workloads: []\n', 'workloads:\npolicies:\n'])('an empty one: %j', (text) => {
  expect(parseLocalConfig(text)).toEqual({ workloads: [], services: [], policies: [], repeated: [] });
});

test.each(['', '# nothing\n', '---\n', '~\n', 'null\n', '---\n# begun\n'])(
  'no document does not replace one: %j',
  (text) => {
    expect(() => parseLocalConfig(text, { policies: 0 })).toThrow(
      'the file says nothing (is it being written?); `{}` removes everything',
    );
  },
);

test.each(['workloads: []\n', 'workloads: []\npolicies:\n', 'policies: ~\n', 'policies: null\n'])(
  'policies are not removed by not being told of: %j',
  (text) => {
    expect(() => parseLocalConfig(text, { policies: 2 })).toThrow(
      '`policies` is missing and 2 are in force (is the file being written?); `policies: []` removes them',
    );
    expect(parseLocalConfig(text, { policies: 0 }).policies).toEqual([]);
  },
);

test.each(['{}\n', '{} # nothing at all\n', 'policies: []\n', 'workloads: []\npolicies: []\n'])(
  'policies are removed on purpose: %j',
  (text) => {
    expect(parseLocalConfig(text, { policies: 2 }).policies).toEqual([]);
  },
);

test('of two policies with one key the later one counts, and both places are told', () => {
  const { policies, repeated } = parseLocalConfig(
    `policies:\n${denyAll('a')}${denyAll('b')}${denyAll('a')}${denyAll('a')}`,
  );
  expect(policies).toHaveLength(4);
  expect(repeated).toEqual([
    { policy: 'd/a', index: 2, message: 'replaces policies[0] (line 2), which has the same name' },
    { policy: 'd/a', index: 3, message: 'replaces policies[2] (line 4), which has the same name' },
  ]);
});

test.each([
  { text: (long: string) => `"${long}"`, start: 'invalid type: string "xxx' },
  { text: (long: string) => `policies: "${long}"`, start: 'policies: invalid type: string "xxx' },
  { text: (long: string) => `"${long}": 1`, start: 'unknown field `xxx' },
  {
    text: (long: string) => workload(`services: {}, protocol: "${long}"`),
    start: 'workloads[0]: unknown variant `xxx',
  },
  { text: (long: string) => workload(`services: {"${long}": 1}`), start: 'failed to parse namespaced hostname: xxx' },
  { text: (long: string) => workload(`services: {"a/${long}": {x: 1}}`), start: 'workloads[0]: invalid value: x' },
  { text: (long: string) => workload(`services: {a/b: {"${long}": 1}}`), start: 'workloads[0]: invalid value: xxx' },
  { text: (long: string) => service(`"${long}"`), start: 'services[0].vips[0]: invalid value: string "xxx' },
  {
    text: (long: string) =>
      `services:\n- {name: s, namespace: d, hostname: h, vips: [], ports: {"${long}": 1, "${long}2": x}}`,
    start: 'services[0].ports: invalid value: xxx',
  },
  {
    text: (long: string) =>
      `policies:\n- {name: p, namespace: d, scope: Global, action: Deny, dryRun: false, rules: [[[{sourceIps: ["${long}"]}]]]}\n`,
    start: 'policies[0].rules[0][0][0].sourceIps[0]: invalid address range: xxx',
  },
  {
    text: (long: string) =>
      `policies:\n- {name: "${long}", namespace: d, scope: Global, action: Deny, dryRun: false, rules: [], source: {kind: "${long}"}}\n`,
    start: 'policies[0]: policy d/xxx',
  },
  { text: (long: string) => `policies: !${long} "`, start: 'local configuration: ' },
])('a message repeats the beginning of a value only: $start', ({ text, start }) => {
  const error = messageOf(() => parseLocalConfig(text('x'.repeat(100_000))));
  expect(error.slice(0, start.length)).toBe(start);
  expect(error.length).toBeLessThan(400);
});

function messageOf(fails: () => unknown): string {
  try {
    fails();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('has not failed');
}

test('the example of the README', async () => {
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const { workloads, services, policies } = parseLocalConfig(/```yaml\n(.*?)```/s.exec(readme)?.[1] ?? '');
  expect(workloads[0]?.workload.authorizationPolicies).toEqual(['default/only-sleep']);
  expect(workloads[0]?.endpoints).toMatchObject([{ service: 'default/httpbin.default.svc.cluster.local' }]);
  expect([services[0]?.hostname, policies[0]?.scope]).toEqual([
    'httpbin.default.svc.cluster.local',
    'WorkloadSelector',
  ]);
});

test('a workload with its endpoints; defaults of files', () => {
  const { workloads } = parseLocalConfig(
    workload(
      "services: {default/h: {80: 8080}}, status: Unhealthy, waypoint: {destination: '/FD00::0:1', hboneMtlsPort: 15008}",
    ),
  );
  expect(workloads).toHaveLength(1);
  expect(workloads[0]).toMatchObject({
    workload: {
      name: 'a',
      trustDomain: '',
      serviceAccount: 'default',
      clusterId: '',
      capacity: 1,
      protocol: 'TCP',
      ips: ['10.1.1.1'],
      healthy: false,
      waypoint: { destination: { kind: 'address', network: '', ip: 'fd00::1' }, hbonePort: 15_008 },
    },
    endpoints: [{ service: 'default/h', ports: new Map([[80, 8080]]), healthy: false }],
  });
});

test('a policy with every kind of text match', () => {
  const { policies } = parseLocalConfig(
    'policies:\n- {name: p, namespace: d, scope: Namespace, action: Allow, dryRun: false, rules: [[[{principals: [!Exact x, !Prefix y, !Suffix z, !Presence []], unheard: 1, sourceIps: [10.0.0.0/8]}]]]}\n',
  );
  expect(policies[0]?.rules[0]?.[0]?.[0]).toMatchObject({
    principals: [
      { kind: 'exact', value: 'x' },
      { kind: 'prefix', value: 'y' },
      { kind: 'suffix', value: 'z' },
      { kind: 'presence' },
    ],
    sourceIps: [{ address: '10.0.0.0', length: 8 }],
  });
});

test('policy.md §7.11 f: a v4-mapped range stays a v6 range, which holds no v4 address', () => {
  const { policies } = parseLocalConfig(
    'policies:\n- {name: p, namespace: d, scope: Namespace, action: Allow, dryRun: false, rules: [[[{sourceIps: ["::ffff:10.0.0.0/24", "::FFFF:127.0.0.1/128"]}]]]}\n',
  );
  expect(policies[0]?.rules[0]?.[0]?.[0]?.sourceIps).toEqual([
    { address: '::ffff:a00:0', length: 24 },
    { address: '::ffff:7f00:1', length: 128 },
  ]);
  expect(
    compile(policies).evaluate(
      { identity: undefined, sourceIp: '10.0.0.9', destinationIp: '10.0.0.1', destinationPort: 1 },
      { namespace: 'd', authorizationPolicies: [] },
    ),
  ).toMatchObject({ allowed: false });
});

test('what a policy was made of is kept for explanations', () => {
  const source =
    '{kind: AuthorizationPolicy, object: d/p, rules: [1], omitted: [{rule: 0, attributes: [methods]}], ignored: []}';
  const { policies } = parseLocalConfig(
    `policies:\n- {name: p, namespace: d, scope: Global, action: Allow, dryRun: false, rules: [[]], source: ${source}}\n`,
  );
  expect(policies[0]?.source).toMatchObject({ object: 'd/p', omitted: [{ rule: 0, attributes: ['methods'] }] });
});
