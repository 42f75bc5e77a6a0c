import { createServer, type Socket } from 'node:net';
import type { ConnectionFailure, Plain } from '@ambientmesh/hbone';
import { DEADLINE_TEXT } from '@ambientmesh/hbone/engine';
import { expect, test } from 'vitest';
import { dial } from './dialer.ts';
import { openDescriptors, SocketRig } from './testing/socket-rig.ts';

const QUIET = { readable: () => {}, written: () => {}, failed: () => {} };
const TIMEOUT_MS = 5000;
/** More than the kernel keeps for a listener that accepts nobody, however it counts. */
const UNACCEPTED = 40;

interface Outcome {
  plain?: Plain;
  failure?: ConnectionFailure;
  told: number;
  /** What the connection was told. */
  readonly lost: ConnectionFailure[];
}

/** Dials, and what came of it. */
function attempt(rig: SocketRig, port: number, { ip = '127.0.0.1', timeoutMs = TIMEOUT_MS } = {}) {
  const outcome: Outcome = { told: 0, lost: [] };
  const under = dial(
    rig.reactor,
    { descriptor: rig.loopback.socket(), to: { ip, port }, timeoutMs },
    {
      connected: (plain) => {
        outcome.plain = plain;
        plain.handler = { ...QUIET, failed: (failure) => void outcome.lost.push(failure) };
        outcome.told++;
        rig.later(() => plain.reset());
      },
      failed: (failure) => {
        outcome.failure = failure;
        outcome.told++;
      },
    },
  );
  return { outcome, cancel: () => under.cancel() };
}

async function nodeListener(rig: SocketRig, accepted: (socket: Socket) => void): Promise<number> {
  const server = createServer(accepted);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  rig.later(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('a port nobody listens on: ECONNREFUSED, later, once, and the descriptor is closed', async () => {
  await using rig = new SocketRig();
  const { descriptor, port } = rig.listening();
  rig.reactor.calls.close(descriptor);
  const before = openDescriptors();
  const { outcome, cancel } = attempt(rig, port);
  expect(outcome.told).toBe(0);
  await rig.until(() => outcome.told > 0, 'refused');
  cancel();
  await rig.settle();
  expect(outcome).toEqual({
    told: 1,
    lost: [],
    failure: { code: 'ECONNREFUSED', message: 'Connection refused (os error 111)' },
  });
  expect(openDescriptors()).toBe(before);
});

test.each([
  { ip: 'nowhere', code: 'EINVAL' },
  { ip: '::1', code: 'EINVAL' },
  { ip: '255.255.255.255', code: 'EACCES|ENETUNREACH' },
])('what the kernel refuses at once ($ip) is told later: $code', async ({ ip, code }) => {
  await using rig = new SocketRig();
  const before = openDescriptors();
  const { outcome } = attempt(rig, 1, { ip });
  expect(outcome.told).toBe(0);
  await rig.turn();
  expect(outcome.failure?.code).toMatch(new RegExp(`^(${code}|EAFNOSUPPORT)$`));
  expect(outcome.told).toBe(1);
  expect(openDescriptors()).toBe(before);
});

test('nobody answers: ETIMEDOUT in the words of our own deadline; a cancelled one says nothing', async () => {
  await using rig = new SocketRig();
  const { descriptor, port } = rig.listening();
  rig.later(() => void rig.reactor.calls.close(descriptor));
  const waiting = Array.from({ length: UNACCEPTED }, () => attempt(rig, port));
  await rig.settle();
  const before = openDescriptors();
  const late = attempt(rig, port, { timeoutMs: 30 });
  const cancelled = attempt(rig, port, { timeoutMs: 10 });
  cancelled.cancel();
  cancelled.cancel();
  await rig.until(() => late.outcome.told > 0, 'deadline');
  expect(late.outcome.failure).toEqual({ code: 'ETIMEDOUT', message: DEADLINE_TEXT });
  expect(cancelled.outcome.told).toBe(0);
  expect(openDescriptors()).toBe(before);
  for (const { cancel } of waiting) cancel();
});

test('accepted, and reset before we heard of it: connected, and then failed', async () => {
  await using rig = new SocketRig();
  const closed: Socket[] = [];
  const port = await nodeListener(rig, (socket) => {
    socket.once('close', () => closed.push(socket));
    socket.resetAndDestroy();
  });
  const { outcome } = attempt(rig, port);
  while (closed.length === 0) await new Promise(setImmediate);
  await rig.until(() => outcome.lost.length > 0, 'failed');
  expect([outcome.told, outcome.failure]).toEqual([1, undefined]);
  expect(outcome.plain?.remote).toEqual({ ip: '127.0.0.1', port });
  expect(outcome.lost).toEqual([{ code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' }]);
});

test('the addresses are both ends’', async () => {
  await using rig = new SocketRig();
  const sockets: Socket[] = [];
  const port = await nodeListener(rig, (socket) => {
    rig.later(() => socket.destroy());
    sockets.push(socket);
  });
  const { outcome } = attempt(rig, port);
  await rig.until(() => outcome.told === 1 && sockets.length === 1, 'connected');
  expect(outcome.plain?.remote).toEqual({ ip: '127.0.0.1', port });
  expect(outcome.plain?.local).toEqual({ ip: '127.0.0.1', port: sockets[0]!.remotePort });
});
