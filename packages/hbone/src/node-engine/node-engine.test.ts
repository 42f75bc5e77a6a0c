import { spawn } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createNodeEngine, type Plain, type PlainHandler } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import { dialPlain, dialSocket, listenPlain, portOf } from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';
import { socketDescriptor } from './node-internals.ts';

const engine = createNodeEngine();
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const NOBODY: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };

/** Both ends of a connection on loopback: ours, and Node's. */
async function pair(): Promise<{ plain: Plain; socket: Socket }> {
  const accepted: Plain[] = [];
  const port = await listenPlain(engine, (plain) => accepted.push(plain), cleanup);
  const socket = await dialSocket(port, cleanup);
  await soon(() => accepted.length === 1);
  const plain = accepted[0]!;
  plain.handler = NOBODY;
  return { plain, socket };
}

test('write: one `written` for a turn, `queued` falls by it, END after what was queued', async () => {
  const { plain, socket } = await pair();
  const written: number[] = [];
  plain.handler = { ...NOBODY, written: (bytes) => void written.push(bytes) };
  const bytes = Buffer.from('abc');
  for (let index = 0; index < 10; index++) plain.write(bytes, 0, 3);
  plain.end();
  expect(plain.queued).toBe(30);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe('abc'.repeat(10));
  expect([written, plain.queued]).toEqual([[30], 0]);
});

/** Memory of this process that is in use, without garbage. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc()');
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('small writes to a reader that does not read cost little more than their bytes, and arrive', async () => {
  const { plain, socket } = await pair();
  const full = Buffer.alloc(1_048_576, 'f');
  for (let count = 0; count < 16; count++) plain.write(full, 0, full.length);
  await new Promise(setImmediate);
  const octets = 200_000;
  const scratch = Buffer.from('0123456789');
  const before = heldBytes();
  for (let index = 0; index < octets; index++) {
    plain.write(scratch, index % 10, (index % 10) + 1);
    if (index % 1000 === 0) await new Promise(setImmediate);
  }
  // 200,000 objects would be 50 MB.
  expect(heldBytes() - before).toBeLessThan(8 * 1_048_576);
  plain.end();
  let last = '';
  let bytes = 0;
  for await (const chunk of socket) {
    bytes += chunk.length;
    last = (last + chunk.toString('latin1').slice(-10)).slice(-10);
  }
  expect([bytes, last]).toEqual([16 * full.length + octets, '0123456789']);
  expect(plain.queued).toBe(0);
});

test('addresses are canonical', async () => {
  const accepted: Plain[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    accepted.push(engine.adopt(socket));
    cleanup(() => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '::', resolve);
  });
  cleanup(() => server.close());
  const port = portOf(server);
  const plain = await dialPlain(engine, port, cleanup);
  await soon(() => accepted.length === 1);
  expect(accepted[0]!.local).toEqual({ ip: '127.0.0.1', port });
  expect(accepted[0]!.remote).toEqual(plain.local);
  expect(plain.descriptor).toBeGreaterThan(2);
});

/** Runs in a process of its own, whose descriptor 3 is a listening socket. */
const LISTENER = `
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { createNodeEngine } from '@ambientmesh/hbone';
// The descriptor readdir itself used is gone again.
const link = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
const links = () => readdirSync('/proc/self/fd').map(link);
const [, port] = process.argv;
const listener = readlinkSync('/proc/self/fd/3');
const engine = createNodeEngine();
const listening = engine.listen(3, {
  accepted: (plain) => {
    plain.handler = { readable: () => {}, written: () => {}, failed: () => {} };
    plain.write(Buffer.from('hello'), 0, 5);
    plain.close();
    listening.close();
  },
  failed: () => {},
});
let text = '';
const socket = connect(Number(port), '127.0.0.1');
socket.on('data', (chunk) => (text += chunk));
socket.on('close', () => setImmediate(() => console.log(text, links().includes(listener))));
`;

test('listen takes over a descriptor, and closes it', async () => {
  const donor = createServer();
  await new Promise<void>((resolve) => {
    donor.listen(0, '127.0.0.1', resolve);
  });
  const port = portOf(donor);
  const child = spawn(
    process.execPath,
    ['--conditions=@ambientmesh/source', '--input-type=module', '-e', LISTENER, String(port)],
    { stdio: ['ignore', 'pipe', 'ignore', socketDescriptor(donor)], cwd: import.meta.dirname },
  );
  // The child has a copy; two that accept from one socket would take turns.
  donor.close();
  cleanup(() => child.kill());
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout!) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString().trim()).toBe('hello false');
});
