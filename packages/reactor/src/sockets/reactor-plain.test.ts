import { createHash } from 'node:crypto';
import { type ConnectionFailure, END, type Plain, PlainRelay } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { foreignLibrary } from '../native/foreign-library.ts';
import { socketShare } from './socket-share.ts';
import { openDescriptors, SocketRig } from './testing/socket-rig.ts';

const QUIET = { readable: () => {}, written: () => {}, failed: () => {} };
const NOTHING = { bytes: () => {} };
const MEBIBYTE = 1_048_576;
const SLAB_BYTES = 16_384;

/** Reads all there is, whenever there is any. */
function collect(plain: Plain, max = 65_536) {
  const seen = { bytes: 0, hash: createHash('sha256'), ended: false, failures: [] as ConnectionFailure[] };
  const sink = {
    bytes: (memory: Uint8Array, start: number, end: number) => {
      seen.bytes += end - start;
      seen.hash.update(memory.subarray(start, end));
    },
  };
  const pump = (): void => {
    for (;;) {
      const bytes = plain.read(max, sink);
      if (bytes === END) seen.ended = true;
      if (bytes <= 0) return;
    }
  };
  plain.handler = { ...QUIET, readable: pump, failed: (failure) => void seen.failures.push(failure) };
  pump();
  return seen;
}

function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0, value = seed; index < length; index++) bytes[index] = value = (value * 167 + 13) & 0xff;
  return bytes;
}

test('a relay of lent bytes: everything arrives, and both ends pass', async () => {
  await using rig = new SocketRig();
  const [client, server] = [await rig.connection(), await rig.connection()];
  let finished = 0;
  const totals = [0, 0];
  const relay = new PlainRelay(client.plain, server.plain, {
    fromFirst: (bytes) => (totals[0]! += bytes),
    fromSecond: (bytes) => (totals[1]! += bytes),
    finished: () => finished++,
  });
  rig.later(() => relay.abort());
  const [up, down] = [createHash('sha256'), createHash('sha256')];
  const [upSeen, downSeen] = [createHash('sha256'), createHash('sha256')];
  client.peer.on('data', (chunk) => void downSeen.update(chunk));
  server.peer.on('data', (chunk) => {
    upSeen.update(chunk);
    if (chunk.length % 3 > 0) return;
    server.peer.pause();
    setImmediate(() => server.peer.resume());
  });
  for (let round = 0; round < 200; round++) {
    const chunk = bytesOf(1 + ((round * 7919) % 90_000), round);
    up.update(chunk);
    client.peer.write(chunk);
    down.update(chunk.subarray(0, 1000));
    server.peer.write(chunk.subarray(0, 1000));
    if (round % 8 === 0) await rig.turn();
  }
  client.peer.end();
  await rig.until(() => server.peer.readableEnded, 'end at the server');
  expect(upSeen.digest('hex')).toBe(up.digest('hex'));
  server.peer.end();
  await rig.until(() => finished === 1 && client.peer.readableEnded, 'end at the client');
  expect(downSeen.digest('hex')).toBe(down.digest('hex'));
  expect(rig.reactor.slabs.taken).toBe(0);
});

test('a FIN that comes with the last bytes is not lost, whenever it comes', async () => {
  await using rig = new SocketRig();
  for (const turns of [0, 1, 2]) {
    const { plain, peer } = await rig.connection();
    // Loopback has delivered what the kernel has taken.
    await new Promise<void>((sent) => {
      if (turns === 0) peer.end('last words', sent);
      else peer.write('first', () => sent());
    });
    const seen = collect(plain);
    for (let turn = 1; turn < turns; turn++) await rig.turn();
    if (turns > 0) peer.end('last words');
    await rig.until(() => seen.ended, `END after ${turns} turns`);
    expect(seen.bytes).toBe(turns === 0 ? 10 : 15);
  }
});

