/** What operators do while very many connections are open. `npm run crowd` (of this package) has 10,000 and more. */
import { readFileSync } from 'node:fs';
import { env, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { parseMetrics, sumOf } from './observed/metrics.ts';
import { residentBytes, ztunnelOf } from './observed/node-process.ts';
import { Crowd } from './pods/crowd.ts';

const STREAMS = Number(env['CROWD_STREAMS'] ?? 400);
const PLAIN = Number(env['CROWD_PLAIN'] ?? 100);
const THREADS = env['CROWD_THREADS'] ?? '2';
/** The node engine does not know what it holds. */
const COUNTED_THREADS = env['ZTUNNEL_ENGINE'] === 'node' ? 0 : Number(THREADS);
const DEADLINE_SECONDS = 2;
const say = (text: string): void => void (env['CROWD_STREAMS'] !== undefined && stdout.write(`${text}\n`));
const LONG_MS = 240_000;
const ECHO = { host: ADDRESS['httpbin-2'], port: PORT.echo };
const NODES = ['node1', 'node2'] as const;
const DENY = readFileSync(fileURLToPath(new URL('policies/deny-notsleep.yaml', import.meta.url)), 'utf8');
/** However busy the machine is: it does not stand still. The long form prints what it was. */
const LONGEST_GAP_MS = 10_000;

let lab: LabClient;
let crowds: { readonly sleep: Crowd; readonly notsleep: Crowd; readonly outside: Crowd };
beforeAll(async () => {
  lab = await startTestLab({
    certificateSeconds: 20,
    ztunnelEnvironment: {
      ZTUNNEL_WORKER_THREADS: THREADS,
      CONNECTION_TERMINATION_DEADLINE: `${DEADLINE_SECONDS}s`,
    },
  });
  crowds = {
    sleep: new Crowd(lab, 'sleep'),
    notsleep: new Crowd(lab, 'notsleep'),
    outside: new Crowd(lab, 'outside'),
  };
});
afterAll(() => lab?.close());

/** A running echo stays quick meanwhile. */
async function quickly<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const began = performance.now();
  const { result, pulse } = await crowds.sleep.measure(ECHO, work);
  const took = Math.round(performance.now() - began);
  say(`${what}: ${took} ms; longest of ${pulse.trips} round trips ${pulse.longestMs.toFixed(1)} ms`);
  expect(pulse).toEqual({ trips: expect.any(Number), longestMs: expect.any(Number) });
  expect(pulse.longestMs).toBeLessThan(LONGEST_GAP_MS);
  return result;
}

/** Of the crowd, by the counters of both sides. */
async function countedOpen(node: string, reporter: 'source' | 'destination'): Promise<number> {
  const samples = parseMetrics(await lab.metrics(node));
  const sum = (name: string): number => sumOf(samples, name, { reporter });
  return sum('istio_tcp_connections_opened_total') - sum('istio_tcp_connections_closed_total');
}

async function page(node: string, path: string, ...options: readonly string[]): Promise<string> {
  const url = `http://127.0.0.1:15000${path}`;
  const { code, stdout: body } = await lab.exec(node, ['curl', '-sSf', '-m', '20', ...options, url]);
  expect([path, code]).toEqual([path, 0]);
  return body;
}

test('very many connections come about, on all data threads, and are counted', { timeout: LONG_MS }, async () => {
  const [tunnelled, denied, plain] = await quickly(`${STREAMS} streams, ${PLAIN} plaintext`, () =>
    Promise.all([
      crowds.sleep.gather(ECHO.host, ECHO.port, STREAMS / 2),
      crowds.notsleep.gather(ECHO.host, ECHO.port, STREAMS / 2),
      crowds.outside.gather(ECHO.host, ECHO.port, PLAIN),
    ]),
  );
  expect([tunnelled.open, denied.open, plain.open]).toEqual([STREAMS / 2, STREAMS / 2, PLAIN]);
  await lab.waitFor(async () => (await countedOpen('node1', 'source')) === STREAMS, { what: 'counted by node1' });
  await lab.waitFor(async () => (await countedOpen('node2', 'destination')) === STREAMS + PLAIN, { what: 'by node2' });
  const samples = parseMetrics(await lab.metrics('node1'));
  for (let thread = 0; thread < COUNTED_THREADS; thread++)
    expect(sumOf(samples, 'ambientmesh_data_thread_descriptors', { thread: String(thread) })).toBeGreaterThan(
      STREAMS / Number(THREADS) / 4,
    );
  for (const node of NODES) say(`${node}: ${((await residentBytes(lab, node)) / 1e6).toFixed(0)} MB resident`);
});

