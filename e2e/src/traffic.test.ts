import { createHash } from 'node:crypto';
import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testBasicTraffic } from './basic-traffic.ts';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, ADDRESS6, PORT } from './lab/test-topology.ts';
import { parseMetrics, sumOf } from './observed/metrics.ts';
import { residentBytes, ztunnelOf } from './observed/node-process.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const MIB = 1_024 * 1_024;
const LARGE = 100 * MIB;
/** What `PORT.source` repeats, `apps/lab/src/pods/http-server.ts`. */
const SOURCE_CHUNK = Buffer.alloc(64 * 1_024, 'ambientmesh ');
const ILLEGAL_PORTS = [15_001, 15_006, 15_008];
const NO_ANSWER = { text: '', end: expect.stringMatching(/^(fin|ECONNRESET)$/) };

let lab: LabClient;
beforeAll(async () => {
  lab = await startTestLab();
});
afterAll(() => lab?.close());

test.each(['node1', 'node2'])('%s has the engine that this run is about', async (node) => {
  const engines = parseMetrics(await lab.metrics(node)).filter(({ name }) => name === 'ambientmesh_engine_info');
  const engine = process.env['ZTUNNEL_ENGINE'] ?? 'reactor';
  expect(engines.map(({ labels }) => labels)).toEqual([{ engine, reason: '' }]);
});

testBasicTraffic(() => lab);

test.each(['httpbin-1', 'httpbin-2'] as const)('100 MB to %s arrive intact', async (to) => {
  await using pod = new PodSockets(lab, 'sleep');
  const connection = await pod.connect(ADDRESS[to], PORT.digest);
  const { sha256 } = await connection.send(LARGE);
  await connection.end();
  expect(await connection.readToEnd()).toMatchObject({ text: `${LARGE} ${sha256}\n`, end: 'fin' });
});

test.each(['httpbin-1', 'httpbin-2'] as const)('100 MB from %s arrive intact', async (to) => {
  await using pod = new PodSockets(lab, 'sleep');
  const connection = await pod.connect(ADDRESS[to], PORT.source);
  await connection.write(`${LARGE}\n`);
  const hash = createHash('sha256');
  for (let sent = 0; sent < LARGE; sent += SOURCE_CHUNK.length) hash.update(SOURCE_CHUNK);
  expect(await connection.readToEnd()).toMatchObject({ bytes: LARGE, sha256: hash.digest('hex'), end: 'fin' });
});

test('100 MB there and back at the same time arrive intact', async () => {
  await using pod = new PodSockets(lab, 'sleep');
  const connection = await pod.connect(ADDRESS['httpbin-2'], PORT.echo);
  const [sent, received] = await Promise.all([
    connection.send(LARGE).then(async (result) => {
      await connection.end();
      return result;
    }),
    connection.readToEnd(),
  ]);
  expect(received).toMatchObject({ bytes: LARGE, sha256: sent.sha256, end: 'fin' });
});

test('200 connections at once, all served, none left open', async () => {
  await using pod = new PodSockets(lab, 'sleep');
  const texts = Array.from({ length: 200 }, (_, index) => `connection number ${index}`);
  const connections = await Promise.all(
    texts.map((_, index) =>
      pod.connect(ADDRESS[index % 2 === 0 ? 'httpbin-2' : 'service'], index % 2 === 0 ? PORT.echo : 80),
    ),
  );
  const heard = await Promise.all(
    connections.map(async (connection, index) => {
      if (index % 2 === 0) return connection.echo(texts[index] ?? '');
      await connection.write('GET /hostname HTTP/1.1\r\nhost: httpbin\r\nconnection: close\r\n\r\n');
      return (await connection.readToEnd()).text;
    }),
  );
  for (const [index, text] of heard.entries())
    if (index % 2 === 0) expect(text).toBe(texts[index]);
    else expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await Promise.all(connections.map((connection) => connection.end()));
  await untilNoConnectionIsOpen();
});

test('what a client that crashed leaves behind is cleaned up', async () => {
  await using pod = new PodSockets(lab, 'sleep');
  for (const to of ['httpbin-1', 'httpbin-2', 'outside'] as const) {
    const connection = await pod.connect(ADDRESS[to], PORT.echo);
    expect(await connection.echo('alive')).toBe('alive');
  }
  await pod.kill();
  expect(await untilNoConnectionIsOpen()).toBe(true);
});

test('a reader that stops costs neither memory nor the time of others', async () => {
  await using pod = new PodSockets(lab, 'sleep');
  const before = await Promise.all([residentBytes(lab, 'node1'), residentBytes(lab, 'node2')]);
  const slow = await pod.connect(ADDRESS['httpbin-2'], PORT.source);
  const sentBefore = await sentBytes();
  await slow.write(`${512 * MIB}\n`);
  const stalledAt = await untilSentBytesStandStill(sentBefore);
  expect(stalledAt).toBeLessThan(64 * MIB);
  const fast = await pod.connect(ADDRESS['httpbin-2'], PORT.echo);
  const began = performance.now();
  for (let turn = 0; turn < 100; turn += 1) expect(await fast.echo(`turn ${turn}`)).toBe(`turn ${turn}`);
  expect((performance.now() - began) / 100).toBeLessThan(50);
  const upload = await pod.connect(ADDRESS['httpbin-2'], PORT.digest);
  const { sha256 } = await upload.send(32 * MIB);
  await upload.end();
  expect((await upload.readToEnd()).text).toBe(`${32 * MIB} ${sha256}\n`);
  const after = await Promise.all([residentBytes(lab, 'node1'), residentBytes(lab, 'node2')]);
  for (const [index, bytes] of after.entries()) expect(bytes - (before[index] ?? 0)).toBeLessThan(64 * MIB);
  expect(await slow.read(64 * MIB)).toMatchObject({ bytes: 64 * MIB });
});