test('FIN between an event and the read of it', async () => {
  await using rig = new SocketRig();
  const { dialled, accepted } = await rig.pair();
  let ended = false;
  let bytesRead = 0;
  const pump = (): void => {
    // All in one turn of the same thread: the kernel has the FIN before the last bytes are read.
    while (!ended) {
      const bytes = accepted.read(100, NOTHING);
      if (bytes === END) ended = true;
      if (bytes <= 0) return;
      bytesRead += bytes;
    }
  };
  accepted.handler = { ...QUIET, readable: pump };
  expect(accepted.read(1, NOTHING)).toBe(0);
  dialled.handler = QUIET;
  dialled.write(bytesOf(50, 1), 0, 50);
  dialled.close();
  await rig.until(() => ended, 'END');
  expect(bytesRead).toBe(50);
});

test('urgent data: what is behind it is read', async () => {
  await using rig = new SocketRig();
  const { dialled, accepted } = await rig.pair();
  const seen = collect(accepted);
  const { arena } = rig.reactor;
  const at = arena.reserve(16);
  const send = foreignLibrary().find('send', 'int64_t', ['int', 'uintptr_t', 'size_t', 'int']);
  const OUT_OF_BAND = 1;
  send(dialled.descriptor, arena.address(at, 3), 3, 0);
  send(dialled.descriptor, arena.address(at, 1), 1, OUT_OF_BAND);
  send(dialled.descriptor, arena.address(at, 9), 9, 0);
  await rig.until(() => seen.bytes === 12, 'bytes on both sides of the mark');
  dialled.close();
  await rig.until(() => seen.ended, 'END');
  expect(seen.failures).toEqual([]);
});

test('one socket that is always full does not keep the others from their turn', async () => {
  await using rig = new SocketRig();
  const [busy, quiet] = [await rig.connection(), await rig.connection()];
  const seen = collect(busy.plain, MEBIBYTE * 64);
  const other = collect(quiet.plain);
  const chunk = bytesOf(MEBIBYTE, 3);
  for (let count = 0; count < 8; count++) busy.peer.write(chunk);
  quiet.peer.write('x');
  let most = 0;
  await rig.until(() => {
    const before = seen.bytes;
    rig.reactor.turn(0);
    most = Math.max(most, seen.bytes - before);
    return seen.bytes === 8 * MEBIBYTE;
  }, 'all');
  expect(other.bytes).toBe(1);
  expect(most).toBeLessThanOrEqual(MEBIBYTE);
});

test('a slow reader: what is queued is in slabs, no more than needed, and they go back', async () => {
  await using rig = new SocketRig();
  const { plain, peer } = await rig.connection();
  peer.pause();
  let written = 0;
  plain.handler = { ...QUIET, written: (bytes) => void (written += bytes) };
  const chunk = bytesOf(10_000, 1);
  for (let count = 0; count < 2000; count++) plain.write(chunk, 0, chunk.length);
  await rig.settle();
  expect(plain.queued).toBeGreaterThan(0);
  expect(plain.queued + written).toBe(20_000_000);
  expect(rig.reactor.slabs.taken).toBeLessThanOrEqual(Math.ceil(plain.queued / SLAB_BYTES) + 1);
  for (let round = 0; round < 50; round++) {
    plain.write(chunk, 0, 100);
    await rig.turn();
  }
  expect(rig.reactor.slabs.taken).toBeLessThanOrEqual(Math.ceil(plain.queued / SLAB_BYTES) + 1);
  peer.resume();
  await rig.until(() => plain.queued === 0, 'all taken');
  expect(written).toBe(20_005_000);
  expect(rig.reactor.slabs.taken).toBe(0);
});

