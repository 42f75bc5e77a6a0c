import { type ChildProcess, spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import { closeDescriptor, connectSeqpacket, listenSeqpacket, type SeqpacketConnection } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'seqpacket-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const freshPath = (): string => join(folder, `${(sockets += 1)}.sock`);
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
const MODULE = JSON.stringify(new URL('./index.ts', import.meta.url).href);

async function connectedPair(): Promise<[SeqpacketConnection, SeqpacketConnection]> {
  const server = listenSeqpacket(freshPath());
  const [client, accepted] = await Promise.all([connectSeqpacket(server.path), server.accept()]);
  server.close();
  if (accepted === undefined) throw new Error('server closed');
  return [client, accepted];
}

/** A process of its own that runs `code`, an async function's body that knows `netns` and `path`. */
function runElsewhere(path: string, code: string, shell = ''): ChildProcess {
  const script = `const netns = await import(${MODULE}); const path = ${JSON.stringify(path)};\n${code}`;
  const command = `${shell} exec "$0" --input-type=module -e "$1"`;
  return spawn('sh', ['-c', command, process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] });
}

test('a peer that is killed is the end of the stream; with unread packets, a reset', async () => {
  const server = listenSeqpacket(freshPath());
  const hold = `const connection = await netns.connectSeqpacket(path); await connection.send(Buffer.from('here'));
    setInterval(() => undefined, 1_000);`;
  for (const unread of [false, true]) {
    const child = runElsewhere(server.path, hold);
    const connection = await server.accept();
    if (connection === undefined) throw new Error('closed');
    expect((await connection.receive())?.bytes).toHaveLength(4);
    if (unread) await connection.send(Buffer.from('never read'));
    const end = connection.receive().then(
      (packet) => packet ?? 'end',
      (error: unknown) => error,
    );
    child.kill('SIGKILL');
    expect(await end).toEqual(unread ? expect.objectContaining({ errno: 'ECONNRESET' }) : 'end');
    await expect(connection.send(Buffer.from('x'))).rejects.toMatchObject({
      code: 'NETNS_SYSTEM_CALL',
      errno: 'EPIPE',
    });
    connection.close();
  }
  server.close();
});

test('a process without free descriptors receives those that fit, is told, and leaks none', async () => {
  const server = listenSeqpacket(freshPath());
  const child = runElsewhere(
    server.path,
    `const { readdirSync } = await import('node:fs');
     const connection = await netns.connectSeqpacket(path);
     const count = () => readdirSync('/proc/self/fd').length;
     const before = count();
     const answers = [];
     for (let round = 0; round < 20; round += 1) {
       const packet = await connection.receive();
       answers.push([packet.fds.length < 200 && packet.fds.length > 0, packet.truncated]);
       for (const fd of packet.fds) netns.closeDescriptor(fd);
       await connection.send(Buffer.from('next'));
     }
     const small = await connection.receive();
     for (const fd of small.fds) netns.closeDescriptor(fd);
     connection.close();
     const after = count();
     console.log(JSON.stringify({ answers, small: [small.fds.length, small.truncated], leaked: after + 1 - before }));`,
    'ulimit -n 64;',
  );
  const output = text(child.stdout ?? process.stdin);
  const connection = await server.accept();
  const many = Array.from({ length: 200 }, () => 0);
  for (let round = 0; round < 20; round += 1) {
    await connection?.send(Buffer.from('many'), many);
    await connection?.receive();
  }
  await connection?.send(Buffer.from('few'), [0, 0]);
  expect(JSON.parse(await output)).toEqual({
    answers: Array.from({ length: 20 }, () => [true, true]),
    small: [2, false],
    leaked: 0,
  });
  connection?.close();
  server.close();
});

