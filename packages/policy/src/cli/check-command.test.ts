import { expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

const head = (kind: string, name = 'p') =>
  `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {name: ${name}, namespace: shop}\n`;
const GOOD = `${head('AuthorizationPolicy')}spec:\n  rules:\n  - from:\n    - source: {namespaces: [a]}\n`;
const WARNED = `${head('AuthorizationPolicy')}spec:\n  rules:\n  - to:\n    - operation: {methods: [GET]}\n`;
const BAD = `${head('AuthorizationPolicy')}spec:\n  rules:\n  - from:\n    - source:\n        ipBlocks: [10.0.0.0/8, 10.0.0.0/80]\n  action: deny\n`;
const VALUE = BAD.replace('deny', 'DENY');

test('good policies: no output, exit 0', async () => {
  const other = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: 7}\n';
  expect(await runForTest(['check', 'a.yaml'], { 'a.yaml': `${GOOD}---\n${other}---\n` })).toMatchObject({
    code: 0,
    output: '',
    error: '1 policy: 0 errors, 0 warnings\n',
  });
});

test.each([
  { text: BAD, line: 'a.yaml:9:11: error: spec.action: want ALLOW, DENY, AUDIT or CUSTOM, not "deny"' },
  { text: VALUE, line: 'a.yaml:8:32: error: spec.rules[0].from[0].source.ipBlocks[1]: want an address or a range' },
  {
    text: head('AuthorizationPolicies'),
    line: 'a.yaml:2:7: error: kind: want AuthorizationPolicy or PeerAuthentication',
  },
  { text: 'a: [\n', line: 'a.yaml:2:1: error: ' },
  { text: 'name: p\nnamespace: n\nscope: NAMESPACE\ngroups: 7\n', line: 'a.yaml:4:9: error: groups: want a list' },
  { text: 'name: p\nnamespace: n\nscope: Namspace\nrules: []\n', line: 'a.yaml:3:8: error: scope: want ' },
])('an error: exit 1 and the place: $line', async ({ text, line }) => {
  const { code, output, error } = await runForTest(['check', 'a.yaml'], { 'a.yaml': text });
  expect(code).toBe(1);
  expect(output).toContain(line);
  expect(error).toMatch(/^1 policy: [1-9]/);
});

test('warnings are told; they count with --strict only', async () => {
  const files = { 'a.yaml': WARNED };
  const line =
    'a.yaml:7:19: warning: spec.rules[0].to[0].operation.methods: node proxies cannot judge this, so the whole rule is ' +
    'left out: it allows nobody\n';
  const told = { output: line, error: '1 policy: 0 errors, 1 warning\n' };
  expect(await runForTest(['check', 'a.yaml'], files)).toMatchObject({ ...told, code: 0 });
  expect(await runForTest(['check', '--strict', 'a.yaml'], files)).toMatchObject({ ...told, code: 1 });
});

test('objects are compared with each other, over all files', async () => {
  const strict = `${head('PeerAuthentication', 'b')}spec: {mtls: {mode: STRICT}}\n`;
  const { code, output } = await runForTest(['check', 'policies'], {
    'policies/a.yaml': `${GOOD}---\n${strict}`,
    'policies/b.yaml': `${GOOD}---\n${strict.replace('name: b', 'name: a')}`,
  });
  expect(code).toBe(0);
  expect(output.split('\n')).toEqual([
    'policies/a.yaml:9:1: warning: has no effect: shop/a is for the same workloads, and older or first by name',
    'policies/b.yaml:3:18: warning: metadata.name: AuthorizationPolicy shop/p is at policies/a.yaml:3:18, too: the later one replaces it',
    '',
  ]);
});

test('the root namespace may be another one', async () => {
  const files = { '-': `${head('PeerAuthentication')}spec: {selector: {matchLabels: {app: a}}}\n` };
  expect((await runForTest(['check', '-'], files)).output).toBe('');
  expect((await runForTest(['check', '-', '--root-namespace', 'shop'], files)).output).toContain(
    'standard input:4:8: warning: spec.selector: in the root namespace shop',
  );
});

test('without files there is nothing to check', async () => {
  expect(await runForTest(['check'])).toMatchObject({ code: 2, error: expect.stringContaining('check FILE…') });
});
