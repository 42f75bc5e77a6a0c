import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '@ambientmesh/spiffe';
import { expect, test, vi } from 'vitest';
import { beat, createHeartbeat, HEARTBEAT_MS, type Heartbeat } from '../data-plane/heartbeat.ts';
import type { ToDataThread } from '../data-plane/protocol.ts';
import { soon } from '../data-plane/testing/soon.ts';
import type { DataThread } from '../data-plane/thread.ts';
import { createLogBacklog } from '../log/log-backlog.ts';
import { LogRoot } from '../log/logger.ts';
import type { ZtunnelConfig } from './config/config.ts';
import { parseConfig } from './config/parse-config.ts';
import { Ztunnel } from './ztunnel.ts';

/** Without an agent, on free ports. */
function configOf(variables: Record<string, string>): ZtunnelConfig {
  const all = new Map([
    ['XDS_ADDRESS', ''],
    ['CA_ADDRESS', 'https://ca:15012'],
    ['INPOD_UDS', join(tmpdir(), `no-agent-${process.pid}.sock`)],
    ...Object.entries(variables),
  ]);
  const system = { environmentNames: [...all.keys()], cores: 2, readFile: () => undefined };
  const parsed = parseConfig((name) => all.get(name), system);
  return { ...parsed, ports: { admin: 0, stats: 0, readiness: 0 } };
}

test('§15: a signal during the start ends it: nothing is begun after the drain, nothing stays open', async () => {
  const config = configOf({});
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  let threadsStarted = 0;
  const ztunnel = new Ztunnel({
    config,
    log: new LogRoot({ format: 'plain', filter: config.logFilter, sink }),
    program: new URL(import.meta.url),
    args: [],
    startThreads: () => {
      threadsStarted++;
      return [];
    },
  });
  const started = ztunnel.start();
  expect(ztunnel.drain('SIGTERM')).toBe(true);
  await Promise.all([started, ztunnel.ended]);
  const count = (text: string): number => lines.filter((line) => line.includes(text)).length;
  expect(count('listener drained')).toBe(count('listener established'));
  expect(count('handling new stream') + count('failed to connect')).toBe(0);
  expect(threadsStarted).toBe(0);
});

test('hbone.md §9: the lists of CRL_PATH are with every data thread before the process is ready', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'crl-'));
  const path = join(directory, 'ca-crl.pem');
  const authority = await CertificateAuthority.create({ trustDomain: 'td' });
  const list = await authority.revocationList(['01']);
  writeFileSync(path, list);
  const config = configOf({ CRL_PATH: path });
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const posted: ToDataThread[] = [];
  const thread = (): DataThread => ({
    post(message) {
      posted.push(message);
      if (message.type === 'drain') this.onMessage({ type: 'drained', cut: 0 });
    },
    logBacklog: createLogBacklog(),
    onMessage: () => undefined,
    terminate: () => Promise.resolve(),
  });
  const ztunnel = new Ztunnel({
    config,
    log: new LogRoot({ format: 'plain', filter: config.logFilter, sink }),
    program: new URL(import.meta.url),
    args: [],
    startThreads: () => [thread(), thread()],
  });
  await ztunnel.start();
  const files = posted.flatMap((message) => (message.type === 'revocations' ? [Buffer.from(message.file)] : []));
  expect(files.map(String)).toEqual([list, list]);
  expect(lines.join('')).toContain('CRL file loaded');
  ztunnel.drain('SIGTERM');
  await ztunnel.ended;
  rmSync(directory, { recursive: true });
});

