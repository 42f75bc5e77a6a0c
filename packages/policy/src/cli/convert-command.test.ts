import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { runForTest } from '../testing/run-for-test.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/conversion');
const read = (file: string): string => readFileSync(join(FIXTURES, file), 'utf8');
const parseAll = (text: string): readonly unknown[] => parseAllDocuments(text).map((document) => document.toJS());

const VECTORS = readdirSync(join(FIXTURES, 'l4'))
  .filter((file) => file.endsWith('-in.yaml'))
  .map((file) => file.replace('-in.yaml', ''));

test.each(VECTORS)('%s, as a file', async (name) => {
  const { code, output } = await runForTest(['convert', 'in.yaml'], { 'in.yaml': read(`l4/${name}-in.yaml`) });
  const expected = read(`l4/${name}.yaml`);
  expect(code).toBe(0);
  expect(output === '' ? null : parse(output)).toEqual(parse(expected));
  expect(parseAllDocuments(output, { version: '1.1' })[0]?.toJS() ?? null).toEqual(parse(expected));
});

test('many objects are many documents', async () => {
  const { output, error } = await runForTest(['convert', 'in.yaml'], { 'in.yaml': read('xds/ap-convert/input.yaml') });
  expect(parseAll(output)).toHaveLength(9);
  expect(error.split('\n')).toEqual([
    '2 documents of other kinds are left out',
    expect.stringContaining(
      'in.yaml:49:74: warning: spec.rules[0].from[0].source.ipBlocks[4]: want an address or a range',
    ),
    expect.stringContaining('in.yaml:73:31: warning: spec.rules[0].to[0].operation.ports[2]: want a port'),
    expect.stringContaining('ports[3]'),
    expect.stringContaining('ports[4]'),
    expect.stringContaining('default/service-account-when is sent: ztunnel does not support HTTP attributes'),
    '',
  ]);
});

test.each([
  {
    workload: ['--namespace', 'default', '--labels', 'app=a,tier=x'],
    comment: [
      '# a workload in default with app=a,tier=x',
      '# authorization_policies:',
      '# - default/sel',
      '# - default/sel2',
      '# - istio-system/root-sel',
    ],
    names: ['allow-nothing', 'deny-nothing', 'global', 'ns-wide', 'root-sel', 'sel', 'sel2'],
  },
  {
    workload: ['--namespace', 'other'],
    comment: ['# a workload in other without labels', '# authorization_policies: []'],
    names: ['global'],
  },
])('what governs $workload', async ({ workload, comment, names }) => {
  const { output } = await runForTest(['convert', 'in.yaml', ...workload], {
    'in.yaml': read('xds/ap-scopes/input.yaml'),
  });
  expect(output.split('\n').slice(0, comment.length)).toEqual(comment);
  const found = parseAll(output).map((message) => Object.assign({ name: '' }, message).name);
  expect(found.toSorted()).toEqual(names);
});

test('the policy behind STRICT is printed for a workload that names it, and for none else', async () => {
  const files = { 'in.yaml': read('xds/pa-ports/input.yaml') };
  const all = await runForTest(['convert', 'in.yaml'], files);
  expect(all.output).not.toContain('static_strict');
  const one = await runForTest(['convert', 'in.yaml', '--namespace', 'default', '--labels', 'app=d'], files);
  expect(one.output).toBe(`# a workload in default with app=d
# authorization_policies:
# - istio-system/istio_converted_static_strict
action: DENY
groups:
  - rules:
      - matches:
          - notPrincipals:
              - presence: {}
name: istio_converted_static_strict
namespace: istio-system
scope: WORKLOAD_SELECTOR
`);
});

