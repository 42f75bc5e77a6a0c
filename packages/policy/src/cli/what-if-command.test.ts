import { describe, expect, test } from 'vitest';
import { runForTest } from '../testing/run-for-test.ts';

/** An AuthorizationPolicy that lets one account of shop in, to the workloads with these labels; `{}`: to all. */
function allow(account: string, labels = '{app: api}'): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: to-api, namespace: shop}
spec:
  selector: {matchLabels: ${labels}}
  rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/${account}]}}]}]
`.replace('  selector: {matchLabels: {}}\n', '');
}

function line(account: string, name = 'api-1'): string {
  return `2026-08-20T10:00:00.1Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.7:41000 src.identity="spiffe://cluster.local/ns/shop/sa/${account}" dst.addr=10.0.0.9:15008 dst.hbone_addr=10.0.0.9:8080 dst.workload="${name}" dst.namespace="shop" direction="inbound" bytes_sent=1 bytes_recv=1 duration="1ms"\n`;
}

const PODS = `apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: api-1, namespace: shop, labels: {app: api}}}
- {apiVersion: v1, kind: Pod, metadata: {name: lonely, namespace: shop}}
- {apiVersion: v1, kind: Service, metadata: {name: api-1}}
`;
const FILES = {
  now: allow('*'),
  next: allow('web'),
  'now-all': allow('*', '{}'),
  'next-all': allow('web', '{}'),
  log: line('batch') + line('web'),
  pods: PODS,
  strict:
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n',
};
const ASKED = ['what-if', '--log', 'log', '--policies', 'now', '--changed', 'next'];

describe('labels of the workloads', () => {
  test.each([
    ['of Pods', ['--workloads', 'pods']],
    ['told', ['--workload', 'shop/api-1=app=api']],
    ['told of all that begin alike', ['--workload', 'other/*=', '--workload', 'shop/api-*=version=v1,app=api']],
    ['told, rather than those of Pods', ['--workloads', 'pods', '--workload', 'shop/*=app=api']],
  ])('%s: changes are told, exit code 1', async (_name, args) => {
    const { code, output, error } = await runForTest([...ASKED, ...args], FILES);
    expect({ code, error }).toEqual({ code: 1, error: '' });
    expect(output).toMatch(/^2 recorded connections: 1 judged otherwise, 1 as before\n/);
    expect(output).toContain(
      'allowed -> denied: cluster.local/ns/shop/sa/batch from 10.0.0.7 to shop/api-1, port 8080',
    );
    expect(output).toContain('wanted cluster.local/ns/shop/sa/web, got cluster.local/ns/shop/sa/batch');
  });

  test('that no selector fits: nothing changes, exit code 0', async () => {
    const args = ['--workloads', 'pods', '--workload', 'shop/api-1=app=other'];
    expect(await runForTest([...ASKED, ...args], FILES)).toMatchObject({
      code: 0,
      output: '2 recorded connections: 0 judged otherwise, 2 as before\n',
    });
  });

  test('that are not known: undecided, exit code 3', async () => {
    const { code, output, error } = await runForTest(ASKED, FILES);
    expect(code).toBe(3);
    expect(output).toContain('2 undecided');
    expect(error).toBe('labels are not known of "shop/api-1": want --workloads or --workload\n');
    const log = Array.from({ length: 7 }, (_, index) => line('web', `x-${index}`)).join('');
    expect((await runForTest(ASKED, { ...FILES, log })).error).toContain('"shop/x-4" and 2 more: want');
  });

  test.each([
    ['no policy has a selector', ['now-all'], ['next-all'], 1],
    ['nothing but PeerAuthentications of namespaces', ['strict'], ['strict'], 0],
    ['selectors are of other namespaces', ['now-all'], ['elsewhere', 'next-all'], 1],
    ['but of the mesh', ['now-all'], ['mesh', 'next-all'], 3],
  ])('are not asked for if %s', async (_name, policies, changed, code) => {
    const args = [
      ...policies.flatMap((file) => ['--policies', file]),
      ...changed.flatMap((file) => ['--changed', file]),
    ];
    const files = {
      ...FILES,
      elsewhere: allow('web').replace('namespace: shop', 'namespace: other'),
      mesh: allow('web').replace('namespace: shop', 'namespace: istio-system'),
    };
    expect(await runForTest(['what-if', '--log', 'log', ...args], files)).toMatchObject({ code });
  });
});

test('--policies none: the first policies', async () => {
  const args = ['what-if', '--log', 'log', '--policies', 'none', '--changed', 'next-all'];
  expect(await runForTest(args, FILES)).toMatchObject({ code: 1 });
});

test('a log that cannot be read proves nothing', async () => {
  const files = { ...FILES, log: 'x\n' };
  const { code, output } = await runForTest(ASKED, files);
  expect(code).toBe(3);
  expect(output).toContain('1 line of the log cannot be read\n    line 1: not a log line\n');
});

test('from standard input, as data', async () => {
  const args = ['what-if', '--log', '-', '--policies', 'now-all', '--changed', 'next-all', '--json'];
  const { code, output } = await runForTest(args, { ...FILES, '-': FILES.log });
  expect(code).toBe(1);
  expect(JSON.parse(output)).toMatchObject({
    exitCode: 1,
    counts: { changed: 1 },
    unreadable: { count: 0 },
    changes: [{ after: { code: 'NOT_ALLOWED' }, explanation: {} }],
  });
});

test.each([
  ['a file without option', [...ASKED, 'more'], 'what-if: "more": want --policies or --changed before each file'],
  ['no --changed', ASKED.slice(0, -2), 'what-if wants --log FILE, --policies FILE and --changed FILE'],
  ['standard input twice', ['what-if', '--log', '-', '--policies', '-', '--changed', 'next'], 'only one file can be'],
  ['no policies', [...ASKED.slice(0, -1), 'pods'], '--changed pods: no policies there (--changed none: '],
  ['a policy with a mistake', [...ASKED.slice(0, -1), 'bad'], 'bad:6:29: '],
  ['a message without selector', [...ASKED.slice(0, -1), 'message'], '--changed: shop/m is for workloads that name it'],
  ['no labels', [...ASKED, '--workload', 'shop/api'], '--workload "shop/api": want NAMESPACE/NAME=LABELS'],
  ['labels that are none', [...ASKED, '--workload', 'shop/api=x'], '--workload "x": want labels such as'],
  ['a Pod without namespace', [...ASKED, '--workloads', 'pod'], 'pod:2:1: want metadata.namespace'],
  ['a Pod with a label that is no text', [...ASKED, '--workloads', 'label'], 'label:2:'],
])('exit code 2 for %s', async (_name, args, message) => {
  const files = {
    ...FILES,
    bad: allow('*').replace('principals', 'principal'),
    message: '{name: m, namespace: shop, scope: WORKLOAD_SELECTOR, groups: [{}]}',
    pod: 'kind: Pod\nmetadata: {name: x}\n',
    label: 'kind: Pod\nmetadata: {name: x, namespace: z, labels: {a: 1}}\n',
  };
  const { code, output, error } = await runForTest(args, files);
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(error).toContain(message);
  expect(error.split('\n')).toHaveLength(2);
});