test('§3.3: pods are not asked for, and the process is not ready, before every data thread has the whole local configuration', async () => {
  const policies = Array.from(
    { length: 500 },
    (_, index) =>
      `- {name: p${index}, namespace: d, scope: Namespace, action: Allow, dryRun: false, rules: [[[{namespaces: [!Exact a]}]]]}`,
  );
  const config = configOf({ LOCAL_XDS: `policies:\n${policies.join('\n')}\n` });
  const sink = { write: () => undefined, flush: () => Promise.resolve() };
  const posted: ToDataThread[] = [];
  let stuck = true;
  const thread: DataThread = {
    post(message) {
      posted.push(message);
      if (message.type === 'batch-part' || (message.type === 'batch' && !stuck))
        this.onMessage({ type: 'batch-taken' });
      if (message.type === 'drain') this.onMessage({ type: 'drained', cut: 0 });
    },
    logBacklog: createLogBacklog(),
    onMessage: () => undefined,
    terminate: () => Promise.resolve(),
  };
  const ztunnel = new Ztunnel({
    config,
    log: new LogRoot({ format: 'plain', filter: config.logFilter, sink }),
    program: new URL(import.meta.url),
    args: [],
    startThreads: () => [thread],
  });
  let started = false;
  const starting = ztunnel.start().then(() => (started = true));
  await soon(() => expect(posted.at(-1)?.type).toBe('batch'));
  const changes = posted.flatMap((message) =>
    message.type === 'batch' || message.type === 'batch-part' ? message.changes : [],
  );
  expect([changes.length, posted.length > 2, started]).toEqual([500, true, false]);
  stuck = false;
  thread.onMessage({ type: 'batch-taken' });
  await starting;
  ztunnel.drain('SIGTERM');
  await ztunnel.ended;
});

test('a data thread that stands still is named by readiness and the log, until it goes on', async () => {
  const port = await freePort();
  const given = configOf({ ZTUNNEL_STUCK_THREAD_TIMEOUT: '1s' });
  const config = { ...given, ports: { ...given.ports, readiness: port } };
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const beating = new Set([0, 1]);
  const heartbeats = [createHeartbeat(), createHeartbeat()];
  for (const heartbeat of heartbeats) beat(heartbeat);
  const timer = setInterval(() => {
    for (const thread of beating) beat(heartbeats[thread] ?? createHeartbeat());
  }, HEARTBEAT_MS);
  const ztunnel = new Ztunnel({
    config,
    log: new LogRoot({ format: 'plain', filter: config.logFilter, sink }),
    program: new URL(import.meta.url),
    args: [],
    startThreads: () => heartbeats.map(threadOf),
  });
  await ztunnel.start();
  const ready = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/healthz/ready`);
    return `${response.status} ${await response.text()}`;
  };
  const told = (text: string): number => lines.filter((line) => line.includes(text)).length;
  // There is no agent.
  const noAgent = '500 not ready, pending: workload proxy manager\n';
  expect(await ready()).toBe(noAgent);
  beating.delete(1);
  const stuck = '503 not ready, pending: data thread 1 (stuck), workload proxy manager\n';
  await vi.waitFor(async () => expect(await ready()).toBe(stuck), { timeout: 20_000, interval: 50 });
  expect(told('warn\tdata_thread\tdata thread is stuck')).toBe(1);
  beating.add(1);
  await vi.waitFor(async () => expect(await ready()).toBe(noAgent), { timeout: 20_000, interval: 50 });
  expect(told('info\tdata_thread\tdata thread goes on again\tthread=1')).toBe(1);
  clearInterval(timer);
  ztunnel.drain('SIGTERM');
  await ztunnel.ended;
});

const emptyReport = {
  type: 'report',
  counters: [],
  openSockets: { source: 0, destination: 0 },
  revocations: { source: 0, destination: 0 },
  accepting: { descriptors: { paused: 0, pauses: 0 }, memory: { paused: 0, pauses: 0 } },
} as const;

/** A thread that answers and does nothing else. */
function threadOf(heartbeat: Heartbeat): DataThread {
  return {
    heartbeat,
    post(message) {
      if (message.type === 'drain') this.onMessage({ type: 'drained', cut: 0 });
      if (message.type === 'report') this.onMessage({ ...emptyReport, id: message.id });
    },
    logBacklog: createLogBacklog(),
    onMessage: () => undefined,
    terminate: () => Promise.resolve(),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