test('pages, profiles, metrics and log levels', { timeout: LONG_MS }, async () => {
  await quickly('metrics', () => lab.metrics('node2'));
  const dump: unknown = await quickly('config_dump', async () => JSON.parse(await page('node2', '/config_dump')));
  // And the one of the echo.
  expect(JSON.stringify(dump).split('"originalDst"').length - 1).toBe(STREAMS + PLAIN + 1);
  await quickly('debug/policies', () => page('node2', '/debug/policies'));
  await quickly('debug/denials', () => page('node2', '/debug/denials'));
  await quickly('debug/heap', () => page('node2', '/debug/heap'));
  await quickly('debug/profile', () => page('node2', '/debug/profile?seconds=1'));
  await quickly('log level', () => page('node2', '/logging?level=access=debug', '-XPOST'));
  const from = (await lab.log('ztunnel@node2')).length;
  await lab.exec('sleep', ['curl', '-sS', `http://${ADDRESS['httpbin-2']}:${PORT.http}/ip`]);
  await lab.waitForLog('ztunnel@node2', (line) => line.includes('debug\taccess'), { from });
  await page('node2', '/logging?reset', '-XPOST');
});

test('pods are taken out of the mesh and back into it', { timeout: LONG_MS }, async () => {
  await quickly('unenrol', () => lab.unenrol('httpbin-1'));
  await quickly('enrol', () => lab.enrol('httpbin-1'));
  expect((await lab.exec('sleep', ['curl', '-sS', `http://${ADDRESS['httpbin-1']}:${PORT.http}/ip`])).code).toBe(0);
  expect((await crowds.sleep.echo()).open).toBe(STREAMS / 2);
});

test('certificates are renewed: those that are open go on, new ones come about', { timeout: LONG_MS }, async () => {
  const issued = async (): Promise<number> => (await lab.certificates()).length;
  const before = await issued();
  await quickly('rotation', () =>
    lab.waitFor(async () => (await issued()) >= before + 4, { what: 'new certificates', timeoutMs: 60_000 }),
  );
  await using other = new Crowd(lab, 'notsleep');
  expect(await other.gather(ECHO.host, ECHO.port, 20)).toEqual({ open: 20, ended: 0 });
  const all = await Promise.all([crowds.sleep.echo(), crowds.notsleep.echo(), crowds.outside.echo()]);
  expect(all.map((counts) => counts.open)).toEqual([STREAMS / 2, STREAMS / 2, PLAIN]);
});

test('a policy cuts those of one client, and nobody else', { timeout: LONG_MS }, async () => {
  await quickly('deny half of the streams', async () => {
    await lab.applyPolicies(DENY);
    const inForce = performance.now();
    await lab.waitFor(async () => (await crowds.notsleep.count()).open === 0, { what: 'cut' });
    say(`all cut ${Math.round(performance.now() - inForce)} ms after it was in force`);
  });
  expect((await crowds.sleep.echo()).open).toBe(STREAMS / 2);
  expect((await crowds.outside.echo()).open).toBe(PLAIN);
  await lab.deletePolicies('AuthorizationPolicy/default/not-for-notsleep');
});

test('SIGTERM: they go on until the deadline, and the process ends in order', { timeout: LONG_MS }, async () => {
  const began = performance.now();
  const stopped = lab.killZtunnel('node2', 'SIGTERM');
  await lab.waitForLog('ztunnel@node2', (line) => line.includes('received signal SIGTERM'));
  expect((await crowds.outside.echo()).open).toBe(PLAIN);
  await stopped;
  say(`drain: ${Math.round(performance.now() - began)} ms`);
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: false, lastExit: 'exit 0', restarts: 0 });
  const gone = async (): Promise<boolean> =>
    (await crowds.sleep.count()).open === 0 && (await crowds.outside.count()).open === 0;
  await lab.waitFor(gone, { what: 'end of all connections' });
  await lab.startZtunnel('node2');
  expect(await crowds.sleep.gather(ECHO.host, ECHO.port, 20)).toMatchObject({ open: 20 });
  expect(await ztunnelOf(lab, 'node1')).toMatchObject({ running: true, restarts: 0 });
});