// Four such readers hold the whole window of their tunnel (4 x 4 MiB of 16 MiB, as the reference): not tested.
test('three readers that stop do not stop the others on the same tunnel', async () => {
  await using pod = new PodSockets(lab, 'notsleep');
  const slow = await Promise.all(Array.from({ length: 3 }, () => pod.connect(ADDRESS['httpbin-2'], PORT.source)));
  const sentBefore = await sentBytes();
  for (const connection of slow) await connection.write(`${64 * MIB}\n`);
  await untilSentBytesStandStill(sentBefore);
  const fast = await pod.connect(ADDRESS['httpbin-2'], PORT.echo);
  expect(await fast.echo('not held up')).toBe('not held up');
});

test('an idle connection stays open and usable', async () => {
  await using pod = new PodSockets(lab, 'sleep');
  const idle = await pod.connect(ADDRESS['httpbin-2'], PORT.echo);
  expect(await idle.echo('first')).toBe('first');
  for (let count = 0; count < 150; count += 1) {
    const other = await pod.connect(ADDRESS['httpbin-2'], PORT.echo);
    expect(await other.echo('x')).toBe('x');
    await other.reset();
  }
  expect(await idle.echo('second')).toBe('second');
});

test.each(['httpbin-1', 'httpbin-2', 'service'] as const)('IPv6 to %s', async (to) => {
  await using pod = new PodSockets(lab, 'sleep');
  const connection = await pod.connect(ADDRESS6[to], to === 'service' ? 80 : PORT.http);
  await connection.write('GET /ip HTTP/1.1\r\nhost: httpbin\r\nconnection: close\r\n\r\n');
  expect((await connection.readToEnd()).text).toContain(`"origin": "[${ADDRESS6.sleep}]:`);
});

test.each(['outside', 'httpbin-2'] as const)('IPv6 from %s in plain text or through the tunnel', async (from) => {
  await using pod = new PodSockets(lab, from);
  const connection = await pod.connect(ADDRESS6['httpbin-1'], PORT.banner);
  const text = `hello from httpbin-1 to [${ADDRESS6[from]}]:`;
  expect((await connection.read(text.length)).text).toBe(text);
});

test.each(ILLEGAL_PORTS)('a pod that calls port %i of another pod is refused', async (port) => {
  expect(await answerOf('sleep', ADDRESS['httpbin-2'], port)).toEqual(NO_ANSWER);
});

test.each(ILLEGAL_PORTS)('a pod that calls port %i of its own is refused', async (port) => {
  expect(await answerOf('sleep', ADDRESS.sleep, port)).toEqual(NO_ANSWER);
  expect(await answerOf('sleep', '127.0.0.1', port)).toEqual(NO_ANSWER);
});

test.each([15_001, 15_006])('a client outside that calls port %i is refused', async (port) => {
  expect(await answerOf('outside', ADDRESS['httpbin-2'], port)).toEqual(NO_ANSWER);
});

test('all of this was served by the same processes', async () => {
  expect(await ztunnelOf(lab, 'node1')).toMatchObject({ running: true, restarts: 0 });
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: true, restarts: 0 });
  const log = [...(await lab.log('ztunnel@node1')), ...(await lab.log('ztunnel@node2'))];
  expect(log.filter((line) => /unhandled|uncaught|TypeError|RangeError|at file:/i.test(line))).toEqual([]);
});

/** What comes back for an HTTP request, as text that is not TLS. */
async function answerOf(from: string, address: string, port: number): Promise<{ text: string; end: unknown }> {
  await using pod = new PodSockets(lab, from);
  const connection = await pod.connect(address, port, 'GET / HTTP/1.1\r\n\r\n');
  const { text, end } = await connection.readToEnd();
  // On 15008 a TLS alert may come.
  return { text: text.startsWith('\x15\x03') ? '' : text, end };
}

/** Waits until neither ztunnel nor a pod's kernel has a connection of an application. */
async function untilNoConnectionIsOpen(): Promise<boolean> {
  for (const pod of ['sleep', 'httpbin-1', 'httpbin-2'])
    await lab.waitFor(
      async () => {
        const { stdout } = await lab.exec(pod, ['ss', '-Htn', 'state', 'connected', 'exclude', 'time-wait']);
        return stdout.split('\n').every((line) => line === '' || line.includes(':15008'));
      },
      { what: `end of all connections in ${pod}`, timeoutMs: 10_000 },
    );
  return true;
}

/** What httpbin-2's ztunnel has sent to clients so far. */
async function sentBytes(): Promise<number> {
  return sumOf(parseMetrics(await lab.metrics('node2')), 'istio_tcp_sent_bytes_total', { reporter: 'destination' });
}

/** Waits until httpbin-2's ztunnel has sent more than `first` and stopped; returns how much more. */
async function untilSentBytesStandStill(first: number): Promise<number> {
  let last = first;
  let unchanged = 0;
  await lab.waitFor(
    async () => {
      const now = await sentBytes();
      unchanged = now === last && now > first ? unchanged + 1 : 0;
      last = now;
      return unchanged >= 8;
    },
    { what: 'end of sending', timeoutMs: 20_000 },
  );
  return last - first;
}
