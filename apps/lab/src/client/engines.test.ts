import { expect, test } from 'vitest';
import type { NodeStatus } from '../control-protocol.ts';
import { readEngines } from './engines.ts';

const info = (engine: string, reason = ''): string =>
  `# TYPE ambientmesh_engine_info gauge\nambientmesh_engine_info{engine="${engine}",reason="${reason}"} 1\n`;

const node: NodeStatus = {
  name: 'node1',
  address: '172.30.0.11',
  ztunnel: { pid: 7, running: true, starts: 1, restarts: 0 },
  agentConnections: 1,
  ready: true,
};

test.each([
  { metrics: () => Promise.resolve(info('reactor')), engine: 'reactor' },
  { metrics: () => Promise.resolve(info('reactor') + info('node', 'no memory')), engine: 'reactor+node' },
  { metrics: () => Promise.resolve(info('node', 'a') + info('node', 'b')), engine: 'node' },
  // One of another make.
  { metrics: () => Promise.resolve('# EOF\n'), engine: undefined },
  { metrics: () => Promise.reject(new Error('no answer')), engine: undefined },
])('the engine $engine', async ({ metrics, engine }) => {
  expect((await readEngines({ metrics }, { nodes: [node] })).get('node1')).toBe(engine);
});

test('a ztunnel that does not run is not asked', async () => {
  const ended = { ...node, ztunnel: { ...node.ztunnel, running: false } };
  expect(await readEngines({ metrics: () => Promise.resolve(info('reactor')) }, { nodes: [ended] })).toEqual(new Map());
});
