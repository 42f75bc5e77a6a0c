import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import { closeDescriptor, connectSeqpacket, duplicate, listenSeqpacket, type SeqpacketConnection } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'seqpacket-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const freshPath = (): string => join(folder, `${(sockets += 1)}.sock`);
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

async function connectedPair(): Promise<[SeqpacketConnection, SeqpacketConnection]> {
  const server = listenSeqpacket(freshPath());
  const [client, accepted] = await Promise.all([connectSeqpacket(server.path), server.accept()]);
  server.close();
  if (accepted === undefined) throw new Error('server closed');
  return [client, accepted];
}

test('packets keep their boundaries, both ways', async () => {
  const [client, server] = await connectedPair();
  await client.send(Buffer.from('one'));
  await client.send(Buffer.from('two!'));
  expect(Buffer.from((await server.receive())?.bytes ?? []).toString()).toBe('one');
  expect(Buffer.from((await server.receive())?.bytes ?? []).toString()).toBe('two!');
  const waiting = client.receive();
  await server.send(Buffer.from('later'));
  expect(Buffer.from((await waiting)?.bytes ?? []).toString()).toBe('later');
  client.close();
  server.close();
});

test.each([0, 1, 2, 253])(
  '%i descriptors travel with a packet and are other numbers for the same file',
  async (count) => {
    const [client, server] = await connectedPair();
    const file = openSync(process.execPath, 'r');
    await client.send(
      Buffer.from('x'),
      Array.from({ length: count }, () => file),
    );
    const packet = await server.receive();
    expect(packet?.truncated).toBe(false);
    expect(packet?.fds).toHaveLength(count);
    expect(new Set(packet?.fds).size).toBe(count);
    for (const fd of packet?.fds ?? []) {
      expect(fstatSync(fd).ino).toBe(fstatSync(file).ino);
      closeDescriptor(fd);
    }
    closeSync(file);
    client.close();
    server.close();
  },
);

test('a packet longer than asked for arrives cut, says so, and still hands over its descriptor', async () => {
  const [client, server] = await connectedPair();
  const before = openDescriptors();
  await client.send(new Uint8Array(1_025), [0]);
  const packet = await server.receive({ maxBytes: 1_024 });
  expect(packet).toMatchObject({ truncated: true, bytes: { length: 1_024 }, fds: { length: 1 } });
  for (const fd of packet?.fds ?? []) closeDescriptor(fd);
  await client.send(new Uint8Array(1_024));
  expect(await server.receive({ maxBytes: 1_024 })).toMatchObject({ truncated: false, bytes: { length: 1_024 } });
  expect(openDescriptors()).toBe(before);
  client.close();
  server.close();
});

test('the end of the stream is undefined, while waiting and at once', async () => {
  const [client, server] = await connectedPair();
  const waiting = server.receive();
  client.close();
  expect(await waiting).toBeUndefined();
  expect(await server.receive()).toBeUndefined();
  await expect(server.send(Buffer.from('x'))).rejects.toMatchObject({ code: 'NETNS_SYSTEM_CALL', errno: 'EPIPE' });
  server.close();
});

test('a cancelled receive loses nothing; a closed connection ends one that waits', async () => {
  const [client, server] = await connectedPair();
  const cancel = new AbortController();
  const cancelled = server.receive({ signal: cancel.signal });
  await expect(server.receive()).rejects.toMatchObject({ code: 'NETNS_BUSY' });
  const reason = new Error('no longer wanted');
  cancel.abort(reason);
  await expect(cancelled).rejects.toBe(reason);
  await client.send(Buffer.from('kept'));
  expect(Buffer.from((await server.receive())?.bytes ?? []).toString()).toBe('kept');
  const waiting = server.receive();
  server.close();
  await expect(waiting).rejects.toMatchObject({ code: 'NETNS_CLOSED' });
  await expect(server.receive()).rejects.toMatchObject({ code: 'NETNS_CLOSED' });
  client.close();
});

test('a full queue makes send wait until the peer reads; a signal ends that', async () => {
  const [client, server] = await connectedPair();
  const big = new Uint8Array(60_000);
  const cancel = new AbortController();
  let sent = 0;
  const sending = (async () => {
    for (;;) {
      await client.send(big, [], { signal: cancel.signal });
      sent += 1;
      if (sent === 50) return;
    }
  })();
  for (let received = 0; received < 50; received += 1) await server.receive({ maxBytes: 65_536 });
  await sending;
  const stuck = (async () => {
    for (;;) await client.send(big, [], { signal: cancel.signal });
  })();
  setImmediate(() => cancel.abort(new Error('enough')));
  await expect(stuck).rejects.toThrow('enough');
  client.close();
  server.close();
});

