import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { podPids, ztunnelOf } from './observed/node-process.ts';
import { type PodConnection, PodSocketError, PodSockets } from './pods/pod-sockets.ts';

const DRAIN_DEADLINE_SECONDS = 2;

let lab: LabClient;
let sleep: PodSockets;
let pids: Record<string, number | undefined>;
beforeAll(async () => {
  lab = await startTestLab({
    ztunnelEnvironment: { CONNECTION_TERMINATION_DEADLINE: `${DRAIN_DEADLINE_SECONDS}s` },
  });
  sleep = new PodSockets(lab, 'sleep');
  pids = await podPids(lab);
});
afterAll(() => lab?.close());

test('kill -9 of the ztunnel of the server: connections end, others go on, all works when it is back', async () => {
  const across = await echoing('httpbin-2');
  const local = await echoing('httpbin-1');
  await lab.killZtunnel('node2');
  expect((await across.readToEnd()).end).toMatch(/^(fin|ECONNRESET)$/);
  expect(await local.echo('not touched')).toBe('not touched');
  // Nobody refuses its packets, which are sent again until the new ztunnel takes them.
  const meanwhile = await sleep.connect(ADDRESS['httpbin-2'], PORT.echo);
  await meanwhile.write('meanwhile');
  await lab.startZtunnel('node2');
  expect(await meanwhile.read('meanwhile'.length)).toMatchObject({ text: 'meanwhile' });
  await meanwhile.end();
  await untilEchoed('httpbin-2');
  expect(await local.echo('still not')).toBe('still not');
  await local.end();
});

test('kill -9 of the ztunnel of the client: connections end, new ones are refused, all works when it is back', async () => {
  const across = await echoing('httpbin-2');
  await lab.killZtunnel('node1');
  expect((await across.readToEnd()).end).toMatch(/^(fin|ECONNRESET)$/);
  // Nothing escapes the mesh in plain text while its ztunnel is away.
  await expect(sleep.connect(ADDRESS['httpbin-2'], PORT.echo)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await lab.startZtunnel('node1');
  await untilEchoed('httpbin-2');
});

test('a ztunnel that crashes is started again by itself and takes its pods over again', async () => {
  const before = await ztunnelOf(lab, 'node1');
  await lab.signalZtunnel('node1', 'SIGKILL');
  await lab.waitFor(async () => (await ztunnelOf(lab, 'node1')).restarts === before.restarts + 1, { what: 'restart' });
  await untilEchoed('httpbin-1');
  await untilEchoed('httpbin-2');
  expect(await ztunnelOf(lab, 'node1')).toMatchObject({ running: true, lastExit: 'SIGKILL' });
});

test('no pod was started again through all of this', async () => {
  expect(await podPids(lab)).toEqual(pids);
});

test.each(['node1', 'node2'])(
  'SIGTERM on %s: a running connection lives until it ends, new ones do not get in',
  async (node) => {
    const from = (await lab.log(`ztunnel@${node}`)).length;
    const running = await echoing('httpbin-2');
    const began = performance.now();
    const stopped = lab.killZtunnel(node, 'SIGTERM');
    await lab.waitForLog(`ztunnel@${node}`, (line) => line.includes('received signal SIGTERM'), { from });
    await lab.waitFor(async () => !(await listens(node)), { what: 'end of listening' });
    const late = tryEcho('httpbin-2');
    expect(await running.echo('running on')).toBe('running on');
    await running.end();
    expect(await running.readToEnd()).toMatchObject({ end: 'fin' });
    await stopped;
    // It ends when the last connection has, not at the deadline.
    expect(performance.now() - began).toBeLessThan(DRAIN_DEADLINE_SECONDS * 1_000);
    expect(await ztunnelOf(lab, node)).toMatchObject({ running: false, lastExit: 'exit 0' });
    expect(await Promise.race([late, Promise.resolve('waiting')])).toMatch(/^(waiting|failed)$/);
    await lab.startZtunnel(node);
    await untilEchoed('httpbin-2');
    await late;
  },
);

test('a connection that does not end is cut at the deadline of the drain, and both sides see an end', async () => {
  const from = (await lab.log('ztunnel@node2')).length;
  const running = await echoing('httpbin-2');
  const began = performance.now();
  await lab.killZtunnel('node2', 'SIGTERM');
  expect(performance.now() - began).toBeGreaterThan(DRAIN_DEADLINE_SECONDS * 1_000 - 100);
  expect((await running.readToEnd()).end).toMatch(/^(fin|ECONNRESET)$/);
  await lab.waitForLog('ztunnel@node2', (line) => line.includes('connection closed due to connection drain'), { from });
  await lab.startZtunnel('node2');
  await untilEchoed('httpbin-2');
});

test('a ztunnel that is back has its agent and is ready', async () => {
  expect(
    (await lab.status()).nodes.map(({ name, ready, agentConnections }) => ({ name, ready, agentConnections })),
  ).toEqual([
    { name: 'node1', ready: true, agentConnections: 1 },
    { name: 'node2', ready: true, agentConnections: 1 },
  ]);
});

/** A connection that has carried something. */
async function echoing(to: 'httpbin-1' | 'httpbin-2'): Promise<PodConnection> {
  const connection = await sleep.connect(ADDRESS[to], PORT.echo);
  expect(await connection.echo('running')).toBe('running');
  return connection;
}

/** Whether the node's ztunnel takes connections in a pod of the test. */
async function listens(node: string): Promise<boolean> {
  const { stdout } = await lab.exec(node === 'node1' ? 'sleep' : 'httpbin-2', ['ss', '-Hltn']);
  return /:1500[168]\s/.test(stdout);
}

async function tryEcho(to: 'httpbin-1' | 'httpbin-2'): Promise<'echoed' | 'failed'> {
  try {
    const connection = await sleep.connect(ADDRESS[to], PORT.echo);
    const heard = await connection.echo('new');
    await connection.end();
    return heard === 'new' ? 'echoed' : 'failed';
  } catch (error) {
    if (error instanceof PodSocketError) return 'failed';
    throw error;
  }
}

async function untilEchoed(to: 'httpbin-1' | 'httpbin-2'): Promise<void> {
  await lab.waitFor(async () => (await tryEcho(to)) === 'echoed', { what: `a connection to ${to}`, timeoutMs: 15_000 });
}
