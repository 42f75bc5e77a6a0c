import { expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

const head = (kind: string, name = 'p') =>
  `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {name: ${name}, namespace: shop}\n`;
const GOOD = `${head('AuthorizationPolicy')}spec:\n  rules:\n  - from:\n    - source: {namespaces: [a]}\n`;
const WARNED = `${head('AuthorizationPolicy')}spec:\n  rules:\n  - to:\n    - operation: {methods: [GET]}\n`;
const BAD = `${head('AuthorizationPolicy')}spec:\n  rules:\n  - from:\n    - source:\n        ipBlocks: [10.0.0.0/8, 10.0.0.0/80]\n  action: deny\n`;
const SUITE =
  'policies: [a.yaml]\nworkloads: {a: {namespace: shop}}\ntests: [{from: a, to: a, port: 1, expect: allow}]\n';
const VALUE = BAD.replace('deny', 'DENY');

test('good policies: no output, exit 0', async () => {
  const other = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: 7}\n';
  expect(await runForTest(['check', 'a.yaml'], { 'a.yaml': `${GOOD}---\n${other}---\n` })).toMatchObject({
    code: 0,
    output: '',
    error: '1 document of another kind is left out\n1 policy: 0 errors, 0 warnings\n',
  });
});

test.each(['security.istio.io.v1', 'security.istioio.io/v1', 'v1'])(
  'a policy of the API %s is an error, for it would be left out silently',
  async (api) => {
    for (const kind of ['AuthorizationPolicy', 'PeerAuthentication']) {
      const files = { 'a.yaml': head(kind).replace('security.istio.io/v1', api), 'suite.yaml': SUITE };
      const told = `a.yaml:1:13: error: apiVersion: want security.istio.io/v1 or security.istio.io/v1beta1, not "${api}"`;
      expect(await runForTest(['check', 'a.yaml'], files)).toMatchObject({ code: 1, output: `${told}\n` });
      const refused = { code: 2, output: '', error: expect.stringContaining('a.yaml:1:13: apiVersion: want') };
      expect(await runForTest(['test', 'suite.yaml'], files)).toMatchObject(refused);
      const args = ['a.yaml', '--from', 'none', '--to', 'shop', '--port', '1'];
      expect(await runForTest(['explain', ...args], files)).toMatchObject(refused);
      expect(await runForTest(['convert', 'a.yaml'], files)).toMatchObject(refused);
    }
  },
);

test('a kind of ours of another mesh is left out with a warning', async () => {
  const text = head('AuthorizationPolicy').replace('security.istio.io/v1', 'policy.linkerd.io/v1alpha1');
  const told =
    'a.yaml:1:13: warning: this AuthorizationPolicy is one of policy.linkerd.io/v1alpha1: it is left out\n' +
    '1 document of another kind is left out\n';
  expect(await runForTest(['check', 'a.yaml'], { 'a.yaml': text })).toMatchObject({
    code: 0,
    error: `${told}0 policies: 0 errors, 0 warnings\n`,
  });
  expect(await runForTest(['convert', 'a.yaml'], { 'a.yaml': text })).toMatchObject({ code: 0, error: told });
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
  {
    text: 'name: ""\nnamespace: n\nscope: Namespace\naction: Deny\ndryRun: false\nrules: [[]]\n',
    line: 'a.yaml:1:7: error: name: want the name of the policy, not ""',
  },
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
    'policies/b.yaml:3:18: warning: metadata.name: AuthorizationPolicy shop/p is at policies/a.yaml:3:18, too: one replaces the other',
    '',
  ]);
});

