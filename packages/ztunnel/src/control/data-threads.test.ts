import { Namespace } from '@ambientmesh/netns';
import { afterAll, expect, test } from 'vitest';
import type { FromDataThread, ToDataThread } from '../data-plane/protocol.ts';
import { soon } from '../data-plane/testing/soon.ts';
import type { DataThread } from '../data-plane/thread.ts';
import { addWaiting, createLogBacklog } from '../log/log-backlog.ts';
import { defaultFilter, LogRoot } from '../log/logger.ts';
import { parseCommandLine } from './command-line.ts';
import { type DataThreadEvents, DataThreads, type HeldDescriptor } from './data-threads.ts';
import { PodProxies } from './pod-proxies.ts';

type Behaviour = (message: ToDataThread) => FromDataThread | undefined;

class FakeThread implements DataThread {
  readonly posted: ToDataThread[] = [];
  readonly logBacklog = createLogBacklog();
  onMessage: (message: FromDataThread) => void = () => undefined;
  readonly #behaviour: Behaviour;

  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour;
  }

  post(message: ToDataThread): void {
    this.posted.push(message);
    const answer = this.#behaviour(message);
    if (answer !== undefined) setImmediate(() => this.onMessage(answer));
  }

  terminate(): Promise<void> {
    return Promise.resolve();
  }
}

const open = { src: 's', originalDst: null, actualDst: 'd', protocol: 'TCP' } as const;

const healthy: Behaviour = (message) => {
  if (message.type === 'pod-start') return { type: 'pod-started', uid: message.uid, transparent: true };
  if (message.type === 'pod-stop') return { type: 'pod-stopped', uid: message.uid };
  if (message.type === 'drain') return { type: 'drained', cut: 1 };
  if (message.type !== 'connections') return undefined;
  return { type: 'connections', id: message.id, pods: new Map([['u', { inbound: [open], outbound: [] }]]) };
};
const failing: Behaviour = (message) =>
  message.type === 'pod-start' ? { type: 'pod-failed', uid: message.uid, message: 'taken' } : healthy(message);

function gather(...behaviours: Behaviour[]) {
  return threadsOf(behaviours.map((behaviour) => new FakeThread(behaviour)));
}

function threadsOf(fakes: readonly FakeThread[], podAnswerMs?: number) {
  const lines: string[] = [];
  const sink = {
    write: (text: string) => lines.push(text.split('\t').slice(1).join('|')),
    flush: () => Promise.resolve(),
  };
  const log = new LogRoot({ format: 'plain', filter: defaultFilter(), sink });
  const dnsCalls: string[] = [];
  const dns = {
    start: (uid: string) => void dnsCalls.push(`start ${uid}`),
    stop: (uid: string) => void dnsCalls.push(`stop ${uid}`),
  };
  const pods: PodProxies = new PodProxies({ threads: () => threads, log, ipv6: true, dns });
  const lookups: {
    readonly wanted: Parameters<DataThreadEvents['lookupWanted']>[0];
    readonly answer: Parameters<DataThreadEvents['lookupWanted']>[1];
  }[] = [];
  const logged: { readonly text: string; readonly written: () => void }[] = [];
  const events = {
    engine: () => undefined,
    diagnosis: () => undefined,
    certificateWanted: () => undefined,
    lookupWanted: (...[wanted, answer]: Parameters<DataThreadEvents['lookupWanted']>) =>
      void lookups.push({ wanted, answer }),
    log: (text: string, written: () => void) => void logged.push({ text, written }),
    report: () => undefined,
    componentDrained: (message: Extract<FromDataThread, { type: 'component-drained' }>) =>
      pods.componentDrained(message),
  };
  const threads: DataThreads = new DataThreads(fakes, events, podAnswerMs);
  return { fakes, threads, pods, lines, dns, dnsCalls, lookups, logged };
}

const info = { name: 'a', namespace: 'n', serviceAccount: 's' };

/** As threads are given it; they are fakes. */
const held = (fd: number): HeldDescriptor => ({ fd, close: () => undefined });

/** Of this process, for its descriptor is duplicated. */
const netns = Namespace.current();
afterAll(() => netns.close());

