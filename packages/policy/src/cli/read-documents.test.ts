import { describe, expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

const object = (metadata: Readonly<Record<string, string>>, account = 'web') => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'a', ...metadata },
  spec: {
    selector: { matchLabels: { app: 'api' } },
    rules: [{ from: [{ source: { principals: [`cluster.local/ns/shop/sa/${account}`] } }] }],
  },
});
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' } };
const list = (...items: readonly unknown[]) => JSON.stringify(items);
const kindList = (...items: readonly unknown[]) => ({ apiVersion: 'v1', kind: 'List', items });

const LINE =
  '2026-08-20T10:00:00.1Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.7:41000 src.identity="spiffe://cluster.local/ns/shop/sa/batch" dst.addr=10.0.0.9:15008 dst.hbone_addr=10.0.0.9:8080 dst.workload="api-1" dst.namespace="shop" direction="inbound" bytes_sent=1 bytes_recv=1 duration="1ms"\n';
const SUITE = 'tests: [{from: {ip: 10.0.0.1}, to: {namespace: shop}, port: 1, expect: allow}]\n';
const FILES = {
  log: LINE,
  now: list(object({ namespace: 'shop' }, '*')),
  next: list(object({ namespace: 'shop' })),
  nested: list(kindList(object({ namespace: 'shop' }))),
  mixed: list(CONFIG_MAP, object({})),
  empty: '[]',
  config: 'policies: []\nworkloads: []\n',
  unset: 'policies:\n',
  others: list(CONFIG_MAP),
  suite: SUITE,
};
const TO_API = ['--from', 'none', '--to', 'shop/app=api', '--port', '1'];

describe('objects in a list are documents of their own', () => {
  test('what-if sees their selectors', async () => {
    const args = ['what-if', '--log', 'log', '--policies', 'now', '--changed', 'next'];
    const { code, error } = await runForTest(args, FILES);
    expect({ code, error }).toEqual({
      code: 3,
      error: 'labels are not known of "shop/api-1": want --workloads or --workload\n',
    });
    expect(await runForTest([...args, '--workload', 'shop/api-1=app=api'], FILES)).toMatchObject({ code: 1 });
  });

  test('check gives them the namespace of the option, and leaves out those of another kind', async () => {
    expect(await runForTest(['check', '--strict', '--namespace', 'shop', 'mixed'], FILES)).toMatchObject({
      code: 0,
      output: '',
      error: '1 document of another kind is left out\n1 policy: 0 errors, 0 warnings\n',
    });
  });

  test('explain tells what is left out', async () => {
    expect(await runForTest(['explain', '--namespace', 'shop', 'mixed', ...TO_API], FILES)).toMatchObject({
      code: 1,
      error: '1 document of another kind is left out\n',
    });
  });

  test.each(['next', 'nested'])('convert reads them: %s', async (file) => {
    expect(await runForTest(['convert', file], FILES)).toMatchObject({
      code: 0,
      output: expect.stringContaining('name: a\nnamespace: shop\n'),
      error: '',
    });
  });
});

describe('what holds no policy is not taken for policies', () => {
  const none = ['empty', 'config', 'unset', 'others', 'suite'];
  test.each(none)('a suite that names %s', async (name) => {
    const files = { ...FILES, s: `policies: [${name}]\n${SUITE}` };
    expect(await runForTest(['test', 's'], files)).toMatchObject({
      code: 2,
      error: `ambient-policy: s:1:12: policies[0]: there is no policy in ${name}\n`,
    });
  });

  test('a suite that has it inside', async () => {
    expect(
      await runForTest(['test', 's'], { s: `policies:\n- {policies: [], workloads: []}\n${SUITE}` }),
    ).toMatchObject({
      code: 2,
      error: 'ambient-policy: s:2:3: policies[0]: there is no policy in it\n',
    });
  });

  test.each(none)('what-if with %s', async (name) => {
    const args = ['what-if', '--log', 'log', '--policies', name, '--changed', 'next'];
    expect(await runForTest(args, FILES)).toMatchObject({
      code: 2,
      error: `ambient-policy: --policies ${name}: no policies there (--policies none: there are to be none)\n`,
    });
  });

  test.each(['empty', 'config', 'unset'])('check counts none in %s', async (name) => {
    expect(await runForTest(['check', name], FILES)).toMatchObject({ error: '0 policies: 0 errors, 0 warnings\n' });
  });
});

test.each(['{}', 'foo:', '{name: "", namespace: shop, scope: NAMESPACE, action: DENY, groups: [{}]}'])(
  'a message without a name is no policy: %s',
  async (text) => {
    const files = { ...FILES, x: text, s: `policies: [x]\n${SUITE}` };
    const told = 'name: is missing: node proxies know a policy by it\n';
    expect(await runForTest(['check', 'x'], files)).toMatchObject({ code: 1, output: expect.stringContaining(told) });
    const refused = { code: 2, output: '', error: expect.stringContaining(told) };
    expect(await runForTest(['explain', 'x', ...TO_API], files)).toMatchObject(refused);
    expect(await runForTest(['test', 's'], files)).toMatchObject(refused);
    const whatIf = ['what-if', '--log', 'log', '--policies', 'x', '--changed', 'next'];
    expect(await runForTest(whatIf, files)).toMatchObject(refused);
  },
);

test('a suite with a typo is told as one, not read as policies', async () => {
  const s = `policies: [next]\nworkloads: {}\n${SUITE.replace('tests', 'test')}`;
  expect(await runForTest(['test', 's'], { ...FILES, s })).toMatchObject({
    code: 2,
    error: expect.stringContaining('s:3:1: test: unknown field'),
  });
});