test('lent bytes behind copied ones, and copied ones behind lent ones, keep their order under pressure', async () => {
  await using rig = new SocketRig();
  const { plain, peer } = await rig.connection();
  peer.pause();
  plain.handler = QUIET;
  const { arena } = rig.reactor;
  const at = arena.reserve(100_000);
  const [sent, seen] = [createHash('sha256'), createHash('sha256')];
  for (let round = 0; round < 400; round++) {
    const lent = bytesOf(50_000, round);
    arena.bytes.set(lent, at + (round % 2) * 50_000);
    plain.write(bytesOf(round * 50, 7), 0, round * 50);
    plain.write(arena.bytes, at + (round % 2) * 50_000, at + (round % 2) * 50_000 + 50_000);
    sent.update(bytesOf(round * 50, 7)).update(lent);
    // As whoever reads into the memory again does.
    if (round % 3 === 0) rig.reactor.settle();
    else if (round % 2 === 1) await rig.turn();
  }
  plain.close();
  peer.on('data', (bytes) => void seen.update(bytes));
  peer.resume();
  await rig.until(() => peer.readableEnded, 'end');
  expect(seen.digest('hex')).toBe(sent.digest('hex'));
});

test('no slab left: this socket fails with ENOBUFS, later, and the others go on', async () => {
  await using rig = new SocketRig({ slabBytes: 20 * SLAB_BYTES });
  const [slow, other] = [await rig.connection(), await rig.connection()];
  const failures: ConnectionFailure[] = [];
  slow.plain.handler = { ...QUIET, failed: (failure) => void failures.push(failure) };
  slow.plain.write(bytesOf(21 * SLAB_BYTES, 1), 0, 21 * SLAB_BYTES);
  expect(failures).toEqual([]);
  expect(slow.plain.descriptor).toBe(-1);
  const echo = collect(other.plain);
  other.plain.write(Buffer.from('hello'), 0, 5);
  let text = '';
  other.peer.on('data', (bytes) => (text += bytes.toString()));
  other.peer.write('hello');
  await rig.until(() => text === 'hello' && echo.bytes === 5, 'the other');
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatchObject({ code: 'ENOBUFS', message: 'No buffer space available (os error 105)' });
  expect(rig.reactor.slabs.taken).toBe(0);
});

test('no slab left for what was lent: the same', async () => {
  await using rig = new SocketRig({ slabBytes: 4 * SLAB_BYTES });
  const { plain, peer } = await rig.connection();
  peer.pause();
  const failures: ConnectionFailure[] = [];
  plain.handler = { ...QUIET, failed: (failure) => void failures.push(failure) };
  const { arena, readMemory } = rig.reactor;
  const end = readMemory.records + readMemory.recordsBytes;
  for (let count = 0; failures.length === 0; count++) {
    plain.write(arena.bytes, readMemory.records, end);
    await rig.turn();
    if (count > 100) throw new Error('the kernel took everything');
  }
  expect(failures[0]?.code).toBe('ENOBUFS');
  expect(plain.queued).toBeGreaterThan(0);
});