test('a pod that fails on one thread is undone on all', async () => {
  const { fakes, threads } = gather(healthy, failing);
  await expect(threads.startPod('u', info, held(7))).rejects.toMatchObject({
    code: 'ZTUNNEL_POD_FAILED',
    message: 'taken',
  });
  for (const fake of fakes) expect(fake.posted.map(({ type }) => type)).toEqual(['pod-start', 'pod-stop']);
});

test("a pod's DNS comes before its listeners and goes with them", async () => {
  const { pods, dns, dnsCalls, fakes } = gather(healthy);
  await pods.start('u', info, netns);
  await pods.stop('u');
  expect(dnsCalls).toEqual(['start u', 'stop u']);
  fakes[0]?.posted.splice(0);
  dns.start = () => {
    throw new Error('Bind(127.0.0.1:15053)');
  };
  await expect(pods.start('u', info, netns)).rejects.toThrow('Bind(127.0.0.1:15053)');
  expect(fakes[0]?.posted).toEqual([]);
});

test('a pod that fails on a data thread has no DNS either', async () => {
  const { pods, dnsCalls } = gather(failing);
  await expect(pods.start('u', info, netns)).rejects.toThrow('taken');
  expect(dnsCalls).toEqual(['start u', 'stop u']);
});

test('the answer to a lookup goes to the thread that wants it', () => {
  const fakes = [new FakeThread(healthy), new FakeThread(healthy)];
  const { lookups } = threadsOf(fakes);
  fakes[1]?.onMessage({ type: 'lookup-wanted', id: 3, uid: 'u', name: 'web', family: 4 });
  for (const { wanted, answer } of lookups) answer({ ip: `10.0.0.${wanted.id}` });
  expect(fakes.map(({ posted }) => posted)).toEqual([
    [],
    [{ type: 'lookup-answer', id: 3, result: { ip: '10.0.0.3' } }],
  ]);
});

test('a thread that does not report makes the collection incomplete, without end', async () => {
  const { threads } = gather(healthy, () => undefined);
  expect(await threads.collect(10)).toBe(false);
});

test('connections and cuts of all threads add up', async () => {
  const { threads } = gather(healthy, healthy);
  const { found, silent } = await threads.listConnections(1000);
  expect([found.get('u')?.inbound.length, silent]).toEqual([2, []]);
  expect(await threads.drain(0)).toBe(2);
});

test('denials of all threads are one list; a thread that does not answer is named', async () => {
  const denial = {
    kind: 'refused',
    pod: info,
    connection: { identity: undefined, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 80 },
    reason: 'explicitly denied by: n/p',
    count: 1,
    firstEpochMs: 1,
    lastEpochMs: 1,
    explanation: undefined,
    explainedEpochMs: undefined,
    unexplained: undefined,
  } as const;
  const answer: Behaviour = (message) =>
    message.type === 'denials' ? { type: 'denials', id: message.id, denials: [denial] } : undefined;
  expect(await gather(answer, answer).threads.listDenials(1000)).toEqual({
    found: [{ ...denial, count: 2 }],
    silent: [],
  });
  const { threads } = gather(answer, () => undefined);
  expect(await threads.listDenials(10)).toEqual({ found: [denial], silent: [1] });
  expect((await threads.listConnections(10)).silent).toEqual([0, 1]);
});

test('listeners and the end of each component are logged once, when all threads are there', async () => {
  const { fakes, pods, lines } = gather(healthy, healthy);
  await pods.start('u', info, netns);
  expect(lines).toEqual([
    'info|proxy::inbound|listener established|address=[::]:15008 component="inbound" transparent=true\n',
    'info|proxy::inbound_passthrough|listener established|address=[::]:15006 component="inbound plaintext" transparent=true\n',
    'info|proxy::outbound|listener established|address=[::]:15001 component="outbound" transparent=true\n',
  ]);
  lines.length = 0;
  fakes[0]?.onMessage({ type: 'component-drained', uid: 'u', component: 'outbound', forced: true });
  expect(lines).toEqual([]);
  fakes[1]?.onMessage({ type: 'component-drained', uid: 'u', component: 'outbound', forced: false });
  pods.allDrained();
  expect(lines).toEqual([
    'warn|drain:proxy{wl=n/a}|drain duration expired with pending connections, forcefully shutting down|component="outbound"\n',
    'info|drain:proxy{wl=n/a}|shutdown complete|component="outbound"\n',
    'info|drain:proxy{wl=n/a}|shutdown complete|component="inbound passthrough"\n',
    'info|drain:proxy{wl=n/a}|shutdown complete|component="inbound"\n',
  ]);
});

