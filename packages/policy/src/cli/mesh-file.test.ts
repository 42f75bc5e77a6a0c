import { expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

/** As a node proxy is given it (`LOCAL_XDS_PATH`). */
const LOCAL = `workloads:
- {uid: a, name: api-1, namespace: shop, workloadIps: [10.0.0.1], authorizationPolicies: [shop/allow-web]}
- {uid: b, name: batch-1, namespace: shop}
services: []
policies:
- name: allow-web
  namespace: shop
  scope: WorkloadSelector
  action: Allow
  dryRun: false
  rules:
  - - - principals: [!Exact cluster.local/ns/shop/sa/web, !Prefix x, !Suffix y, !Presence []]
        namespaces: [!Exact shop]
        sourceIps: [10.0.0.0/8, "fd00::/8"]
        serviceAccounts: [{namespace: shop, serviceAccount: web}]
    - - destinationPorts: [8080]
- {name: nothing, namespace: other, scope: Namespace, action: Deny, dryRun: false, rules: []}
`;
const POLICY = {
  name: 'allow-web',
  namespace: 'shop',
  scope: 'WorkloadSelector',
  action: 'Allow',
  dryRun: false,
  rules: [[[{ principals: [{ Exact: 'cluster.local/ns/shop/sa/web' }, { Prefix: 'x' }], notSourceIps: ['fd00::/8'] }]]],
};
const DUMP = JSON.stringify({
  config: { proxy: true },
  policies: [POLICY],
  services: [],
  workloads: [{ name: 'api-1', namespace: 'shop', authorizationPolicies: ['shop/allow-web'] }, 7],
});
const FILES = { local: LOCAL, dump: DUMP, list: JSON.stringify([POLICY]), one: JSON.stringify(POLICY) };

const explain = (file: string, from: string, ...more: readonly string[]) => {
  const to = ['--to', 'shop', '--port', '8080', '--source-ip', '10.0.0.7'];
  return runForTest(['explain', file, '--from', `cluster.local/ns/shop/sa/${from}`, ...to, ...more], FILES);
};

test.each(['local', 'dump'])('the policies that a workload names in a %s', async (file) => {
  const admitted = await explain(file, 'web', '--workload', 'api-1');
  expect(admitted).toMatchObject({ code: 0, output: expect.stringContaining('by ALLOW policy shop/allow-web') });
  expect(await explain(file, 'nobody', '--workload', 'api-1')).toMatchObject({
    code: 1,
    output: expect.stringContaining(': wanted '),
  });
});

test('a workload that names none, one that is not there, and none at all', async () => {
  const told = 'shop/allow-web is left out: it is for workloads that name it (--policy shop/allow-web)\n';
  expect(await explain('local', 'batch', '--workload', 'batch-1')).toMatchObject({ code: 0, error: told });
  expect(await explain('local', 'batch')).toMatchObject({ code: 0, error: told });
  expect(await explain('local', 'batch', '--policy', 'shop/allow-web')).toMatchObject({ code: 1 });
  expect(await explain('local', 'batch', '--workload', 'api-2')).toMatchObject({
    code: 2,
    error: 'ambient-policy: --workload api-2: no file has it in namespace shop\n',
  });
});

test.each(['list', 'one'])('policies alone, as a %s', async (file) => {
  expect(await explain(file, 'web', '--policy', 'shop/allow-web')).toMatchObject({ code: 0, error: '' });
});

test('check reads them, with the place of each mistake', async () => {
  expect(
    await runForTest(['check', 'local', 'dump'], { ...FILES, dump: DUMP.replace('allow-web', 'web') }),
  ).toMatchObject({
    code: 0,
    output: 'local:17:84: warning: rules: a DENY policy without rules has no effect\n',
    error: '3 policies: 0 errors, 1 warning\n',
  });
  const wrong = LOCAL.replace('!Prefix x', '{Prefix: x, Exact: y}')
    .replace('10.0.0.0/8', '10.0.0.0/33')
    .replace('[8080]', '[http]');
  const { code, output } = await runForTest(['check', 'local'], { local: wrong });
  expect(code).toBe(1);
  expect(output.split('\n').slice(0, 3)).toEqual([
    'local:12:59: error: rules[0][0][0].principals[1]: want one of Exact, Prefix, Suffix or Presence',
    'local:14:21: error: rules[0][0][0].sourceIps[0]: want a range such as 10.0.0.0/8 or 2001:db8::/32, not "10.0.0.0/33"',
    'local:16:28: error: rules[0][1][0].destinationPorts[0]: want a whole number from 0 to 65535, not "http"',
  ]);
});

test('suites take them, too', async () => {
  const suite = `policies: [local]
workloads:
  web: {namespace: shop, serviceAccount: web, ip: 10.0.0.7}
  api: {namespace: shop, authorizationPolicies: [shop/allow-web]}
tests:
- {from: web, to: api, port: 8080, expect: allow, by: shop/allow-web}
- {from: web, to: api, port: 8081, expect: deny}
`;
  const { code, output } = await runForTest(['test', 'suite.yaml'], { ...FILES, 'suite.yaml': suite });
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('2 passed, 0 failed') });
});