test('the event loop goes on while a receive waits', async () => {
  const [client, server] = await connectedPair();
  const waiting = server.receive();
  let turns = 0;
  await new Promise<void>((resolve) => {
    const turn = (): unknown => ((turns += 1) === 100 ? resolve() : setImmediate(turn));
    turn();
  });
  await client.send(Buffer.from('x'));
  expect((await waiting)?.bytes).toHaveLength(1);
  client.close();
  server.close();
});

test('two thousand operations, failing ones among them, leave no descriptor behind', async () => {
  const server = listenSeqpacket(freshPath());
  const file = openSync(process.execPath, 'r');
  const before = openDescriptors();
  for (let round = 0; round < 250; round += 1) {
    const [client, peer] = await Promise.all([connectSeqpacket(server.path), server.accept()]);
    await client.send(Buffer.from('pair'), [file, file]);
    const packet = await peer?.receive();
    for (const fd of packet?.fds ?? []) closeDescriptor(fd);
    const cancel = new AbortController();
    const cancelled = client.receive({ signal: cancel.signal });
    cancel.abort(new Error('cancelled'));
    await expect(cancelled).rejects.toThrow('cancelled');
    await expect(client.send(Buffer.from('bad'), [-1])).rejects.toMatchObject({ errno: 'EBADF' });
    await expect(connectSeqpacket(join(folder, 'nobody'))).rejects.toMatchObject({
      code: 'NETNS_GONE',
      errno: 'ENOENT',
    });
    // Never received: the kernel closes what is in flight.
    await client.send(Buffer.from('lost'), [file]);
    closeDescriptor(duplicate(file));
    peer?.close();
    expect(await client.receive().catch((error: unknown) => error)).toSatisfy(
      (end) => end === undefined || (end instanceof Error && 'errno' in end && end.errno === 'ECONNRESET'),
    );
    client.close();
  }
  expect(openDescriptors()).toBe(before);
  closeSync(file);
  server.close();
});

test('listening replaces a stale socket, refuses a file, and removes only its own socket', async () => {
  const path = freshPath();
  const first = listenSeqpacket(path);
  const second = listenSeqpacket(path);
  first.close();
  const client = await connectSeqpacket(path);
  client.close();
  second.close();
  await expect(connectSeqpacket(path)).rejects.toMatchObject({ errno: 'ENOENT' });
  writeFileSync(path, 'a file');
  expect(() => listenSeqpacket(path)).toThrow(
    expect.objectContaining({ code: 'NETNS_ADDRESS_IN_USE', operation: 'bind' }),
  );
  expect(() => listenSeqpacket(join(folder, 'x'.repeat(108)))).toThrow(
    expect.objectContaining({ code: 'NETNS_INVALID_ARGUMENT' }),
  );
  await expect(connectSeqpacket('')).rejects.toMatchObject({ code: 'NETNS_INVALID_ARGUMENT' });
});

test('closing a server ends its iteration and a signal closes it', async () => {
  const cancel = new AbortController();
  const server = listenSeqpacket(freshPath(), { signal: cancel.signal });
  const accepted: SeqpacketConnection[] = [];
  const iteration = (async () => {
    for await (const connection of server) accepted.push(connection);
  })();
  const client = await connectSeqpacket(server.path);
  await client.send(Buffer.from('x'));
  cancel.abort();
  await iteration;
  server.close();
  client.close();
  for (const connection of accepted) connection.close();
  await expect(connectSeqpacket(server.path)).rejects.toMatchObject({ errno: 'ENOENT' });
  expect(() => listenSeqpacket(freshPath(), { signal: AbortSignal.abort(new Error('never')) })).toThrow('never');
});

test('a worker thread has both ends too', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(async (netns) => {
      const server = netns.listenSeqpacket(workerData.path);
      const [client, peer] = await Promise.all([netns.connectSeqpacket(server.path), server.accept()]);
      const waiting = peer.receive();
      await client.send(Buffer.from('hi'), [0]);
      const packet = await waiting;
      netns.closeDescriptor(packet.fds[0]);
      client.close();
      parentPort.postMessage([Buffer.from(packet.bytes).toString(), await peer.receive() === undefined]);
      peer.close();
      server.close();
    });`;
  const worker = new Worker(code, {
    eval: true,
    workerData: { module: new URL('./index.ts', import.meta.url).href, path: freshPath() },
  });
  const [message] = await Promise.all([
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
    new Promise((resolve) => worker.once('exit', resolve)),
  ]);
  expect(message).toEqual(['hi', true]);
});