test('accepting without free descriptors waits until there are some; a signal ends the wait', async () => {
  const path = freshPath();
  const child = runElsewhere(
    path,
    `const { openSync, closeSync } = await import('node:fs');
     const server = netns.listenSeqpacket(path);
     const client = await netns.connectSeqpacket(path);
     const held = [];
     try { for (;;) held.push(netns.duplicate(0)); } catch (error) { console.log(error.errno); }
     const cancel = new AbortController();
     const cancelled = server.accept({ signal: cancel.signal }).catch((error) => error.message);
     setImmediate(() => cancel.abort(new Error('enough')));
     console.log(await cancelled);
     const accepting = server.accept();
     setImmediate(() => { for (const fd of held) netns.closeDescriptor(fd); });
     const connection = await accepting;
     await client.send(Buffer.from('served'));
     console.log(Buffer.from((await connection.receive()).bytes).toString());
     for (const each of [client, connection, server]) each.close();`,
    'ulimit -n 64;',
  );
  expect(await text(child.stdout ?? process.stdin)).toBe('EMFILE\nenough\nserved\n');
});

test('options out of range are refused, and nothing is read', async () => {
  const [client, server] = await connectedPair();
  await client.send(Buffer.from('kept'));
  for (const options of [
    { maxBytes: 0 },
    { maxBytes: -1 },
    { maxBytes: 65_537 },
    { maxBytes: Number.NaN },
    { maxDescriptors: -1 },
    { maxDescriptors: 254 },
  ])
    await expect(server.receive(options)).rejects.toMatchObject({ code: 'NETNS_INVALID_ARGUMENT' });
  expect(Buffer.from((await server.receive())?.bytes ?? []).toString()).toBe('kept');
  client.close();
  server.close();
});

test('a packet that lost its descriptors is no end of the stream', async () => {
  const [client, server] = await connectedPair();
  await client.send(Buffer.from('x'), [0, 0, 0]);
  const none = await server.receive({ maxDescriptors: 0 });
  expect(none).toMatchObject({ fds: [], truncated: true, bytes: { length: 1 } });
  client.close();
  expect(await server.receive()).toBeUndefined();
  server.close();
});

test('closing while sending and receiving wait ends both, and frees everything', async () => {
  const before = openDescriptors();
  const [client, server] = await connectedPair();
  const sending = (async () => {
    for (;;) await client.send(new Uint8Array(60_000), [0]);
  })();
  const receiving = client.receive();
  setImmediate(() => client.close());
  await expect(sending).rejects.toMatchObject({ code: 'NETNS_CLOSED' });
  await expect(receiving).rejects.toMatchObject({ code: 'NETNS_CLOSED' });
  server.close();
  expect(openDescriptors()).toBe(before);
});

test('a full backlog makes connecting wait; a signal ends that', async () => {
  const server = listenSeqpacket(freshPath());
  const before = openDescriptors();
  const cancel = new AbortController();
  const reason = new Error('enough');
  const clients: SeqpacketConnection[] = [];
  const connecting = (async () => {
    for (;;) clients.push(await connectSeqpacket(server.path, { signal: cancel.signal }));
  })();
  await expect.poll(() => clients.length).toBeGreaterThan(100);
  // The next one waits: the backlog does not grow any more.
  let known = 0;
  await expect
    .poll(() => {
      const grown = clients.length !== known;
      known = clients.length;
      return grown;
    })
    .toBe(false);
  cancel.abort(reason);
  await expect(connecting).rejects.toBe(reason);
  for (const client of clients) client.close();
  expect(openDescriptors()).toBe(before);
  server.close();
});

test('a signal that outlives its servers and connections keeps no listener of theirs', async () => {
  const { signal } = new AbortController();
  for (let round = 0; round < 20; round += 1) {
    const server = listenSeqpacket(freshPath(), { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const [client, accepted] = await Promise.all([
      connectSeqpacket(server.path, { signal }),
      server.accept({ signal }),
    ]);
    const receiving = accepted?.receive({ signal });
    await client.send(Buffer.from('x'), [], { signal });
    for (const fd of (await receiving)?.fds ?? []) closeDescriptor(fd);
    server.close();
    client.close();
    accepted?.close();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  }
});

test('a server whose process was killed leaves a path that the next one takes', async () => {
  const path = freshPath();
  const child = runElsewhere(
    path,
    `netns.listenSeqpacket(path); console.log('up'); setInterval(() => undefined, 1_000);`,
  );
  await once(child.stdout ?? child, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  await expect(connectSeqpacket(path)).rejects.toMatchObject({ errno: 'ECONNREFUSED' });
  const server = listenSeqpacket(path);
  const client = await connectSeqpacket(path);
  client.close();
  server.close();
});
