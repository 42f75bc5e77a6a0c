import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeDescriptor, listenTcp, Namespace } from '@ambientmesh/netns';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { makeService, makeWorkload } from '../../dns/testing/mesh-records.ts';
import { parseLogFilter } from '../../log/log-filter.ts';
import { LogRoot } from '../../log/logger.ts';
import { PodDns } from './pod-dns.ts';

const PORT = 15_053;
let holder: ChildProcess;
let namespace: Namespace;

beforeAll(async () => {
  holder = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(holder.stdout ?? holder, 'data');
  namespace = Namespace.ofPid(holder.pid ?? 0);
});
afterAll(() => {
  namespace.close();
  holder.kill('SIGKILL');
});

const undos: (() => void)[] = [];
afterEach(() => {
  for (const undo of undos.splice(0)) undo();
});

const pod = makeWorkload();
const info = { name: pod.name, namespace: pod.namespace, serviceAccount: pod.serviceAccount };
const wanted = { type: 'lookup-wanted', id: 0, uid: 'u', name: 'web.default', family: 4 } as const;

function start(filter = 'info', dnsProxy = true) {
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const parsed = parseLogFilter(filter);
  if (typeof parsed === 'string') throw new TypeError(parsed);
  const log = new LogRoot({ format: 'plain', filter: parsed, sink });
  const dns = new PodDns({
    config: {
      clusterDomain: 'cluster.local',
      preferredNamespace: undefined,
      packetMark: 1337,
      portReuse: false,
      ipv6: false,
      dnsProxy,
    },
    log,
    resolvConf: { nameServers: [], tryTimeoutMs: 5000, tries: 1, searchDomains: [] },
  });
  undos.push(() => dns.close());
  const service = makeService({ hostname: 'web.default.svc.cluster.local', vips: [{ network: '', ip: '10.96.0.20' }] });
  const lookup = (over: Partial<typeof wanted> = {}): Promise<unknown> =>
    new Promise((resolve) => {
      dns.lookup({ ...wanted, ...over }, resolve);
    });
  return { dns, log, lines, service, lookup };
}

/** Whether the port is free in the pod. */
function isFree(): boolean {
  try {
    closeDescriptor(listenTcp(namespace, { ip: '127.0.0.1', port: PORT, reusePort: false }).fd);
    return true;
  } catch {
    return false;
  }
}

test('names are looked up for a pod from its start to its stop, and counted', async () => {
  const { dns, service, lookup } = start();
  await dns.apply([
    { type: 'service', service },
    { type: 'workload', workload: pod, endpoints: [] },
  ]);
  expect(await lookup()).toEqual({ failure: 'dns lookup: too many queries' });
  dns.start('u', info, namespace.fd);
  expect(isFree()).toBe(false);
  expect(await lookup()).toEqual({ ip: '10.96.0.20' });
  expect(dns.drainCounters()).toMatchObject([{ requests: 1 }]);
  dns.stop('u');
  dns.stop('u');
  await vi.waitFor(() => expect(isFree()).toBe(true));
  expect(await lookup()).toEqual({ failure: 'dns lookup: too many queries' });
});

test('a lookup waits for the workload of its pod', async () => {
  const { dns, service, lookup } = start();
  dns.start('u', info, namespace.fd);
  const answer = lookup();
  await dns.apply([
    { type: 'service', service },
    { type: 'workload', workload: pod, endpoints: [] },
  ]);
  expect(await answer).toEqual({ ip: '10.96.0.20' });
});

test('a port that is taken fails the pod in the words of its agent, and leaves nothing', async () => {
  const { fd } = listenTcp(namespace, { ip: '127.0.0.1', port: PORT, reusePort: false });
  const { dns, lookup } = start();
  try {
    expect(() => dns.start('u', info, namespace.fd)).toThrow(
      expect.objectContaining({
        code: 'ZTUNNEL_POD_FAILED',
        message: 'Bind(127.0.0.1:15053, Os { code: 98, kind: AddrInUse, message: "Address already in use" })',
      }),
    );
  } finally {
    closeDescriptor(fd);
  }
  expect(await lookup()).toEqual({ failure: 'dns lookup: too many queries' });
  expect(isFree()).toBe(true);
});

test('queries are logged while their target is at DEBUG', async () => {
  const { dns, log, lines, service, lookup } = start();
  await dns.apply([
    { type: 'service', service },
    { type: 'workload', workload: pod, endpoints: [] },
  ]);
  dns.start('u', info, namespace.fd);
  await lookup();
  expect(lines).toEqual([]);
  const debug = parseLogFilter('info,dns=debug');
  if (typeof debug !== 'string') log.filter = debug;
  await lookup();
  expect(lines).toEqual([expect.stringContaining('domain="web.default." result="success"')]);
});

test('without DNS in the configuration nothing is bound', async () => {
  const { dns, lookup } = start('info', false);
  dns.start('u', info, namespace.fd);
  expect(isFree()).toBe(true);
  expect(await lookup()).toEqual({ failure: 'dns lookup: too many queries' });
});