test.each([
  { args: [], expected: { kind: 'proxy' } },
  { args: ['proxy', 'ztunnel'], expected: { kind: 'proxy' } },
  { args: ['version', 'extra'], expected: { kind: 'print', error: '', exitCode: 0 } },
  { args: ['help'], expected: { kind: 'print', error: '', exitCode: 0 } },
  { args: ['--help'], expected: { kind: 'print', error: 'unknown command: --help\n', exitCode: 1 } },
])('§1: command line $args', ({ args, expected }) => {
  expect(parseCommandLine(args, 'unknown')).toMatchObject(expected);
});

/** Answers nothing until told; then in order, as a thread that was stuck. */
function stuck() {
  const fake = new FakeThread(() => undefined);
  const resume = (startFails: readonly boolean[]): void => {
    const fails = [...startFails];
    for (const message of fake.posted.splice(0)) {
      const answer = (message.type === 'pod-start' && fails.shift() === true ? failing : healthy)(message);
      if (answer !== undefined) fake.onMessage(answer);
    }
  };
  return { fake, resume };
}

test('late answers to a start that was given up are not taken for those of the next one', async () => {
  const { fake, resume } = stuck();
  const { threads } = threadsOf([fake], 10);
  await expect(threads.startPod('u', info, held(7))).rejects.toMatchObject({ code: 'ZTUNNEL_POD_FAILED' });
  expect(fake.posted.map(({ type }) => type)).toEqual(['pod-start', 'pod-stop']);
  const second = threads.startPod('u', info, held(8)).catch((error: unknown) => error);
  resume([false, true]);
  await soon(() => expect(fake.posted.map(({ type }) => type)).toEqual(['pod-stop']));
  resume([]);
  expect(await second).toMatchObject({ code: 'ZTUNNEL_POD_FAILED', message: 'taken' });
});

test('the namespace of a start is held until a thread that was stuck has answered', async () => {
  const { fake, resume } = stuck();
  const { threads } = threadsOf([new FakeThread(healthy), fake], 10);
  let closed = 0;
  const taken = { fd: 7, close: () => void closed++ };
  await expect(threads.startPod('u', info, taken)).rejects.toMatchObject({ code: 'ZTUNNEL_POD_FAILED' });
  expect(closed).toBe(0);
  resume([]);
  expect(closed).toBe(1);
});

const removal = { type: 'policy-removed', key: 'n/p' } as const;
const taking: Behaviour = (message) => (message.type === 'batch' ? { type: 'batch-taken' } : healthy(message));

test('a change is in force when every thread goes by it; a pod starts without waiting for that', async () => {
  const { fake, resume } = stuck();
  const quick = new FakeThread(taking);
  const { threads } = threadsOf([quick, fake]);
  let inForce = false;
  const applied = threads.applyState([removal]).then(() => (inForce = true));
  const started = threads.startPod('u', info, held(7));
  await soon(() => expect(quick.posted.map(({ type }) => type)).toEqual(['batch', 'pod-start']));
  expect([fake.posted.map(({ type }) => type), inForce]).toEqual([['batch', 'pod-start'], false]);
  resume([]);
  expect([await started, inForce]).toEqual([{ transparent: true }, false]);
  fake.onMessage({ type: 'batch-taken' });
  await applied;
});

test('threads that are ended before they have taken a change: who waits for it is told', async () => {
  const { threads } = gather(taking, () => undefined);
  const applied = threads.applyState([removal]);
  await threads.terminate();
  await expect(applied).rejects.toMatchObject({ code: 'ZTUNNEL_DATA_THREAD_LOST' });
});

test('lines of a data thread count as waiting until they are written', () => {
  const { fakes, logged } = gather(healthy, healthy);
  for (const { logBacklog } of fakes) addWaiting(logBacklog, 10);
  fakes[1]?.onMessage({ type: 'log', text: 'line 1\n' });
  const waiting = (): unknown => fakes.map(({ logBacklog }) => logBacklog[0]);
  expect([waiting(), logged.map(({ text }) => text)]).toEqual([[10, 10], ['line 1\n']]);
  logged[0]?.written();
  expect(waiting()).toEqual([10, 3]);
});
