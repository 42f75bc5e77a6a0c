import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import { connectSeqpacket, listenSeqpacket, type SeqpacketConnection } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'order-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const freshPath = (): string => join(folder, `${(sockets += 1)}.sock`);
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
const MODULE = new URL('./index.ts', import.meta.url).href;
const MAX_WAITING = 1_024;

async function connectedPair(): Promise<[SeqpacketConnection, SeqpacketConnection]> {
  const server = listenSeqpacket(freshPath());
  const [client, accepted] = await Promise.all([connectSeqpacket(server.path), server.accept()]);
  server.close();
  if (accepted === undefined) throw new Error('server closed');
  return [client, accepted];
}

/** A packet of 4 KiB that begins with its number. */
function numbered(number: number): Buffer {
  const bytes = Buffer.alloc(4_096);
  bytes.writeUInt32LE(number);
  return bytes;
}

async function receiveNumber(connection: SeqpacketConnection): Promise<number> {
  const packet = await connection.receive({ maxBytes: 4_096 });
  return Buffer.from(packet?.bytes ?? []).readUInt32LE();
}

test('packets arrive in the order of the calls, also while some wait and room comes and goes', async () => {
  const [client, server] = await connectedPair();
  const sent: Promise<void>[] = [];
  let next = 0;
  const send = (): void => {
    sent.push(client.send(numbered(next)));
    next += 1;
  };
  for (let count = 0; count < 300; count += 1) send();
  const received: number[] = [];
  while (received.length < 600) {
    received.push(await receiveNumber(server));
    // There is room now, and others wait for it: a new one may not overtake them.
    if (next < 600) send();
  }
  await Promise.all(sent);
  expect(received).toEqual(Array.from({ length: 600 }, (_, index) => index));
  client.close();
  server.close();
});

test('who cancels leaves the queue, the others keep their order; closing ends them all', async () => {
  const [client, server] = await connectedPair();
  const cancel = new AbortController();
  const ends = Array.from({ length: 400 }, async (_, index) =>
    client.send(numbered(index), [], index % 2 === 1 ? { signal: cancel.signal } : {}).then(
      () => index,
      (error: unknown) => error,
    ),
  );
  const first = await receiveNumber(server);
  cancel.abort(new Error('no longer'));
  const received = [first];
  while (received.at(-1) !== 398) received.push(await receiveNumber(server));
  const outcomes = await Promise.all(ends);
  expect(received).toEqual(received.toSorted((one, two) => one - two));
  expect(outcomes.filter((outcome) => typeof outcome === 'number')).toEqual(received);
  expect(
    outcomes.filter((outcome) => outcome instanceof Error && outcome.message === 'no longer').length,
  ).toBeGreaterThan(50);
  const waiting = Array.from({ length: 400 }, async (_, index) => client.send(numbered(index)));
  const settled = Promise.allSettled(waiting);
  client.close();
  const codes = (await settled).filter((end) => end.status === 'rejected').map((end) => end.reason.code);
  expect(new Set(codes)).toEqual(new Set(['NETNS_CLOSED']));
  server.close();
});

test('more sends than may wait are refused, and those that wait go on', async () => {
  const [client, server] = await connectedPair();
  const sends = Array.from({ length: 3 * MAX_WAITING }, async (_, index) => client.send(numbered(index)));
  const settled = Promise.allSettled(sends);
  let received = 0;
  const reading = (async () => {
    for (; (await server.receive({ maxBytes: 4_096 })) !== undefined; received += 1);
  })();
  const refused = (await settled).filter((end) => end.status === 'rejected');
  expect(refused.length).toBeGreaterThan(MAX_WAITING);
  expect(new Set(refused.map((end) => end.reason.code))).toEqual(new Set(['NETNS_BUSY']));
  client.close();
  await reading;
  expect(received).toBe(sends.length - refused.length);
  server.close();
});

test('more waiting calls than descriptors may be open do not hang', async () => {
  const script = `
    const { listenSeqpacket, connectSeqpacket } = await import(${JSON.stringify(MODULE)});
    const server = listenSeqpacket(${JSON.stringify(freshPath())});
    const [client, peer] = await Promise.all([connectSeqpacket(server.path), server.accept()]);
    server.close();
    const stop = new AbortController();
    const more = listenSeqpacket(server.path);
    const accepts = Array.from({ length: 200 }, () => more.accept({ signal: stop.signal }));
    const sends = Array.from({ length: 300 }, () => client.send(Buffer.alloc(4_096)));
    let received = 0;
    while (received < 300) { await peer.receive(); received += 1; }
    await Promise.all(sends);
    stop.abort(new Error('enough'));
    const ends = await Promise.allSettled(accepts);
    for (const each of [more, client, peer]) each.close();
    console.log(received, ends.every(({ reason }) => reason.message === 'enough'));`;
  const command = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script];
  const child = spawn('sh', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const late = setTimeout(() => child.kill('SIGKILL'), 40_000);
  expect(await text(child.stdout)).toBe('300 true\n');
  clearTimeout(late);
}, 60_000);

test('when the kernel does not say what is ready, who waits is told', async () => {
  const script = `
    const { listenSeqpacket } = await import(${JSON.stringify(MODULE)});
    const { execFileSync } = await import('node:child_process');
    const servers = Array.from({ length: 30 }, (_, index) => listenSeqpacket(${JSON.stringify(freshPath())} + index));
    const ends = servers.map((server) => server.accept().catch((error) => error));
    // poll(2) takes no more entries than descriptors may be open.
    execFileSync('prlimit', ['--nofile=20:20', '--pid', String(process.pid)]);
    process.kill(process.pid, 'SIGURG');
    const errors = await Promise.all(ends);
    console.log(new Set(errors.map(({ code, operation, errno }) => [code, operation, errno].join(' '))));
    for (const server of servers) server.close();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const late = setTimeout(() => child.kill('SIGKILL'), 40_000);
  expect(await text(child.stdout)).toBe("Set(1) { 'NETNS_SYSTEM_CALL poll EINVAL' }\n");
  clearTimeout(late);
}, 60_000);

test('worker threads leave no descriptor, neither of packets nor of ways back', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(async (netns) => {
      const server = netns.listenSeqpacket(workerData.path);
      const [client, peer] = await Promise.all([netns.connectSeqpacket(server.path), server.accept()]);
      await client.send(Buffer.from('hi'), [0]);
      for (const fd of (await peer.receive()).fds) netns.closeDescriptor(fd);
      for (const each of [client, peer, server]) each.close();
      if (netns.probe().setns.supported) { const own = netns.Namespace.current(); own.run(() => undefined); own.close(); }
    });`;
  const before = openDescriptors();
  for (let count = 0; count < 4; count += 1)
    await once(new Worker(code, { eval: true, workerData: { module: MODULE, path: freshPath() } }), 'exit');
  expect(openDescriptors()).toBe(before);
}, 30_000);