test('one policy in two forms: told by check, refused where one of them would not be judged', async () => {
  const message = '{name: p, namespace: shop, scope: NAMESPACE, action: DENY, groups: [{}]}\n';
  const own = '{name: p, namespace: shop, scope: Namespace, action: Allow, dryRun: false, rules: []}\n';
  const strict = `${head('PeerAuthentication')}spec: {mtls: {mode: STRICT}}\n`;
  const made = '{name: istio_converted_static_strict, namespace: istio-system, action: DENY, groups: [{}]}\n';
  const pairs = [
    { text: `${GOOD}---\n${GOOD}`, told: 'a.yaml:11:18: AuthorizationPolicy shop/p is at a.yaml:3:18, too' },
    { text: `${GOOD}---\n${message}`, told: 'a.yaml:9:8: shop/p is at a.yaml:3:18, too' },
    { text: `${message}---\n${own}`, told: 'a.yaml:3:8: shop/p is at a.yaml:1:8, too' },
    { text: `${own}---\n${GOOD}`, told: 'a.yaml:5:18: shop/p is at a.yaml:1:8, too' },
    { text: `${strict}---\n${strict}`, told: 'a.yaml:8:18: PeerAuthentication shop/p is at a.yaml:3:18, too' },
    {
      text: `${strict}---\n${made}`,
      told: 'a.yaml:6:8: istio-system/istio_converted_static_strict is at a.yaml:3:18, too',
    },
  ];
  for (const { text, told } of pairs) {
    const files = { 'a.yaml': text, 'suite.yaml': SUITE };
    const refused = { code: 2, output: '', error: `ambient-policy: ${told}: one would replace the other\n` };
    expect(await runForTest(['test', 'suite.yaml'], files)).toMatchObject(refused);
    const args = ['a.yaml', '--from', 'none', '--to', 'shop', '--port', '1'];
    expect(await runForTest(['explain', ...args], files)).toMatchObject(refused);
    const { code, output } = await runForTest(['check', 'a.yaml'], files);
    expect(code).toBe(0);
    const [place = '', what = ''] = told.split(': ');
    expect(output).toMatch(new RegExp(`^${place}: warning: (metadata\\.)?name: ${what}: one replaces the other$`, 'm'));
  }
  const both = `${GOOD}---\n${strict}`;
  expect(await runForTest(['check', 'a.yaml'], { 'a.yaml': both })).toMatchObject({ code: 0, output: '' });
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

test('objects without a namespace get that of the option', async () => {
  const files = { a: GOOD.replace(', namespace: shop', '') };
  expect((await runForTest(['check', 'a'], files)).output).toContain('metadata.namespace: is missing');
  expect(await runForTest(['check', 'a', '--namespace', 'shop'], files)).toMatchObject({ code: 0, output: '' });
});

test('findings are in the order of their places', async () => {
  const text = `${head('AuthorizationPolicy')}spec:\n  action: DENY\n  rules:\n  - to:\n    - operation: {ports: [http], methods: [GET]}\n`;
  const { output } = await runForTest(['check', 'a.yaml'], { 'a.yaml': text });
  const lines = [...output.matchAll(/^a\.yaml:(\d+):(\d+)/gm)].map(([, line, column]) => [
    Number(line),
    Number(column),
  ]);
  expect(lines).toEqual([
    [7, 5],
    [8, 27],
    [8, 34],
  ]);
});

test('what is for a waypoint is no mistake, and told', async () => {
  const files = {
    'a.yaml': `${GOOD}  targetRefs: [{kind: Gateway, name: w}]\n---\n${GOOD.replace('name: p', 'name: q')}`,
  };
  expect(await runForTest(['check', '--strict', 'a.yaml'], files)).toMatchObject({
    code: 0,
    output: '',
    error: '2 policies (1 for a waypoint, which node proxies do not get): 0 errors, 0 warnings\n',
  });
});

test('suites beside policies are checked as such, and other commands leave them out', async () => {
  const files = { 'shop/a.yaml': GOOD, 'shop/suite.yaml': SUITE };
  const summary = '1 policy, 1 suite: 0 errors, 0 warnings\n';
  expect(await runForTest(['check', 'shop'], files)).toMatchObject({ code: 0, output: '', error: summary });
  const wrong = { ...files, 'shop/suite.yaml': SUITE.replace('expect: allow', 'expect: yes, foo: 1') };
  const { code, output } = await runForTest(['check', 'shop'], wrong);
  expect(code).toBe(1);
  expect(output.split('\n')).toEqual([
    expect.stringContaining('shop/suite.yaml:3:43: error: tests[0].expect: want allow or deny'),
    expect.stringContaining('error: tests[0].foo: unknown field'),
    '',
  ]);
  const explained = await runForTest(['explain', 'shop', '--from', 'none', '--to', 'shop', '--port', '1'], files);
  expect(explained.error).toBe('1 document of another kind is left out\n');
});

test('an object without apiVersion and kind is asked for them', async () => {
  const { output } = await runForTest(['check', '-'], { '-': 'metadata: {name: a, namespace: b}\nspec: {}\n' });
  expect(output).toContain('apiVersion: is missing: want security.istio.io/v1\n');
  expect(output).toContain('kind: is missing: want AuthorizationPolicy or PeerAuthentication\n');
});

test('findings for machines', async () => {
  const files = { 'a,1.yaml': VALUE };
  const { output, error } = await runForTest(['check', 'a,1.yaml', '--format', 'json'], files);
  const [finding, ...others]: readonly unknown[] = JSON.parse(output);
  expect(finding).toEqual({
    file: 'a,1.yaml',
    line: 8,
    column: 32,
    severity: 'error',
    path: 'spec.rules[0].from[0].source.ipBlocks[1]',
    message: expect.stringContaining('want an address'),
  });
  expect(others).toEqual([]);
  expect(error).toBe('1 policy: 1 error, 0 warnings\n');
  expect((await runForTest(['check', 'a,1.yaml', '--format', 'github'], files)).output).toMatch(
    /^::error file=a%2C1\.yaml,line=8,col=32::spec\.rules\[0\]\.from\[0\]\.source\.ipBlocks\[1\]: want an address[^\n]*\n$/,
  );
  expect((await runForTest(['check', '-', '--format', 'json'], { '-': GOOD })).output).toBe('[]\n');
  expect(await runForTest(['check', '-', '--format', 'xml'], { '-': GOOD })).toMatchObject({ code: 2 });
});
