import { randomUUID } from 'node:crypto';
import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { type AccessLogLine, parseAccessLog } from './observed/access-log.ts';
import { parseMetrics, type Sample, sumOf } from './observed/metrics.ts';
import { podPids, ztunnelOf } from './observed/node-process.ts';
import { PodSockets } from './pods/pod-sockets.ts';
import { type TcpStream, tcpSegments, tcpStreams } from './wire/tcp-streams.ts';
import { tlsRecordTypes } from './wire/tls-records.ts';

const HBONE = 15_008;
const APPLICATION_DATA = 23;
const ENROLLED = ['sleep', 'notsleep', 'httpbin-1', 'httpbin-2'];
/** `iptables-save` of an enrolled pod, without counters and comments: what Istio's documentation shows. */
const IPTABLES_SAVE = `
*mangle
:PREROUTING ACCEPT
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:ISTIO_OUTPUT -
:ISTIO_PRERT -
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A ISTIO_PRERT -s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT
-A ISTIO_PRERT ! -d 127.0.0.1/32 -i lo -p tcp -j ACCEPT
-A ISTIO_PRERT -p tcp -m tcp --dport 15008 -m mark ! --mark 0x539/0xfff -j TPROXY --on-port 15008 --on-ip 0.0.0.0 --tproxy-mark 0x111/0xfff
-A ISTIO_PRERT -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ISTIO_PRERT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x111/0xfff
COMMIT
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:ISTIO_OUTPUT -
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -d 169.254.7.127/32 -p tcp -m tcp -j ACCEPT
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
`.trimStart();

// One story, told in order: plain, enrolled, plain again.
let lab: LabClient;
let pidsBefore: Record<string, number | undefined>;
beforeAll(async () => {
  lab = await startTestLab({ enrol: false });
  pidsBefore = await podPids(lab);
});
afterAll(() => lab?.close());

test('before enrolment the request can be read between the nodes', async () => {
  const marker = `plain-${randomUUID()}`;
  const { body, streams, frames } = await captured('node1', () => curl('sleep', 'httpbin-2', marker));
  expect(body).toMatchObject({ pod: 'httpbin-2' });
  const request = streams.find(({ destinationPort }) => destinationPort === PORT.http);
  expect(request?.bytes.toString('latin1')).toMatch(/^GET \/get HTTP\/1\.1\r\n/);
  expect(request?.bytes.toString('latin1')).toContain(marker);
  expect(tcpSegments(frames).some(({ destinationPort }) => destinationPort === HBONE)).toBe(false);
});

test('before enrolment a pod listens on no port of the mesh and has no rules', async () => {
  expect(await listeningPorts('sleep')).toEqual([]);
  expect(await iptablesSave('sleep')).not.toContain('ISTIO');
});

test('after enrolment the same request is nothing but TLS on port 15008 between the nodes', async () => {
  const marker = `sealed-${randomUUID()}`;
  const { body, streams, frames } = await captured('node1', async () => {
    await lab.enrol(...ENROLLED);
    return curl('sleep', 'httpbin-2', marker);
  });
  expect(body).toMatchObject({ pod: 'httpbin-2', headers: { 'x-marker': marker } });
  expect(Buffer.concat(frames).includes(marker)).toBe(false);
  expectOnlyTls(streams);
});

test('on the same node, too, nothing but TLS leaves the pod', async () => {
  const marker = `sealed-${randomUUID()}`;
  const { body, streams, frames } = await captured('sleep', () => curl('sleep', 'httpbin-1', marker));
  expect(body).toMatchObject({ pod: 'httpbin-1', headers: { 'x-marker': marker } });
  expect(Buffer.concat(frames).includes(marker)).toBe(false);
  expectOnlyTls(streams);
});

test('no process was started again', async () => {
  expect(await podPids(lab)).toEqual(pidsBefore);
  for (const { process } of (await lab.status()).pods) expect(process).toMatchObject({ running: true, restarts: 0 });
});

