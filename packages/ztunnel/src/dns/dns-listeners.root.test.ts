import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Namespace } from '@ambientmesh/netns';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MeshState } from '../state/mesh-state.ts';
import { DnsCounters } from './dns-counters.ts';
import { type DnsProxy, openDnsProxy } from './dns-proxy.ts';
import { makeService, makeWorkload } from './testing/mesh-records.ts';

const PORT = 15_053;
const MARK = 1337;
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

const inside = (command: string): string =>
  namespace.run(() => execFileSync('sh', ['-ec', command], { encoding: 'utf8' })).replaceAll(/ +/g, ' ');

function open(values: { readonly ipv6?: boolean; readonly reusePort?: boolean; readonly nameServers?: string[] } = {}) {
  const mesh = new MeshState();
  mesh.putService(makeService({ vips: [{ network: '', ip: '10.96.0.20' }] }));
  const warnings: string[] = [];
  const proxy = openDnsProxy({
    namespace,
    port: PORT,
    mark: MARK,
    reusePort: values.reusePort ?? true,
    resolvConf: { nameServers: values.nameServers ?? [], tryTimeoutMs: 5000, tries: 3 },
    mesh,
    rules: { clusterDomain: 'cluster.local', ipv6: values.ipv6 ?? true, random: () => 0 },
    client: () => makeWorkload(),
    counters: new DnsCounters(),
    log: { warned: (message) => warnings.push(message) },
    now: () => performance.now(),
  });
  return { proxy, warnings, [Symbol.dispose]: () => proxy.close() };
}

function sockets(): string[] {
  return inside('ss -lntuH')
    .trim()
    .split('\n')
    .map((line) => line.split(' ').slice(0, 5).join(' '));
}

test('UDP and TCP on both loopback addresses', () => {
  using _ = open();
  expect(sockets()).toEqual([
    'udp UNCONN 0 0 127.0.0.1:15053',
    'udp UNCONN 0 0 [::1]:15053',
    'tcp LISTEN 0 128 127.0.0.1:15053',
    'tcp LISTEN 0 128 [::1]:15053',
  ]);
});

test.each(['IPv6 off in the configuration', 'IPv6 off in the pod'])('%s: no ::1', (how) => {
  const inPod = how === 'IPv6 off in the pod';
  if (inPod) inside('echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6');
  try {
    using started = open({ ipv6: inPod });
    expect(sockets()).toEqual(['udp UNCONN 0 0 127.0.0.1:15053', 'tcp LISTEN 0 128 127.0.0.1:15053']);
    expect(started.warnings).toEqual([]);
  } finally {
    if (inPod)
      inside('echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6; ip addr add ::1/128 dev lo 2>/dev/null || true');
  }
});

test('a port that is taken is an error, and nothing stays bound', () => {
  using started = open({ reusePort: false });
  expect(() => open({ reusePort: false })).toThrow(
    expect.objectContaining({ code: 'NETNS_ADDRESS_IN_USE', address: '127.0.0.1:15053' }),
  );
  expect(sockets()).toHaveLength(4);
  started.proxy.close();
});

test.each(['', '+tcp'])('a process in the pod gets an answer by dig-like query%s', (how) => {
  return expect(ask(how === '+tcp', 'web.default')).resolves.toBe('10.96.0.20');
});

test('name servers are asked from inside of the pod: nobody listens there', async () => {
  using started = open({ nameServers: ['127.0.0.1'] });
  const result = await new Promise((resolve) => {
    started.proxy.lookup('up.example', 4, resolve);
  });
  expect(result).toEqual({ failure: 'dns lookup: response code 2' });
});

/** Asks from a process in the namespace, so that nothing of this one can answer for it. */
async function ask(tcp: boolean, name: string): Promise<string> {
  using _: { proxy: DnsProxy } & Disposable = open();
  const script = `
import socket, struct
q = struct.pack('>HHHHHH', 1, 256, 1, 0, 0, 0) + b''.join(bytes([len(l)]) + l.encode() for l in '${name}'.split('.')) + b'\\0\\0\\1\\0\\1'
if ${tcp ? 'True' : 'False'}:
    s = socket.create_connection(('127.0.0.1', ${PORT}), 5); s.sendall(struct.pack('>H', len(q)) + q); a = s.recv(4096)[2:]
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(q, ('127.0.0.1', ${PORT})); a = s.recv(4096)
print(socket.inet_ntoa(a[-4:]), end='')`;
  const child = namespace.run(() => spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] }));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, 'close');
  return output;
}