test('the root namespace may be another one', async () => {
  const args = ['convert', 'in.yaml', '--root-namespace', 'mesh-root', '--namespace', 'default', '--labels', 'app=a'];
  const { output } = await runForTest(args, { 'in.yaml': read('xds/mesh-trust-domain/input.yaml') });
  expect(output.split('\n').slice(1, 4)).toEqual([
    '# authorization_policies:',
    '# - mesh-root/gs',
    '# - mesh-root/istio_converted_static_strict',
  ]);
});

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop, annotations: {istio.io/dry-run: 'true'}}
spec: {rules: [{from: [{source: {namespaces: ['on', '1:20', 'y']}}]}]}
`;

test('dry-run policies are sent if asked for', async () => {
  const files = { '-': POLICY };
  expect(await runForTest(['convert', '-'], files)).toMatchObject({
    code: 0,
    output: '',
    error: expect.stringMatching(/^standard input:1:1: shop\/p is not sent: found policy "shop\/p" using dry-run/),
  });
  const { output, error } = await runForTest(['convert', '-', '--dry-run'], files);
  expect(error).toBe('');
  expect(parse(output)).toMatchObject({ name: 'p', dryRun: true });
  // As Kubernetes reads it, too.
  expect(parse(output, { version: '1.1' })).toEqual(parse(output));
});

test.each([
  {
    spec: '{mtls: {mode: STRICT}}',
    why: 'the workloads that it makes STRICT name istio-system/istio_converted_static_strict (--namespace shows that)',
  },
  {
    spec: "{selector: {matchLabels: {app: a}}, portLevelMtls: {'80': {mode: PERMISSIVE}}}",
    why: 'the modes of its ports are those that hold without it',
  },
  { spec: '{mtls: {mode: PERMISSIVE}}', why: 'it refuses no plain text, but may lift what a wider object refuses' },
])('a PeerAuthentication $spec is no message: why', async ({ spec, why }) => {
  const text = `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: shop}\nspec: ${spec}\n`;
  const told = { code: 0, output: '', error: `standard input:1:1: shop/p is no message of its own: ${why}\n` };
  expect(await runForTest(['convert', '-'], { '-': text })).toMatchObject(told);
  expect((await runForTest(['convert', '-', '--namespace', 'shop'], { '-': text })).error).toBe('');
});

test('an object without namespace would be sent', async () => {
  const text = POLICY.replace(', namespace: shop', '').replace(/, annotations: .*/, '}');
  const http = text.replace('[{from', '[{to: [{operation: {methods: [GET]}}]}, {from');
  expect((await runForTest(['convert', '-'], { '-': http })).error.split('\n')).toEqual([
    expect.stringContaining('warning: metadata.namespace: is missing'),
    expect.stringContaining('/p would be sent: ztunnel does not support HTTP attributes'),
    '',
  ]);
});

test('an object without namespace governs no workload that anybody knows', async () => {
  const text = POLICY.replace(', namespace: shop', '').replace(/, annotations: .*/, '}');
  expect(await runForTest(['convert', '-', '--namespace', 'other'], { '-': text })).toMatchObject({
    code: 2,
    output: '',
    error: expect.stringContaining('standard input:3:1: metadata.namespace: is missing: '),
  });
});

test('what has no meaning for node proxies is no error', async () => {
  const text = POLICY.replace(/, annotations: .*/, '}').replace('{rules', '{action: CUSTOM, rules');
  expect(await runForTest(['convert', '-'], { '-': text })).toMatchObject({
    code: 0,
    error: expect.not.stringContaining('error:'),
  });
});

test('what is for a waypoint is told', async () => {
  const text = POLICY.replace(/, annotations: .*/, '}').replace(
    '{rules',
    '{targetRefs: [{kind: Gateway, name: w}], rules',
  );
  expect(await runForTest(['convert', '-'], { '-': text })).toMatchObject({
    code: 0,
    output: '',
    error: 'standard input:1:1: shop/p is not sent: it is for a waypoint: it has a target\n',
  });
});

test.each([
  { args: ['convert'], says: 'convert FILE…' },
  { args: ['convert', '-', '--namespace', ''], says: '--namespace "": want the namespace of a workload' },
  { args: ['convert', '-', '--labels', 'app=a'], says: '--labels wants --namespace' },
  { args: ['convert', '-', '--namespace', 'n', '--labels', 'app'], says: 'want labels such as app=web' },
  { args: ['convert', '-', '--namespace', 'n', '--labels', 'a=b,a=c'], says: 'a is there twice' },
  { args: ['convert', '-'], says: 'standard input:4:8: spec.rules: want a list, not a map' },
])('$args is an error: $says', async ({ args, says }) => {
  const { code, output, error } = await runForTest(args, { '-': POLICY.replace(/\[\{from.*\]/, '{}') });
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(error).toContain(says);
  expect(error.trimEnd()).not.toContain('\n');
});

const admitting = (namespaces: string) =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {rules: [{from: [{source: {namespaces: [${namespaces}]}}]}]}\n`;

test('of two objects that are one, the later is converted, and that is told', async () => {
  const { code, output, error } = await runForTest(['convert', 'a'], {
    a: `${admitting('one')}---\n${admitting('two')}`,
  });
  expect({ code, error }).toEqual({
    code: 0,
    error: 'a:8:18: warning: AuthorizationPolicy shop/p is at a:3:18, too: this one replaces it\n',
  });
  expect(parseAll(output)).toMatchObject([
    { groups: [{ rules: [{ matches: [{ namespaces: [{ exact: 'two' }] }] }] }] },
  ]);
});