test('the status tells who is enrolled', async () => {
  const { pods } = await lab.status();
  expect(Object.fromEntries(pods.map(({ name, enrolled }) => [name, enrolled]))).toEqual({
    sleep: true,
    notsleep: true,
    'httpbin-1': true,
    'httpbin-2': true,
    outside: false,
  });
});

test.each(ENROLLED)('ztunnel listens in %s on 15001, 15006 and 15008', async (pod) => {
  expect(await listeningPorts(pod)).toEqual([15_001, 15_006, 15_008]);
});

test('the rules of an enrolled pod are those of the documentation', async () => {
  expect(await iptablesSave('sleep')).toBe(IPTABLES_SAVE);
});

test('every workload has a certificate of its own identity', async () => {
  await lab.waitFor(async () => (await lab.certificates()).length >= 4, { what: 'four certificates' });
  const certificates = await lab.certificates();
  expect(certificates.map(({ node, spiffeId }) => `${node} ${spiffeId}`).toSorted()).toEqual([
    'node1 spiffe://cluster.local/ns/default/sa/httpbin',
    'node1 spiffe://cluster.local/ns/default/sa/notsleep',
    'node1 spiffe://cluster.local/ns/default/sa/sleep',
    'node2 spiffe://cluster.local/ns/default/sa/httpbin',
  ]);
  for (const { notBefore, notAfter } of certificates) {
    expect(Date.parse(notBefore)).toBeLessThanOrEqual(Date.now());
    expect(Date.parse(notAfter)).toBeGreaterThan(Date.now());
  }
});

test.each([
  { from: 'sleep', to: 'httpbin-2', how: 'through the tunnel to the other node' },
  { from: 'sleep', to: 'httpbin-1', how: 'through the tunnel on the same node' },
  { from: 'outside', to: 'httpbin-2', how: 'in plain text from outside' },
] as const)('the server sees the address of the client $how', async ({ from, to }) => {
  await using sockets = new PodSockets(lab, from);
  const connection = await sockets.connect(ADDRESS[to], PORT.banner);
  const { text } = await connection.read(`hello from ${to} to ${ADDRESS[from]}`.length);
  expect(text).toBe(`hello from ${to} to ${ADDRESS[from]}`);
});

test('both ztunnels log the connection, field by field, with mirrored bytes', async () => {
  const { outbound, inbound, local } = await exchange();
  const common = {
    'src.workload': 'sleep',
    'src.namespace': 'default',
    'src.identity': 'spiffe://cluster.local/ns/default/sa/sleep',
    'src.cluster': 'Kubernetes',
    'dst.addr': `${ADDRESS['httpbin-2']}:15008`,
    'dst.hbone_addr': `${ADDRESS['httpbin-2']}:9001`,
    'dst.workload': 'httpbin-2',
    'dst.namespace': 'default',
    'dst.identity': 'spiffe://cluster.local/ns/default/sa/httpbin',
    'dst.cluster': 'Kubernetes',
  };
  expect(outbound).toMatchObject({ level: 'info', message: 'connection complete' });
  expect(Object.entries(outbound.fields)).toEqual([
    ['src.addr', local],
    ...Object.entries(common),
    ['direction', 'outbound'],
    ['bytes_sent', '1000'],
    ['bytes_recv', '70'],
    ['duration', expect.stringMatching(/^\d+ms$/)],
  ]);
  expect(inbound).toMatchObject({ level: 'info', message: 'connection complete' });
  expect(Object.entries(inbound.fields)).toEqual([
    ['src.addr', expect.stringMatching(/^10\.244\.1\.10:\d+$/)],
    ...Object.entries(common),
    ['direction', 'inbound'],
    ['bytes_sent', '70'],
    ['bytes_recv', '1000'],
    ['duration', expect.stringMatching(/^\d+ms$/)],
  ]);
});

test('the log names the service that was asked for', async () => {
  const from = (await lab.log('ztunnel@node1')).length;
  await lab.exec('sleep', ['curl', '-sS', 'http://httpbin/get']);
  const { fields } = await accessLog('node1', from, (line) => line.fields['direction'] === 'outbound');
  expect(fields).toMatchObject({ 'dst.service': 'httpbin.default.svc.cluster.local' });
  expect(fields['dst.hbone_addr']).toMatch(/^10\.244\.[12]\.20:8080$/);
});

