import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, PORT } from './lab/test-topology.ts';
import { type AccessLogLine, parseAccessLog } from './observed/access-log.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const MIB = 1_024 * 1_024;

let lab: LabClient;
beforeAll(async () => {
  lab = await startTestLab();
});
afterAll(() => lab?.close());

// The mesh's way: FIN stays FIN; a reset ends as FIN at the other side and is no error (HBONE has no word for it).
describe.each([
  { from: 'sleep', to: 'httpbin-2', way: 'between nodes' },
  { from: 'sleep', to: 'httpbin-1', way: 'on one node' },
] as const)('$way', ({ from, to }) => {
  test('the client ends first: its data and its end arrive, the answer comes back', async () => {
    await using pod = new PodSockets(lab, from);
    const connection = await pod.connect(ADDRESS[to], PORT.digest);
    const { sha256 } = await connection.send(10 * MIB);
    await connection.end();
    expect(await connection.readToEnd()).toMatchObject({ text: `${10 * MIB} ${sha256}\n`, end: 'fin' });
    expect(await outcome(connection.local)).toMatchObject({ level: 'info' });
  });

  test('the server ends first: its end arrives, and what the client then says', async () => {
    await using pod = new PodSockets(lab, from);
    const connection = await pod.connect(ADDRESS[to], PORT.earlyEnd);
    expect(await connection.readToEnd()).toMatchObject({ text: 'bye\n', end: 'fin' });
    const { sha256 } = await connection.send(10 * MIB);
    await connection.end();
    const line = await lab.waitForLog(to, (text) => text.includes(`"port":${PORT.earlyEnd}`) && text.includes(sha256));
    expect(JSON.parse(line)).toMatchObject({ port: PORT.earlyEnd, end: 'fin' });
    expect(await outcome(connection.local)).toMatchObject({ level: 'info', fields: { bytes_recv: '4' } });
  });

  test('a client that ends without a word is seen to end', async () => {
    await using pod = new PodSockets(lab, from);
    const connection = await pod.connect(ADDRESS[to], PORT.sink);
    await connection.end();
    expect(await connection.readToEnd()).toMatchObject({ bytes: 0, end: 'fin' });
  });

  test('the server resets: the client sees an end, and no error is logged', async () => {
    await using pod = new PodSockets(lab, from);
    const connection = await pod.connect(ADDRESS[to], PORT.reset);
    await connection.write('x');
    expect(await connection.readToEnd()).toMatchObject({ bytes: 0, end: 'fin' });
    await connection.end();
    const { level, fields } = await outcome(connection.local);
    expect({ level, error: fields['error'] }).toEqual({ level: 'info', error: undefined });
  });

  test('the client resets: the server sees an end, and no error is logged', async () => {
    const seen = (await lab.log(to)).length;
    await using pod = new PodSockets(lab, from);
    const connection = await pod.connect(ADDRESS[to], PORT.echo);
    expect(await connection.echo('abc')).toBe('abc');
    await connection.reset();
    const line = await lab.waitForLog(to, (text) => text.includes(`"port":${PORT.echo}`), { from: seen });
    expect(JSON.parse(line)).toMatchObject({ end: 'fin', bytes: 3 });
    const { level, fields } = await outcome(connection.local);
    expect({ level, error: fields['error'] }).toEqual({ level: 'info', error: undefined });
  });

  test('the client resets in the middle of a download: the server is stopped', async () => {
    const seen = (await lab.log(to)).length;
    await using pod = new PodSockets(lab, from);
    const connection = await pod.connect(ADDRESS[to], PORT.source);
    await connection.write(`${512 * MIB}\n`);
    expect((await connection.read(MIB)).bytes).toBe(MIB);
    await connection.reset();
    await lab.waitForLog(to, (text) => text.includes(`"port":${PORT.source}`), { from: seen, timeoutMs: 10_000 });
    await outcome(connection.local);
  });
});

test('a refused connection: the client is cut off, both sides log why', async () => {
  const from = (await lab.log('ztunnel@node2')).length;
  await using pod = new PodSockets(lab, 'sleep');
  const connection = await pod.connect(ADDRESS['httpbin-2'], 1, 'x');
  // Reset if its words had arrived before the refusal.
  expect(await connection.readToEnd()).toMatchObject({ bytes: 0, end: expect.stringMatching(/^(fin|ECONNRESET)$/) });
  expect(await outcome(connection.local)).toMatchObject({
    level: 'error',
    fields: { error: 'http status: 503 Service Unavailable', bytes_sent: '0' },
  });
  await lab.waitForLog('ztunnel@node2', (line) => line.includes('connection failed: Connection refused'), { from });
});

test.each([
  { from: 'outside', to: 'httpbin-1', way: 'plain text into the mesh' },
  { from: 'sleep', to: 'outside', way: 'plain text out of the mesh' },
] as const)('$way: both half-closes and both resets', async ({ from, to }) => {
  await using pod = new PodSockets(lab, from);
  const upload = await pod.connect(ADDRESS[to], PORT.digest);
  const { sha256 } = await upload.send(MIB);
  await upload.end();
  expect(await upload.readToEnd()).toMatchObject({ text: `${MIB} ${sha256}\n`, end: 'fin' });
  const early = await pod.connect(ADDRESS[to], PORT.earlyEnd);
  expect(await early.readToEnd()).toMatchObject({ text: 'bye\n', end: 'fin' });
  const late = await early.send(MIB + 1);
  await early.end();
  await lab.waitForLog(to, (text) => text.includes(late.sha256) && text.includes('"end":"fin"'));
  const reset = await pod.connect(ADDRESS[to], PORT.reset);
  await reset.write('x');
  expect((await reset.readToEnd()).end).toMatch(/^(fin|ECONNRESET)$/);
  const seen = (await lab.log(to)).length;
  const resetting = await pod.connect(ADDRESS[to], PORT.echo);
  expect(await resetting.echo('abc')).toBe('abc');
  await resetting.reset();
  await lab.waitForLog(to, (text) => text.includes(`"port":${PORT.echo}`), { from: seen });
});

/** The line of the access log in which the client's ztunnel says how the connection from `local` ended. */
async function outcome(local: string): Promise<AccessLogLine> {
  const isIt = (line: string): boolean => parseAccessLog(line)?.fields['src.addr'] === local;
  const found = parseAccessLog(await lab.waitForLog('ztunnel@node1', isIt, { timeoutMs: 10_000 }));
  if (found === undefined) throw new Error('matched a line of another log');
  return found;
}
