import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { StateChange } from '../data-plane/protocol.ts';
import { listenSockets, TEST_CONFIG } from '../data-plane/testing/test-pod.ts';
import type { DataThread } from '../data-plane/thread.ts';
import { startDataThreads } from '../data-plane/threads.ts';
import { workload } from '../state/fixtures.ts';
import { DataThreads } from './data-threads.ts';

const COUNT = 10_000;
const RULES = 10;

function policyOf(index: number, action: 'Allow' | 'Deny'): StateChange {
  const rules = Array.from({ length: RULES }, (_, rule) => [
    [{ principals: [{ kind: 'exact', value: `td/ns/n${index}/sa/s${rule}` } as const] }],
  ]);
  const more = { scope: 'WorkloadSelector', dryRun: false } as const;
  return { type: 'policy', policy: { name: `p${index}`, namespace: 'n', action, rules, ...more } };
}

function workloadOf(index: number): StateChange {
  const ips = [`10.0.${index >> 8}.${index & 255}`];
  const one = workload({ name: `w${index}`, ips, authorizationPolicies: [`n/p${index}`] });
  return { type: 'workload', workload: one, endpoints: [] };
}

/** The data plane in this thread, as tests and small machines have it; what its threads say is not needed. */
function startHere(posted: (type: string) => void): DataThreads {
  const { thread: _, threads: __, ...config } = TEST_CONFIG;
  const program = new URL(import.meta.url);
  const [plane] = startDataThreads({ config, engine: 'node', count: 0, program, onDeath: () => undefined });
  if (plane === undefined) throw new Error('no data plane');
  const watched: DataThread = {
    post: (message) => {
      posted(message.type);
      plane.post(message);
    },
    logBacklog: plane.logBacklog,
    onMessage: () => undefined,
    terminate: () => plane.terminate(),
  };
  plane.onMessage = (message) => watched.onMessage(message);
  const threads = new DataThreads([watched], {
    engine: () => undefined,
    lookupWanted: () => undefined,
    diagnosis: () => undefined,
    certificateWanted: () => undefined,
    log: () => undefined,
    report: () => undefined,
    componentDrained: () => undefined,
  });
  onTestFinished(() => threads.terminate());
  return threads;
}

/** A connection of this thread on which one byte goes to and fro; says how often it has come back. */
async function openEcho(): Promise<() => number> {
  const port = await listenSockets((socket) => void socket.resume().pipe(socket), onTestFinished);
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  onTestFinished(() => void socket.destroy());
  let echoes = 0;
  socket.on('data', (bytes) => {
    echoes++;
    socket.write(bytes);
  });
  await new Promise<void>((resolve) => {
    socket.once('data', () => resolve());
    socket.write('x');
  });
  return () => echoes;
}

/** Processor time of this thread, in milliseconds: other processes on a busy machine hardly change it. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The longest turn of the loop until `work` is done, and all of them, in processor time. */
async function measureTurns(work: Promise<void>): Promise<{ readonly longestMs: number; readonly totalMs: number }> {
  const beginMs = cpuMs();
  let [lastMs, longestMs] = [beginMs, 0];
  const measure = (): void => {
    const nowMs = cpuMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    next = setImmediate(measure);
  };
  let next = setImmediate(measure);
  await work;
  clearImmediate(next);
  return { longestMs, totalMs: lastMs - beginMs };
}

test('10,000 policies of 10 rules and 10,000 workloads at once: connections of the thread go on meanwhile', async () => {
  const posted: string[] = [];
  const threads = startHere((type) => posted.push(type));
  const echoes = await openEcho();
  const changes = Array.from({ length: COUNT }, (_, index) => [policyOf(index, 'Deny'), workloadOf(index)]).flat();
  const before = echoes();
  const { longestMs, totalMs } = await measureTurns(threads.applyState(changes));
  // As one message it is one turn. What is left is the collection of garbage, some 20 ms of about 1000.
  expect(longestMs).toBeLessThan(totalMs / 4);
  expect(posted.filter((type) => type === 'batch')).toHaveLength(1);
  // A byte is back after two or three turns.
  expect(posted.length).toBeGreaterThan(200);
  expect(echoes() - before).toBeGreaterThan(posted.length / 20);
});