test('both ztunnels count connections and bytes', async () => {
  const before = await metricsOfBoth();
  await exchange();
  const labels = {
    source_workload: 'sleep',
    source_principal: 'spiffe://cluster.local/ns/default/sa/sleep',
    destination_workload: 'httpbin',
    destination_principal: 'spiffe://cluster.local/ns/default/sa/httpbin',
    request_protocol: 'tcp',
    response_flags: '-',
    connection_security_policy: 'mutual_tls',
  };
  for (const [node, reporter] of [
    ['node1', 'source'],
    ['node2', 'destination'],
  ] as const) {
    const grown = async (name: string): Promise<number> =>
      sumOf(parseMetrics(await lab.metrics(node)), name, { ...labels, reporter }) -
      sumOf(before[node], name, { ...labels, reporter });
    await lab.waitFor(async () => (await grown('istio_tcp_connections_closed_total')) === 1, {
      what: `${node}: closed`,
    });
    expect(await grown('istio_tcp_connections_opened_total')).toBe(1);
    expect(await grown('istio_tcp_received_bytes_total')).toBe(1_000);
    expect(await grown('istio_tcp_sent_bytes_total')).toBe(70);
  }
});

test('requests to a service are spread evenly over its replicas', async () => {
  const answers: string[] = [];
  for (let count = 0; count < 10; count += 1)
    answers.push((await lab.exec('sleep', ['curl', '-sS', 'http://httpbin/hostname'])).stdout.trim());
  expect(answers.filter((name) => name === 'httpbin-1')).toHaveLength(5);
  expect(answers.filter((name) => name === 'httpbin-2')).toHaveLength(5);
});

test('one pod is given back and taken again while a connection of another goes on', async () => {
  await using sockets = new PodSockets(lab, 'notsleep');
  const running = await sockets.connect(ADDRESS['httpbin-2'], PORT.echo);
  expect(await running.echo('before')).toBe('before');
  expect(await lab.unenrol('sleep', 'httpbin-1')).toEqual([]);
  expect(await curl('sleep', 'httpbin-2', 'plain')).toMatchObject({ pod: 'httpbin-2' });
  expect(await curl('notsleep', 'httpbin-1', 'to plain')).toMatchObject({ pod: 'httpbin-1' });
  expect(await lab.enrol('sleep', 'httpbin-1')).toEqual([]);
  expect(await curl('sleep', 'httpbin-1', 'sealed')).toMatchObject({ pod: 'httpbin-1' });
  expect(await running.echo('after')).toBe('after');
});

test('a pod that is given back talks plain text again, its connections through the mesh have ended', async () => {
  await using sockets = new PodSockets(lab, 'notsleep');
  const running = await sockets.connect(ADDRESS['httpbin-2'], PORT.echo);
  expect(await running.echo('still in the mesh')).toBe('still in the mesh');
  await lab.unenrol(...ENROLLED);
  expect((await running.readToEnd()).end).toMatch(/^(fin|ECONNRESET)$/);
  const marker = `plain-${randomUUID()}`;
  const { body, frames } = await captured('node1', () => curl('notsleep', 'httpbin-2', marker));
  expect(body).toMatchObject({ pod: 'httpbin-2' });
  expect(Buffer.concat(frames).includes(marker)).toBe(true);
  expect(tcpSegments(frames).some(({ destinationPort }) => destinationPort === HBONE)).toBe(false);
});

test('no ztunnel was started again for it', async () => {
  for (const node of ['node1', 'node2'])
    expect(await ztunnelOf(lab, node)).toMatchObject({ running: true, starts: 1, restarts: 0 });
});

test('a pod that is given back is as it was', async () => {
  expect(await listeningPorts('sleep')).toEqual([]);
  expect(await iptablesSave('sleep')).not.toContain('ISTIO');
  expect((await lab.exec('sleep', ['ip', 'rule'])).stdout).not.toContain('100');
  expect(await podPids(lab)).toEqual(pidsBefore);
});

