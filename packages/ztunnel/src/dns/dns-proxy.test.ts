import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import { type DecodedPacket, decode, encode } from 'dns-packet';
import { expect, test } from 'vitest';
import type { LogField } from '../log/line.ts';
import { MeshState } from '../state/mesh-state.ts';
import type { Workload } from '../state/workload.ts';
import { DnsCounters } from './dns-counters.ts';
import { DnsProxy, type DnsProxyOptions, MAX_TCP_CLIENTS } from './dns-proxy.ts';
import { MAX_PIPELINED_QUERIES } from './dns-tcp-session.ts';
import type { LookupResult } from './lookup.ts';
import { makeService, makeWorkload } from './testing/mesh-records.ts';
import { startNameServer, type TestNameServer } from './testing/name-server.ts';

const mesh = new MeshState();
const vips = [
  { network: '', ip: '10.96.0.20' },
  { network: '', ip: 'fd00:96::20' },
];
mesh.putService(makeService({ hostname: 'productpage.default.svc.cluster.local', vips }));
mesh.putService(makeService({ hostname: 'many.default.svc.cluster.local' }));
for (let n = 0; n < 100; n++) {
  const uid = `w${n}`;
  mesh.putWorkload(makeWorkload({ uid, name: uid, ips: [`10.1.0.${n}`] }), [
    { workloadUid: uid, service: 'default/many.default.svc.cluster.local', ports: new Map(), healthy: true },
  ]);
}

interface Started extends AsyncDisposable {
  readonly proxy: DnsProxy;
  readonly port: number;
  readonly counters: DnsCounters;
  readonly lines: string[];
  readonly warnings: string[];
}

async function start(server: TestNameServer | undefined, values: Partial<DnsProxyOptions> = {}): Promise<Started> {
  const tcp = createServer({ allowHalfOpen: true });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const udp = createSocket('udp4');
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  const lines: string[] = [];
  const warnings: string[] = [];
  const counters = new DnsCounters();
  const proxy = new DnsProxy({
    listeners: { udp: [udp], tcp: [tcp] },
    sockets: { udp: () => createSocket('udp4'), tcp: () => new Socket() },
    resolvConf: { nameServers: [], tryTimeoutMs: 5000, tries: 3 },
    ...(server === undefined ? {} : { servers: [server] }),
    mesh,
    rules: { clusterDomain: 'cluster.local', ipv6: true, random: () => 0 },
    client: () => makeWorkload(),
    counters,
    log: {
      answered: (fields) => lines.push(renderFields(fields)),
      warned: (message) => warnings.push(message),
    },
    now: () => performance.now(),
    ...values,
  });
  return {
    proxy,
    port,
    counters,
    lines,
    warnings,
    [Symbol.asyncDispose]: async () => {
      proxy.close();
      proxy.close();
      if (tcp.listening) await once(tcp, 'close');
    },
  };
}

function renderFields(fields: readonly LogField[]): string {
  return fields.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(' ');
}

function query(name: string, type: 'A' | 'AAAA' | 'TXT' = 'A', id = 1): Buffer {
  return encode({ type: 'query', id, flags: 0x0100, questions: [{ type, name }] });
}

async function askUdp(port: number, bytes: Buffer): Promise<DecodedPacket> {
  const socket = createSocket('udp4');
  try {
    socket.send(bytes, port, '127.0.0.1');
    const [response] = await once(socket, 'message');
    return decode(response);
  } finally {
    socket.close();
  }
}

function frame(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
}

/** Sends `bytes` in one piece and its end, and answers all responses. */
async function askTcp(port: number, bytes: Buffer): Promise<DecodedPacket[]> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(bytes);
  let received = Buffer.alloc(0);
  for await (const chunk of socket) received = Buffer.concat([received, chunk]);
  const responses: DecodedPacket[] = [];
  while (received.length > 2) {
    const end = 2 + received.readUInt16BE(0);
    responses.push(decode(received.subarray(2, end)));
    received = received.subarray(end);
  }
  return responses;
}

/** Texts as they are, TXT (buffers) as text. */
function renderData(data: unknown): string {
  return Array.isArray(data) ? Buffer.concat(data).toString() : typeof data === 'string' ? data : JSON.stringify(data);
}

const answersOf = (response: DecodedPacket | undefined): string[] =>
  (response?.answers ?? []).map(
    (record) => `${record.name} ${record.type} ${'data' in record ? renderData(record.data) : ''}`,
  );

test('a service, by UDP and by TCP', async () => {
  await using dns = await start(undefined);
  const udp = await askUdp(dns.port, query('ProductPage'));
  expect(udp).toMatchObject({ id: 1, rcode: 'NOERROR', flag_aa: true, flag_ra: true, flag_rd: true });
  expect(udp.questions).toMatchObject([{ name: 'ProductPage' }]);
  expect(answersOf(udp)).toEqual(['productpage A 10.96.0.20']);
  const [tcp] = await askTcp(dns.port, frame(query('productpage.default.default.svc.cluster.local', 'AAAA')));
  expect(answersOf(tcp)).toEqual([
    'productpage.default.default.svc.cluster.local CNAME productpage.default',
    'productpage.default AAAA fd00:96::20',
  ]);
  expect(dns.lines).toEqual([
    'src.workload="a" src.namespace="default" query="A" domain="productpage." result="success" endpoints=0',
    'src.workload="a" src.namespace="default" query="AAAA" domain="productpage.default.default.svc.cluster.local." result="success" endpoints=1',
  ]);
});

function labels(type: string): string[][] {
  return [
    ['request_query_type', type],
    ['request_protocol', 'udp'],
    ['source_canonical_service', 'app-a'],
    ['source_canonical_revision', 'v1'],
  ];
}