test('bytes before the reset are read by who reads, and then it failed', async () => {
  await using rig = new SocketRig();
  const { plain, peer } = await rig.connection();
  const failures: ConnectionFailure[] = [];
  let bytes = 0;
  const read = (max: number): void => {
    for (let got = 1; got > 0; ) bytes += Math.max(0, (got = plain.read(max, NOTHING)));
  };
  plain.handler = { ...QUIET, failed: (failure) => void failures.push(failure) };
  expect(plain.read(1, NOTHING)).toBe(0);
  await new Promise((resolve) => peer.write(bytesOf(1000, 1), resolve));
  peer.resetAndDestroy();
  await rig.settle();
  // The owner has no room for them, and is not told that they are lost.
  expect(failures).toEqual([]);
  read(100);
  expect([bytes, failures.length]).toEqual([1000, 0]);
  await rig.turn();
  expect(failures).toEqual([{ code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' }]);
});

test('FIN, and then RST, once the end was read: a broken pipe, without a write', async () => {
  await using rig = new SocketRig();
  const { plain, peer } = await rig.connection();
  const seen = collect(plain);
  peer.end();
  await rig.until(() => seen.ended, 'END');
  plain.write(Buffer.from('x'), 0, 1);
  peer.destroy();
  plain.write(Buffer.from('y'), 0, 1);
  await rig.until(() => seen.failures.length > 0, 'failed');
  expect(seen.failures.map(({ code }) => code)).toEqual([expect.stringMatching(/^(EPIPE|ECONNRESET)$/)]);
});

test('closed by its own sink in the middle of what was read: RST, for the rest was not read', async () => {
  await using rig = new SocketRig();
  const { plain, peer } = await rig.connection();
  let how = '';
  peer.once('error', (error) => (how = 'code' in error ? String(error.code) : ''));
  peer.once('end', () => (how = 'FIN'));
  peer.resume();
  plain.handler = QUIET;
  await new Promise((resolve) => peer.write(bytesOf(60_000, 1), resolve));
  let delivered = 0;
  const sink = {
    bytes: (_memory: Uint8Array, start: number, end: number) => {
      delivered += end - start;
      if (delivered > SLAB_BYTES) plain.close();
    },
  };
  await rig.until(() => plain.read(60_000, sink) <= 0, 'closed');
  await rig.until(() => how !== '', 'the end');
  expect(how).toBe('ECONNRESET');
  expect(delivered).toBeLessThan(60_000);
});

test('a closed socket whose peer takes nothing is reset in limited time', async () => {
  await using rig = new SocketRig();
  socketShare(rig.reactor).closeStalledMs = 20;
  const { plain, peer } = await rig.connection();
  peer.pause();
  plain.handler = QUIET;
  plain.write(Buffer.alloc(16 * MEBIBYTE), 0, 16 * MEBIBYTE);
  plain.close();
  expect(plain.descriptor).toBe(-1);
  await rig.until(() => rig.reactor.slabs.taken === 0, 'slabs');
  let how = '';
  peer.once('error', (error) => (how = 'code' in error ? String(error.code) : ''));
  peer.resume();
  await rig.until(() => how !== '', 'reset');
  expect(how).toBe('ECONNRESET');
});

test('release: an untouched descriptor, unwatched; nothing once it was used', async () => {
  await using rig = new SocketRig();
  const { dialled, accepted } = await rig.pair();
  const { watched } = rig.reactor.epoll;
  const { descriptor } = dialled;
  expect(dialled.release()).toEqual({ descriptor });
  expect(rig.reactor.epoll.watched).toBe(watched - 1);
  expect([dialled.descriptor, dialled.read(1, NOTHING), dialled.release()]).toEqual([-1, 0, undefined]);
  dialled.close();
  dialled.reset();
  expect(rig.reactor.calls.close(descriptor)).toBe(0);
  accepted.handler = QUIET;
  accepted.read(1, NOTHING);
  expect(accepted.release()).toBeUndefined();
  const failure = { code: 'ECONNRESET', message: 'reset' };
  const lost = await rig.connection();
  lost.plain.lose(failure);
  expect(lost.plain.release()).toEqual({ descriptor: -1, lost: failure });
  await rig.turn();
});

test('a thousand connections, however they end, leave no descriptor, no slab and nothing watched', async () => {
  await using rig = new SocketRig();
  await rig.settle();
  const before = { open: openDescriptors(), watched: rig.reactor.epoll.watched };
  const accepted: Plain[] = [];
  const { port, close } = rig.listen((plain) => {
    const seen = collect(plain);
    plain.handler = {
      ...plain.handler,
      failed: () => void accepted.splice(accepted.indexOf(plain), 1),
      written: () => {
        if (seen.ended) plain.close();
      },
    };
    plain.write(Buffer.from('hello'), 0, 5);
    accepted.push(plain);
  });
  for (let count = 0; count < 1000; count++) {
    const plain = await rig.dial(port);
    plain.handler = QUIET;
    plain.write(bytesOf(count, 1), 0, count);
    if (count % 3 === 0) plain.close();
    else if (count % 3 === 1) plain.reset();
    else plain.end();
  }
  await rig.settle();
  expect(accepted.length).toBeGreaterThan(0);
  for (const plain of accepted) plain.close();
  rig.clear();
  close();
  await rig.settle();
  expect({ open: openDescriptors(), watched: rig.reactor.epoll.watched }).toEqual(before);
  expect(rig.reactor.slabs.taken).toBe(0);
});