async function curl(from: keyof typeof ADDRESS, to: keyof typeof ADDRESS, marker: string): Promise<unknown> {
  const url = `http://${ADDRESS[to]}:${PORT.http}/get`;
  const { code, stdout, stderr } = await lab.exec(from, ['curl', '-sS', '-H', `x-marker: ${marker}`, url]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

async function captured(
  place: string,
  work: () => Promise<unknown>,
): Promise<{ readonly body: unknown; readonly streams: TcpStream[]; readonly frames: readonly Buffer[] }> {
  const capture = await lab.capture(place);
  const body = await work();
  const frames = await capture.stop();
  return { body, frames, streams: tcpStreams(tcpSegments(frames)) };
}

/** Between pods there is nothing but port 15008, and there nothing but TLS records, both ways, with data in them. */
function expectOnlyTls(streams: readonly TcpStream[]): void {
  const betweenPods = streams.filter(({ source, destination }) => isPod(source) && isPod(destination));
  expect(betweenPods.length).toBeGreaterThanOrEqual(2);
  for (const { sourcePort, destinationPort, bytes } of betweenPods) {
    expect([sourcePort, destinationPort]).toContain(HBONE);
    expect(tlsRecordTypes(bytes)).toContain(APPLICATION_DATA);
  }
}

function isPod(endpoint: string): boolean {
  return endpoint.startsWith('10.244.') || endpoint.startsWith('[fd00:10:244:');
}

/** Ports of the mesh that something listens on in a pod, each once. */
async function listeningPorts(pod: string): Promise<number[]> {
  const { stdout } = await lab.exec(pod, ['ss', '-Hltn']);
  const ports = stdout.split('\n').map((line) => Number(/:(\d+)\s/.exec(line)?.[1]));
  return [...new Set(ports)].filter((port) => port >= 15_000 && port < 16_000).toSorted((one, other) => one - other);
}

/** `iptables-save` of mangle and nat without comments and counters. */
async function iptablesSave(pod: string): Promise<string> {
  const { stdout } = await lab.exec(pod, ['iptables-save']);
  return stdout.replaceAll(/^#.*\n/gm, '').replaceAll(/ \[\d+:\d+\]$/gm, '');
}

/** One connection from sleep to httpbin-2: 1000 bytes there, 70 back; its log lines once both are written. */
async function exchange() {
  const from1 = (await lab.log('ztunnel@node1')).length;
  const from2 = (await lab.log('ztunnel@node2')).length;
  await using sockets = new PodSockets(lab, 'sleep');
  const connection = await sockets.connect(ADDRESS['httpbin-2'], PORT.digest);
  const { sha256 } = await connection.send(1_000);
  await connection.end();
  expect((await connection.readToEnd()).text).toBe(`1000 ${sha256}\n`);
  const outbound = await accessLog('node1', from1, ({ fields }) => fields['src.addr'] === connection.local);
  const inbound = await accessLog(
    'node2',
    from2,
    ({ fields }) => fields['dst.hbone_addr'] === outbound.fields['dst.hbone_addr'],
  );
  return { outbound, inbound, local: connection.local };
}

async function accessLog(
  node: string,
  from: number,
  matches: (line: AccessLogLine) => boolean,
): Promise<AccessLogLine> {
  const isIt = (line: string): boolean => {
    const parsed = parseAccessLog(line);
    return parsed !== undefined && matches(parsed);
  };
  const found = parseAccessLog(await lab.waitForLog(`ztunnel@${node}`, isIt, { from, timeoutMs: 10_000 }));
  if (found === undefined) throw new Error('matched a line of another log');
  return found;
}

async function metricsOfBoth(): Promise<{ readonly node1: Sample[]; readonly node2: Sample[] }> {
  const [node1, node2] = await Promise.all([lab.metrics('node1'), lab.metrics('node2')]);
  return { node1: parseMetrics(node1), node2: parseMetrics(node2) };
}