test('forwarded: not authoritative, counted, logged; from memory all the same', async () => {
  await using server = await startNameServer((question) =>
    question === 'up.example TXT'
      ? { answers: [{ type: 'TXT', name: 'up.example', ttl: 77, data: 'hi' }] }
      : { rcode: 3 },
  );
  await using dns = await start(server);
  for (let n = 0; n < 2; n++) {
    const response = await askUdp(dns.port, query('up.example', 'TXT'));
    expect(response).toMatchObject({ rcode: 'NOERROR', flag_aa: false, flag_ra: true });
    expect(answersOf(response)).toEqual(['up.example TXT hi']);
  }
  expect(await askUdp(dns.port, query('nx.example'))).toMatchObject({ rcode: 'NXDOMAIN', flag_ra: false, answers: [] });
  expect(server.asked.map(({ text }) => text)).toEqual(['up.example TXT', 'nx.example A']);
  const drained = dns.counters.drain();
  expect(drained).toMatchObject([
    { labels: labels('txt'), requests: 2, upstreamRequests: 2, upstreamFailures: 0 },
    { labels: labels('a'), requests: 1, upstreamRequests: 1, upstreamFailures: 1 },
  ]);
  expect(drained.map(({ durations }) => durations.counts.reduce((sum, count) => sum + count, 0))).toEqual([2, 1]);
  expect(dns.counters.drain()).toEqual([]);
  expect(dns.lines.at(-1)).toContain(
    String.raw`result="forwarding failed (net error: DNS error: no records found for Query { name: Name(\"nx.example.\"), query_type: A, query_class: IN })" endpoints=0`,
  );
});

test('many addresses: truncated for UDP, whole with EDNS and by TCP', async () => {
  await using dns = await start(undefined);
  const small = await askUdp(dns.port, query('many'));
  expect([small.flag_tc, small.answers?.length]).toEqual([true, 30]);
  const [whole] = await askTcp(dns.port, frame(query('many')));
  expect([whole?.flag_tc, whole?.answers?.length]).toEqual([false, 100]);
});

test.each([
  { name: 'STATUS', change: (bytes: Buffer) => bytes.writeUInt16BE(0x1100, 2), rcode: 'NOTIMP' },
  { name: 'no question', change: (bytes: Buffer) => bytes.writeUInt16BE(0, 4), rcode: 'FORMERR' },
])('$name is answered $rcode', async ({ change, rcode }) => {
  await using dns = await start(undefined);
  const bytes = query('productpage');
  change(bytes);
  expect(await askUdp(dns.port, bytes)).toMatchObject({ rcode, flag_ra: false, answers: [] });
  expect(dns.warnings).toEqual(rcode === 'NOTIMP' ? ['unimplemented op_code: Status'] : []);
});

test('what is no query gets no answer', async () => {
  await using dns = await start(undefined);
  const socket = createSocket('udp4');
  const response = query('productpage', 'A', 2);
  response.writeUInt16BE(0x8000, 2);
  for (const bytes of [response, Buffer.of(1, 2, 3), query('productpage', 'A', 3)])
    socket.send(bytes, dns.port, '127.0.0.1');
  const [first] = await once(socket, 'message');
  expect(decode(first).id).toBe(3);
  socket.close();
});

test('the workload is waited for; an unknown one gets a server failure', async () => {
  const { promise, resolve } = Promise.withResolvers<Workload | undefined>();
  await using dns = await start(undefined, { client: () => promise });
  const waiting = askUdp(dns.port, query('productpage'));
  resolve(makeWorkload());
  expect(answersOf(await waiting)).toEqual(['productpage A 10.96.0.20']);
  await using unknown = await start(undefined, { client: () => undefined });
  expect(await askUdp(unknown.port, query('productpage'))).toMatchObject({ rcode: 'SERVFAIL' });
  expect(unknown.counters.drain()[0]?.labels.map(([, value]) => value)).toEqual(['a', 'udp', 'unknown', 'unknown']);
});

test('TCP: queries in one piece are all answered, more than are worked on at a time', async () => {
  await using dns = await start(undefined);
  const count = MAX_PIPELINED_QUERIES * 3;
  const queries = Array.from({ length: count }, (_, id) => frame(query('productpage', 'A', id)));
  const responses = await askTcp(dns.port, Buffer.concat(queries));
  expect(responses.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, id) => id));
});

test('TCP: a message that is too long ends the connection, and too many connections are closed', async () => {
  await using dns = await start(undefined);
  expect(await askTcp(dns.port, frame(Buffer.alloc(5000))).catch(() => [])).toEqual([]);
  const sockets = Array.from({ length: MAX_TCP_CLIENTS + 1 }, () => connect(dns.port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  // The one that was accepted last is the one too many; on loopback that is the order of connecting.
  const [last] = sockets.splice(-1);
  if (last !== undefined) await once(last.resume(), 'close');
  for (const socket of sockets) socket.destroy();
});

test('lookup for the proxy itself counts as a query by UDP', async () => {
  await using server = await startNameServer(() => ({ rcode: 3 }));
  await using dns = await start(server);
  const lookup = (name: string, family: 4 | 6) =>
    new Promise<LookupResult>((resolve) => {
      dns.proxy.lookup(name, family, resolve);
    });
  expect(await lookup('productpage', 4)).toEqual({ ip: '10.96.0.20' });
  expect(await lookup('productpage', 6)).toEqual({ ip: 'fd00:96::20' });
  expect(await lookup('many', 6)).toEqual({ failure: 'dns response had no valid IP addresses' });
  expect(await lookup('nx.example', 4)).toEqual({ failure: 'dns lookup: response code 3' });
  expect(await lookup('', 4)).toHaveProperty('failure');
  expect(dns.counters.drain().map(({ requests }) => requests)).toEqual([2, 2]);
});
