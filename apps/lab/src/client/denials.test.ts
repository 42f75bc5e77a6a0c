import { expect, test } from 'vitest';
import type { LabStatus, NodeStatus, PodStatus } from '../control-protocol.ts';
import { type DenialReport, type DenialSource, readDenials } from './denials.ts';

const PROCESS = { pid: 7, running: true, starts: 1, restarts: 0 };
const NODES: readonly NodeStatus[] = ['node1', 'node2'].map((name) => ({
  name,
  address: '172.30.0.11',
  ztunnel: PROCESS,
  agentConnections: 1,
  ready: true,
}));
const PODS: readonly PodStatus[] = ['node1', 'node2'].map((node) => ({
  name: `httpbin@${node}`,
  namespace: 'web',
  serviceAccount: 'httpbin',
  node,
  address: '10.244.1.20',
  uid: '',
  process: PROCESS,
  enrolled: true,
}));

/** A lab whose ztunnels answer as `said`, by node; `asked` keeps where and for what. */
function lab(said: Readonly<Record<string, object>>, nodes: readonly NodeStatus[] = NODES) {
  const asked: string[] = [];
  const status: LabStatus = {
    name: 'default',
    startedAt: '',
    ipv6: false,
    ztunnelCommand: [],
    nodes,
    pods: PODS,
    services: [],
  };
  const source: DenialSource = {
    status: () => Promise.resolve(status),
    exec: (node, argv) => {
      asked.push(`${node} ${argv.at(-1)}`);
      return Promise.resolve({ code: 0, stdout: '', stderr: '', ...said[node] });
    },
  };
  const warnings: string[] = [];
  const read = (pod?: string): Promise<readonly DenialReport[]> =>
    readDenials(source, pod, (message) => void warnings.push(message));
  return { read, asked, warnings };
}

function page(...times: readonly string[]): object {
  return { stdout: JSON.stringify({ denials: times.map((last) => ({ last })) }) };
}

test('the denials of all nodes are one list, the latest first', async () => {
  const { read } = lab({
    node1: page('2026-01-01T00:00:03.000Z', '2026-01-01T00:00:01.000Z'),
    node2: page('2026-01-01T00:00:02.000Z'),
  });
  expect(await read()).toEqual([
    { node: 'node1', last: '2026-01-01T00:00:03.000Z' },
    { node: 'node2', last: '2026-01-01T00:00:02.000Z' },
    { node: 'node1', last: '2026-01-01T00:00:01.000Z' },
  ]);
});

test('those of a pod are asked of its node alone, by its namespace', async () => {
  const { read, asked } = lab({ node2: page() });
  expect(await read('httpbin@node2')).toEqual([]);
  expect(asked).toEqual(['node2 http://127.0.0.1:15000/debug/denials?format=json&limit=100000&pod=web/httpbin@node2']);
  await expect(read('x')).rejects.toMatchObject({
    code: 'LAB_NAME_UNKNOWN',
    message: 'x: no such pod (there are httpbin@node1, httpbin@node2)',
  });
});

test('a ztunnel that does not run is not asked', async () => {
  const nodes = NODES.map((node) => ({ ...node, ztunnel: { ...PROCESS, running: node.name === 'node2' } }));
  const { read, asked } = lab({ node2: page() }, nodes);
  await read();
  expect(asked).toHaveLength(1);
});

test.each([
  { said: { code: 7 }, code: 'LAB_ZTUNNEL_NOT_READY' },
  { said: { code: 28 }, code: 'LAB_ZTUNNEL_NOT_READY' },
  { said: { code: 56, stderr: 'curl: (56) reset' }, code: 'LAB_COMMAND_FAILED' },
  { said: { stdout: '<html>' }, code: 'LAB_COMMAND_FAILED' },
  { said: { stdout: 'null' }, code: 'LAB_COMMAND_FAILED' },
  { said: { stdout: '' }, code: 'LAB_COMMAND_FAILED' },
  { said: { stdout: '{"silentDataThreads":[0],"denials":[]}' }, code: 'LAB_ZTUNNEL_NOT_READY' },
  { said: { stdout: '{}' }, code: 'LAB_COMMAND_FAILED' },
])('a ztunnel that says $said is named: $code', async ({ said, code }) => {
  const last = '2026-01-01T00:00:02.000Z';
  const { read, warnings } = lab({ node1: said, node2: page(last) });
  expect(await read()).toEqual([{ node: 'node2', last }]);
  expect(warnings).toEqual([expect.stringMatching(`^${code}: ztunnel@node1: `)]);
  const refusal = { code, message: expect.stringMatching(/^ztunnel@node1: [^;]*$/) };
  await expect(read('httpbin@node1')).rejects.toMatchObject(refusal);
  expect(await read('httpbin@node2')).toHaveLength(1);
  const message = expect.stringMatching(/^ztunnel@node1: .*; ztunnel@node2: /);
  await expect(lab({ node1: said, node2: said }).read()).rejects.toMatchObject({ code, message });
});

test('of one that takes the question and never answers, what to do is told', async () => {
  const { read } = lab({ node1: { code: 28 }, node2: page() });
  await expect(read('httpbin@node1')).rejects.toThrow(
    /^ztunnel@node1: no answer at .* in 5 s: `npx lab ztunnel kill node1` ends it, and another one is started$/,
  );
});

test('of one with a data thread that is stuck, what the others know is told, and that it is not all', async () => {
  const last = '2026-01-01T00:00:02.000Z';
  const stdout = JSON.stringify({ silentDataThreads: [1], denialCount: 1, denials: [{ last }] });
  const { read, warnings } = lab({ node1: { stdout }, node2: { stdout } });
  expect(await read('httpbin@node1')).toEqual([{ node: 'node1', last }]);
  expect(warnings).toEqual([
    'LAB_ZTUNNEL_NOT_READY: ztunnel@node1: data thread 1 does not answer, its denials are missing: ' +
      '`npx lab ztunnel kill node1` ends it, and another one is started',
  ]);
  expect(await read()).toHaveLength(2);
});
