import { DEFAULT_TOPOLOGY, LabError, parseTopology } from '@ambientmesh/lab';
import { expect, test } from 'vitest';

function problemsOf(text: string): string {
  try {
    parseTopology(text);
  } catch (error) {
    if (error instanceof LabError && error.code === 'LAB_TOPOLOGY_INVALID') return error.message;
    throw error;
  }
  return '';
}

const node = { name: 'n1', address: '172.30.0.11', podCidr: '10.244.1.0/24' };
const pod = { name: 'a', node: 'n1', serviceAccount: 'a', address: '10.244.1.10', run: 'idle' };

test('the default topology is a valid file', () => {
  expect(parseTopology(JSON.stringify(DEFAULT_TOPOLOGY))).toEqual(DEFAULT_TOPOLOGY);
});

test('services may be left out, a command is a list of words', () => {
  const parsed = parseTopology(JSON.stringify({ nodes: [node], pods: [{ ...pod, run: ['nc', '-l'], enrol: false }] }));
  expect(parsed).toEqual({ nodes: [node], pods: [{ ...pod, run: ['nc', '-l'], enrol: false }], services: [] });
});

test.each([
  { name: 'no JSON', text: '{', problem: 'not JSON' },
  { name: 'no object', text: '[]', problem: 'topology: want an object' },
  { name: 'unknown key', value: { nodes: [node], pods: [], extra: 1 }, problem: 'unknown key extra' },
  { name: 'no nodes', value: { nodes: [], pods: [] }, problem: 'nodes: want at least one' },
  { name: 'bad name', value: { nodes: [{ ...node, name: 'N 1' }], pods: [] }, problem: 'nodes[0].name: want a name' },
  {
    name: 'bad address',
    value: { nodes: [node], pods: [{ ...pod, address: 'x' }] },
    problem: 'pods[0].address: want an IPv4',
  },
  { name: 'bad range', value: { nodes: [{ ...node, podCidr: '10.1' }], pods: [] }, problem: 'want ADDRESS/BITS' },
  { name: 'bad program', value: { nodes: [node], pods: [{ ...pod, run: 'nginx' }] }, problem: 'pods[0].run: want' },
  {
    name: 'bad label',
    value: { nodes: [node], pods: [{ ...pod, labels: { app: 1 } }] },
    problem: 'pods[0].labels.app: want a text, got 1',
  },
  { name: 'unknown node', value: { nodes: [node], pods: [{ ...pod, node: 'n2' }] }, problem: 'pod a: no node n2' },
  {
    name: 'pod named as a node',
    value: { nodes: [node], pods: [{ ...pod, name: 'n1' }] },
    problem: 'name n1 is used twice',
  },
  {
    name: 'address twice',
    value: { nodes: [node], pods: [pod, { ...pod, name: 'b' }] },
    problem: 'address 10.244.1.10 is used twice',
  },
  {
    name: 'unknown endpoint',
    value: {
      nodes: [node],
      pods: [pod],
      services: [{ name: 's', vip: '10.96.0.1', ports: { 80: 1 }, endpoints: ['b'] }],
    },
    problem: 'service s: no pod b',
  },
  {
    name: 'bad ports',
    value: { nodes: [node], pods: [pod], services: [{ name: 's', vip: '10.96.0.1', ports: { 80: 0 }, endpoints: [] }] },
    problem: 'want ports from 1 to 65535',
  },
])('$name is refused', ({ text, value, problem }) => {
  expect(problemsOf(text ?? JSON.stringify(value))).toContain(problem);
});

test('all problems are told at once', () => {
  const text = problemsOf(JSON.stringify({ nodes: [{ ...node, name: '' }], pods: [{ ...pod, address: '' }] }));
  expect(text.split('; ').length).toBeGreaterThan(1);
});
