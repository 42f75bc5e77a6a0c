import { describe, expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

const OBJECTS = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow-sleep, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/sleep]}}]
    to: [{operation: {methods: [GET]}}]
  - from: [{source: {principals: [cluster.local/ns/shop/sa/sleep]}}]
    to: [{operation: {ports: ["8080"]}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
`;
const RANGES = `{name: ranges, namespace: shop, scope: NAMESPACE, groups: [{rules: [{matches: [{source_ips: [{address: CgAAAA==, length: 8}]}]}]}]}\n`;
const SELECTED = `{name: selected, namespace: shop, scope: WORKLOAD_SELECTOR, action: DENY, groups: [{}]}\n`;
const OWN = `{name: own, namespace: shop, scope: Namespace, action: Deny, dryRun: false, rules: [[[{destinationIps: [{address: 10.0.0.0, length: 8}]}]]]}\n`;
const FILES = { o: OBJECTS, ranges: RANGES, selected: SELECTED, own: OWN, empty: '' };

const explain = (file: string, ...args: readonly string[]) => runForTest(['explain', file, ...args], FILES);
const to = ['--to', 'shop/app=api', '--port', '8080'] as const;

test('a denied connection ends in exit code 1, its reason in the first two lines', async () => {
  const { code, output, error } = await explain('o', '--from', 'cluster.local/ns/shop/sa/batch', ...to);
  expect({ code, error }).toEqual({ code: 1, error: '' });
  expect(output.split('\n').slice(0, 4)).toEqual([
    'DENIED cluster.local/ns/shop/sa/batch -> port 8080 in namespace shop: by shop/allow-sleep, the only ALLOW policy, which does not admit it',
    'rule 2 of shop/allow-sleep failed on `principals` only: wanted cluster.local/ns/shop/sa/sleep, got cluster.local/ns/shop/sa/batch',
    '  note: shop/allow-sleep: rule 1 is left out: `methods` (HTTP) only a waypoint can judge, so less is allowed than written',
    '  would pass if the principal were cluster.local/ns/shop/sa/sleep (rule 2 of shop/allow-sleep)',
  ]);
});

test.each([
  ['an admitted client', 'cluster.local/ns/shop/sa/sleep', 0, 'by ALLOW policy shop/allow-sleep'],
  ['as certificates name it', 'spiffe://cluster.local/ns/shop/sa/sleep', 0, 'by ALLOW policy shop/allow-sleep'],
  ['plain text', 'none', 1, 'by DENY policy istio-system/istio_converted_static_strict'],
])('--from: %s', async (_name, from, code, text) => {
  const result = await explain('o', '--from', from, ...to);
  expect(result.code).toBe(code);
  expect(result.output).toContain(text);
});

test.each([
  ['other labels', 'shop/app=web', 'no ALLOW policy applies'],
  ['no labels', 'shop', 'no ALLOW policy applies'],
  ['an empty list of labels', 'shop/', 'no ALLOW policy applies'],
  ['more labels', 'shop/tier=x,app=api', 'by ALLOW policy shop/allow-sleep'],
  ['another namespace', 'x/app=api', 'no ALLOW policy applies'],
])('--to: %s', async (_name, target, text) => {
  const { code, output } = await explain(
    'o',
    '--from',
    'cluster.local/ns/shop/sa/sleep',
    '--to',
    target,
    '--port',
    '8080',
  );
  expect(code).toBe(0);
  expect(output).toContain(text);
});

const policy = (name: string, spec: string, namespace = 'shop') =>
  `---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: ${spec}\n`;
const peer = (name: string, spec: string, namespace = 'shop') =>
  policy(name, spec, namespace).replace('AuthorizationPolicy', 'PeerAuthentication');

const lines = async (files: string, target: string): Promise<readonly string[]> => {
  const args = ['explain', '-', '--from', 'none', '--to', target, '--port', '8080'];
  const { output } = await runForTest(args, { '-': files });
  return output.trimEnd().split('\n').slice(1);
};

const strictBy = (object: string) => `  PeerAuthentication ${object} STRICT: denies clients without a certificate`;

describe('what was read and does not apply is told', () => {
  test('with the reason of each', async () => {
    const read = [
      policy('viewer', '{selector: {matchLabels: {app: httpbin}}}'),
      policy('gateway', '{targetRefs: [{kind: Gateway, name: w}]}'),
      policy('audit', '{action: AUDIT}'),
      policy('empty', '{selector: {}}'),
      policy('other', '{}', 'bank'),
      peer('open', '{mtls: {mode: PERMISSIVE}}'),
      peer('later', '{mtls: {mode: STRICT}}'),
      peer('strict', '{mtls: {mode: STRICT}}', 'istio-system'),
      peer('root', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}', 'istio-system'),
    ].join('');
    expect(await lines(read.replace('name: open', 'name: already-open'), 'shop')).toEqual([
      '',
      'no policy applies',
      'read, but not for this workload:',
      '  shop/viewer selects app=httpbin; the workload has no labels',
      '  shop/gateway is for a waypoint, node proxies do not get it',
      '  shop/audit has action AUDIT, node proxies do not get it',
      '  shop/empty has an empty selector, which selects no workload',
      '  bank/other is for namespace bank',
      '  shop/already-open is PERMISSIVE: it refuses no plain text',
      '  shop/later does not count: shop/already-open does',
      '  istio-system/strict does not count: shop/already-open does',
      '  istio-system/root selects workloads, which has no effect in the root namespace',
    ]);
    expect(await lines(policy('viewer', '{selector: {matchLabels: {app: httpbin}}}'), 'shop/app=htpbin')).toContain(
      '  shop/viewer selects app=httpbin; the workload has app=htpbin',
    );
  });

  test('a namespace that nothing is for; nothing at all', async () => {
    expect((await lines(policy('a', '{}') + policy('b', '{}', 'bank'), 'httpbin')).slice(2)).toEqual([
      'nothing that was read is for namespace httpbin:',
      '  shop/a is for namespace shop',
      '  bank/b is for namespace bank',
    ]);
    expect((await lines('', 'httpbin')).slice(2)).toEqual(['no policies were read']);
  });

  test('of STRICT, the object that counts', async () => {
    const mesh = peer('mesh', '{mtls: {mode: STRICT}}', 'istio-system');
    const own = peer('own', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}');
    expect(await lines(mesh + own, 'shop/app=a')).toContain(strictBy('shop/own'));
    expect(await lines(mesh + own, 'shop/app=b')).toContain(strictBy('istio-system/mesh'));
    const ports = own.replace('mode: STRICT}', "mode: STRICT}, portLevelMtls: {'1': {mode: DISABLE}}");
    expect(await lines(mesh + ports, 'shop/app=a')).toContain('  istio-system/mesh does not count: shop/own does');
  });

  test('as data', async () => {
    const args = ['--from', 'none', '--to', 'bank', '--port', '8080', '--json'];
    expect(JSON.parse((await explain('ranges', ...args)).output)).toMatchObject({
      unapplied: [{ object: 'shop/ranges', why: 'is for namespace shop' }],
    });
  });
});

test('--root-namespace', async () => {
  const { output } = await explain('o', '--from', 'none', ...to, '--root-namespace', 'root');
  expect(output).toContain('by DENY policy root/istio_converted_static_strict');
});

test('--json', async () => {
  const { code, output } = await explain('o', '--from', 'none', ...to, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(output)).toMatchObject({
    decision: { allowed: false, code: 'DENIED', policy: 'istio-system/istio_converted_static_strict', rule: 0 },
    workload: {
      namespace: 'shop',
      authorizationPolicies: ['shop/allow-sleep', 'istio-system/istio_converted_static_strict'],
    },
  });
});

describe('messages and policies of this package', () => {
  test.each([
    ['a message', 'ranges', ['--source-ip', '10.0.0.1'], 0],
    ['a message that does not admit', 'ranges', ['--source-ip', '11.0.0.1'], 1],
    ['a policy', 'own', ['--destination-ip', '10.0.0.1'], 1],
    ['a message that the workload names', 'selected', ['--policy', 'shop/selected'], 1],
    ['a policy that is named and missing', 'selected', ['--policy', 'shop/gone', '--policy', 'shop/selected'], 1],
    ['nothing', 'empty', [], 0],
  ])('%s', async (_name, file, args, code) => {
    expect(await explain(file, '--from', 'none', ...to, ...args)).toMatchObject({ code, error: '' });
  });

  test('one for workloads that name it, which nobody says', async () => {
    const { code, output, error } = await explain('selected', '--from', 'none', ...to);
    expect(code).toBe(0);
    expect(error).toBe('shop/selected is left out: it is for workloads that name it (--policy shop/selected)\n');
    expect(output.trimEnd().split('\n').slice(-3)).toEqual([
      'no policy applies',
      'read, but not for this workload:',
      '  shop/selected is for workloads that name it',
    ]);
  });
});

describe('errors end in exit code 2 and one line', () => {
  test.each([
    ['no file', [], 'explain wants files: explain FILE…'],
    ['no client', ['o', ...to], 'explain wants --from PRINCIPAL|none, --to NAMESPACE[/LABELS] and --port PORT'],
    [
      'a client that is none',
      ['o', '--from', 'sleep', ...to],
      '--from "sleep": want TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT or none',
    ],
    [
      'a target that is none',
      ['o', '--from', 'none', '--to', 'app=api', '--port', '1'],
      '--to "app=api": want NAMESPACE or NAMESPACE/LABELS',
    ],
    [
      'labels that are none',
      ['o', '--from', 'none', '--to', 'shop/api', '--port', '1'],
      '--to "api": want labels such as',
    ],
    [
      'a port that is none',
      ['o', '--from', 'none', '--to', 'shop', '--port', '65536'],
      '--port "65536": want 1 to 65535',
    ],
    ['port 0', ['o', '--from', 'none', '--to', 'shop', '--port', '0'], '--port "0": want 1 to 65535'],
    [
      'an address that is none',
      ['o', '--from', 'none', ...to, '--source-ip', 'x'],
      '--source-ip "x": want IPv4 or IPv6',
    ],
    [
      'an address that a policy asks for',
      ['ranges', '--from', 'none', ...to],
      'policy shop/ranges asks for the address: want --source-ip IP',
    ],
    [
      'a destination that a policy asks for',
      ['own', '--from', 'none', ...to],
      'policy shop/own asks for the address: want --destination-ip IP',
    ],
    ['an option that is none', ['o', '--form', 'none'], '--form'],
  ])('%s', async (_name, args, message) => {
    const { code, output, error } = await runForTest(['explain', ...args], FILES);
    expect({ code, output }).toEqual({ code: 2, output: '' });
    expect(error).toContain(message);
    expect(error.split('\n')).toHaveLength(2);
  });
});

test('an address of zeros is one; an object without a namespace gets that of the option', async () => {
  const args = ['ranges', '--from', 'none', '--to', 'shop', '--port', '80'];
  expect(await runForTest(['explain', ...args], FILES)).toMatchObject({ code: 2 });
  expect(await runForTest(['explain', ...args, '--source-ip', '0.0.0.0'], FILES)).toMatchObject({ code: 1, error: '' });
  const files = { o: OBJECTS.replaceAll(', namespace: shop', '') };
  const asked = ['explain', 'o', '--from', 'none', ...to];
  const missing = { code: 2, error: expect.stringContaining('metadata.namespace: is missing') };
  expect(await runForTest(asked, files)).toMatchObject(missing);
  expect(await runForTest([...asked, '--namespace', 'shop'], files)).toMatchObject({ code: 1, error: '' });
});
