/** A ztunnel that has few descriptors and little memory: what runs goes on, and operators are told what to do. */
import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { parseMetrics, sumOf } from './observed/metrics.ts';
import { ztunnelOf } from './observed/node-process.ts';
import { Crowd } from './pods/crowd.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const MAIN = fileURLToPath(new URL('../../apps/ztunnel/src/main.ts', import.meta.url));
const CONDITION = '--conditions=@ambientmesh/source';
const DESCRIPTORS = 256;
const UNSENT_BYTES = 33_554_432;
/** Of 192 that connections may have, the process itself uses some dozens. */
const HALF = 80;
const ECHO = { host: ADDRESS['httpbin-2'], port: PORT.echo };
const SOURCE = { host: ADDRESS['httpbin-2'], port: PORT.source };
/** Each of them leaves what its window allows, 4 MiB, if it can. */
const STOPPED = 40;
const TAKES_LONG = { timeoutMs: 30_000 };

let lab: LabClient;
beforeAll(async () => {
  lab = await startTestLab({
    ztunnel: ['sh', '-c', `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`, process.execPath, CONDITION, MAIN],
    ztunnelEnvironment: {
      ZTUNNEL_ENGINE: 'reactor',
      ZTUNNEL_WORKER_THREADS: '1',
      ZTUNNEL_UNSENT_BYTES: String(UNSENT_BYTES),
      // A tunnel's own window is 16 MiB.
      POOL_MAX_STREAMS_PER_CONNECTION: '10',
    },
  });
});
afterAll(() => lab?.close());

async function metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  return sumOf(parseMetrics(await lab.metrics('node1')), `ambientmesh_data_thread_${name}`, labels);
}

const pausedFor = (exhausted: string): Promise<number> => metric('accept_paused', { exhausted });

/** What node1 has said of an episode. */
async function told(from: number, text: string): Promise<readonly string[]> {
  return (await lab.log('ztunnel@node1')).slice(from).filter((line) => line.includes(text));
}

test('descriptors: new connections wait, those that run go on, and all is well when there are some again', async () => {
  const from = (await lab.log('ztunnel@node1')).length;
  await using running = new PodSockets(lab, 'sleep');
  const echo = await running.connect(ECHO.host, ECHO.port);
  expect(await echo.echo('before')).toBe('before');
  const [first, second] = [new Crowd(lab, 'notsleep'), new Crowd(lab, 'sleep')];
  await first.gather(ECHO.host, ECHO.port, HALF);
  const gathering = second.gather(ECHO.host, ECHO.port, 2 * HALF);
  await lab.waitFor(async () => (await pausedFor('descriptors')) > 0, { what: 'a pause', ...TAKES_LONG });
  expect(await echo.echo('meanwhile')).toBe('meanwhile');
  const page = ['curl', '-sSf', '-m', '10', '-o', '/dev/null', 'http://127.0.0.1:15000/config_dump'];
  expect((await lab.exec('node1', page)).code).toBe(0);
  const lines = await told(from, 'new connections are not accepted');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/\twarn\t.*exhausted="descriptors" error="Too many open files .*advice="raise the limit/);
  expect(await first.count()).toEqual({ open: HALF, ended: 0 });
  await first.close();
  await second.close();
  await gathering.catch(() => undefined);
  await lab.waitFor(async () => (await told(from, 'new connections are accepted again')).length === 1, {
    what: 'the end told',
    ...TAKES_LONG,
  });
  await using third = new Crowd(lab, 'notsleep');
  expect(await third.gather(ECHO.host, ECHO.port, HALF)).toEqual({ open: HALF, ended: 0 });
  expect([await pausedFor('descriptors'), await echo.echo('after')]).toEqual([0, 'after']);
  expect(await told(from, 'new connections are not accepted')).toHaveLength(1);
});

test('memory: readers that stop fill it; echoes go on, and new connections come about again', async () => {
  const from = (await lab.log('ztunnel@node1')).length;
  await using running = new PodSockets(lab, 'sleep');
  const echo = await running.connect(ECHO.host, ECHO.port);
  const stopped = new Crowd(lab, 'sleep');
  await using other = new Crowd(lab, 'notsleep');
  const gathering = stopped.gatherStopped(SOURCE, STOPPED, UNSENT_BYTES);
  let most = 0;
  const exhausted = async (): Promise<boolean> => {
    expect(await echo.echo('meanwhile')).toBe('meanwhile');
    most = Math.max(most, await metric('unsent_bytes'));
    return (await pausedFor('memory')) > 0;
  };
  await gathering;
  const full = async (): Promise<boolean> => (await metric('unsent_bytes')) > 0.75 * UNSENT_BYTES;
  await lab.waitFor(full, { what: 'memory taken', ...TAKES_LONG });
  const late = other.gather(ECHO.host, ECHO.port, 10);
  await lab.waitFor(exhausted, { what: 'a pause', ...TAKES_LONG });
  expect(await metric('unsent_limit_bytes')).toBe(UNSENT_BYTES);
  const lines = await told(from, 'new connections are not accepted');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/exhausted="memory" error="\d+ of 2048 slabs .*advice=".*ZTUNNEL_UNSENT_BYTES"/);
  expect(await echo.echo('still')).toBe('still');
  await stopped.close();
  const given = async (): Promise<boolean> => (await metric('unsent_bytes')) < UNSENT_BYTES / 16;
  await lab.waitFor(given, { what: 'memory given back', ...TAKES_LONG });
  expect(await late).toEqual({ open: 10, ended: 0 });
  expect([await pausedFor('memory'), await echo.echo('after')]).toEqual([0, 'after']);
  expect(most).toBeLessThanOrEqual(UNSENT_BYTES);
});

test('no ztunnel had to be started again', async () => {
  for (const node of ['node1', 'node2'])
    expect(await ztunnelOf(lab, node)).toMatchObject({ running: true, starts: 1, restarts: 0 });
});
