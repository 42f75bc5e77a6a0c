/** Data threads that stand still or crash, in a real ztunnel. */
import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { parseMetrics, sumOf } from './observed/metrics.ts';
import { ztunnelOf } from './observed/node-process.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const TAKES_LONG = { timeoutMs: 30_000 };

let lab: LabClient;
beforeAll(async () => {
  lab = await startTestLab({
    ztunnelEnvironment: {
      ZTUNNEL_ENGINE: 'reactor',
      ZTUNNEL_WORKER_THREADS: '2',
      ZTUNNEL_STUCK_THREAD_TIMEOUT: '1s',
      NODE_OPTIONS: `--import=${new URL('faults/hooks.ts', import.meta.url).href}`,
    },
  });
});
afterAll(() => lab?.close());

async function echoes(): Promise<boolean> {
  await using pod = new PodSockets(lab, 'sleep');
  try {
    const connection = await pod.connect(ADDRESS['httpbin-2'], PORT.echo);
    return (await connection.echo('hello')) === 'hello';
  } catch {
    return false;
  }
}

/** Of the working directory of node2's ztunnel. */
const change = async (...command: readonly string[]): Promise<void> => {
  const { pid } = await ztunnelOf(lab, 'node2');
  const [program = '', file = ''] = command;
  expect((await lab.exec('node2', [program, `/proc/${pid}/cwd/${file}`])).code).toBe(0);
};
const readiness = async (): Promise<string> =>
  (await lab.exec('node2', ['curl', '-s', '-m', '10', '-w', '%{http_code}', 'http://127.0.0.1:15021/healthz/ready']))
    .stdout;
const stuck = async (): Promise<number> =>
  sumOf(parseMetrics(await lab.metrics('node2')), 'ambientmesh_data_thread_stuck', { thread: '1' });
const count = async (text: string): Promise<number> =>
  (await lab.log('ztunnel@node2')).filter((line) => line.includes(text)).length;

test('a data thread that stands still is named by readiness, log and metric, until it goes on', async () => {
  expect(await echoes()).toBe(true);
  await change('touch', 'spin-1');
  const named = 'not ready, pending: data thread 1 (stuck)\n503';
  await lab.waitFor(async () => (await readiness()) === named, { what: '503', ...TAKES_LONG });
  expect(await stuck()).toBe(1);
  // Whether it has denied anything nobody knows.
  const warned: string[] = [];
  await lab.denials(undefined, (message) => warned.push(message));
  expect(warned).toEqual([expect.stringContaining('ztunnel@node2: data thread 1 does not answer')]);
  await change('rm', 'spin-1');
  await lab.waitFor(async () => (await readiness()) === 'ready\n200', { what: 'ready again', ...TAKES_LONG });
  expect(await stuck()).toBe(0);
  await lab.waitFor(echoes, { what: 'traffic', ...TAKES_LONG });
  expect([await count('data thread is stuck'), await count('data thread goes on again')]).toEqual([1, 1]);
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: true, restarts: 0 });
});

test('a data thread that crashes takes the process with it, which says why, and is started again', async () => {
  await change('touch', 'crash-0');
  await lab.waitFor(async () => (await ztunnelOf(lab, 'node2')).lastExit === 'exit 1', { what: 'end', ...TAKES_LONG });
  expect(await count('a data thread ended: a fault of this test')).toBeGreaterThan(0);
  await lab.waitFor(async () => (await readiness()) === 'ready\n200', { what: 'ready again', ...TAKES_LONG });
  await lab.waitFor(echoes, { what: 'traffic', ...TAKES_LONG });
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: true, restarts: 1 });
});
