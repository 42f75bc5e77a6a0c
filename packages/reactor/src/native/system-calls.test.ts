import { readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import * as constants from './kernel-constants.ts';
import { SOCKADDR_IN } from './kernel-layout.ts';
import { Loopback } from './loopback.ts';
import { checked, errnoName } from './system-call-error.ts';
import { SystemCalls } from './system-calls.ts';

const { EAGAIN, EBADF, ECONNRESET, EINPROGRESS, ENOTCONN, EPIPE, EPOLLIN, EPOLLOUT, EPOLL_CTL_ADD } = constants;
const ECONNREFUSED = 111;
const EINVAL = 22;
const EISCONN = 106;
const ENOPROTOOPT = 92;
const SIZE = 1_048_576;
const misused = expect.objectContaining({ name: 'ReactorError', code: 'REACTOR_MEMORY_MISUSED' });

let arena: Arena;
let calls: SystemCalls;
let loopback: Loopback;
/** Memory of a test. */
let at: number;

beforeAll(() => {
  arena = new Arena(SIZE);
  calls = new SystemCalls(arena);
  loopback = new Loopback(arena, calls);
  at = arena.reserve(524_288);
});
afterAll(() => arena.close());

/** Closes what a test has opened, once. */
function opened(...descriptors: readonly number[]): Disposable {
  return {
    [Symbol.dispose]() {
      for (const descriptor of descriptors) calls.close(descriptor);
    },
  };
}

/** Asks until the kernel has something else to say than EAGAIN. */
function patiently(call: () => number): number {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const result = call();
    if (result !== -EAGAIN || performance.now() > deadline) return result;
  }
}

/** Both ends of a TCP connection, and the listener. */
function connectPair(): { client: number; server: number; listener: number } & Disposable {
  const listener = loopback.listen();
  const client = loopback.connect();
  const server = patiently(() => calls.accept(listener, at, SOCKADDR_IN.size));
  return { client, server, listener, ...opened(client, server, listener) };
}

function write(text: string): number {
  arena.bytes.set(Buffer.from(text, 'latin1'), at);
  return text.length;
}

function textAt(offset: number, length: number): string {
  return Buffer.from(arena.bytes.subarray(offset, offset + length)).toString('latin1');
}

test('read and write take bytes from and to the arena, and no others', () => {
  const [reader, writer] = loopback.pipe();
  using _ = opened(reader, writer);
  expect(calls.read(reader, at, 10)).toBe(-EAGAIN);
  expect(calls.write(writer, at, write('known'))).toBe(5);
  arena.bytes.fill(0xee, at, at + 32);
  expect(calls.read(reader, at + 8, 16)).toBe(5);
  expect(textAt(at + 8, 5)).toBe('known');
  expect([arena.bytes[at + 7], arena.bytes[at + 13]]).toEqual([0xee, 0xee]);
});

test('a pipe takes what it has room for, then EAGAIN; the end of its writer is 0, of its reader EPIPE', () => {
  const [reader, writer] = loopback.pipe();
  const taken = calls.write(writer, at, 524_288);
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(524_288);
  expect(calls.write(writer, at, 1)).toBe(-EAGAIN);
  expect(calls.read(reader, at, 524_288)).toBe(taken);
  calls.close(writer);
  expect(calls.read(reader, at, 1)).toBe(0);
  calls.close(reader);
  const [other, end] = loopback.pipe();
  using _ = opened(end);
  calls.close(other);
  expect(calls.write(end, at, 1)).toBe(-EPIPE);
});

test('readv and writev go through the vectors in their order', () => {
  const [reader, writer] = loopback.pipe();
  using _ = opened(reader, writer);
  write('abcdef');
  arena.putVector(at + 64, 0, at + 4, 2);
  arena.putVector(at + 64, 1, at, 3);
  expect(calls.writev(writer, at + 64, 2)).toBe(5);
  arena.putVector(at + 64, 0, at + 200, 1);
  arena.putVector(at + 64, 1, at + 100, 10);
  expect(calls.readv(reader, at + 64, 2)).toBe(5);
  expect([textAt(at + 200, 1), textAt(at + 100, 4)]).toEqual(['e', 'fabc']);
  expect(calls.readv(reader, at + 64, 2)).toBe(-EAGAIN);
});

test('writeLent writes what is at an address', () => {
  const [reader, writer] = loopback.pipe();
  using _ = opened(reader, writer);
  const length = write('lent');
  expect(calls.writeLent(writer, arena.address(at, length), length)).toBe(4);
  expect(calls.read(reader, at + 64, 16)).toBe(4);
  expect(textAt(at + 64, 4)).toBe('lent');
});

test('memory that is not all in the arena reaches no call', () => {
  const [reader, writer] = loopback.pipe();
  using _ = opened(reader, writer);
  write('x');
  calls.write(writer, at, 1);
  const beyond: readonly (() => number)[] = [
    () => calls.read(reader, SIZE - 1, 2),
    () => calls.read(reader, -1, 1),
    () => calls.read(reader, at, Number.NaN),
    () => calls.peek(reader, SIZE - 1, 2),
    () => calls.write(writer, SIZE, 1),
    () => calls.readv(reader, SIZE - 16, 2),
    () => calls.readv(reader, at, -1),
    () => calls.writev(writer, SIZE - 16, 2),
    () => calls.accept(reader, SIZE - 1, 16),
    () => calls.connect(reader, SIZE - 1, 16),
    () => calls.socketName(reader, SIZE - 1, 16),
    () => calls.peerName(reader, SIZE - 1, 16),
    () => calls.epollControl(reader, EPOLL_CTL_ADD, writer, SIZE - 1),
    () => calls.epollWait(reader, SIZE - 1, 1, 0),
    () => calls.epollWait(reader, at, 2 ** 40, 0),
  ];
  for (const call of beyond) expect(call).toThrow(misused);
  expect(calls.read(reader, at, 16)).toBe(1);
});

test('accept answers a descriptor that does not block and is not inherited, and the peer', () => {
  using pair = connectPair();
  expect(arena.view.getUint16(at + SOCKADDR_IN.family, true)).toBe(constants.AF_INET);
  const port = arena.view.getUint16(at + SOCKADDR_IN.port);
  expect([...arena.bytes.subarray(at + SOCKADDR_IN.address, at + SOCKADDR_IN.address + 4)]).toEqual([127, 0, 0, 1]);
  expect(calls.read(pair.server, at, 1)).toBe(-EAGAIN);
  expect(calls.accept(pair.listener, at, SOCKADDR_IN.size)).toBe(-EAGAIN);
  expect(calls.socketName(pair.client, at + 64, SOCKADDR_IN.size)).toBe(0);
  expect(arena.view.getUint16(at + 64 + SOCKADDR_IN.port)).toBe(port);
  expect(calls.peerName(pair.server, at + 128, SOCKADDR_IN.size)).toBe(0);
  expect(textAt(at + 128, 8)).toBe(textAt(at + 64, 8));
  expect(calls.peerName(pair.listener, at, SOCKADDR_IN.size)).toBe(-ENOTCONN);
  // Of an address, no more is written than there is room for.
  arena.bytes.fill(0xee, at, at + 16);
  expect(calls.socketName(pair.client, at, 2)).toBe(0);
  expect(arena.bytes[at + 2]).toBe(0xee);
});

test('connect is under way, done, or refused; the refusal is told once', () => {
  const listener = loopback.listen();
  const client = loopback.socket();
  expect([0, -EINPROGRESS]).toContain(calls.connect(client, loopback.address, SOCKADDR_IN.size));
  expect([0, -EISCONN]).toContain(calls.connect(client, loopback.address, SOCKADDR_IN.size));
  calls.close(client);
  calls.close(listener);
  const refused = loopback.socket();
  using _ = opened(refused);
  const result = calls.connect(refused, loopback.address, SOCKADDR_IN.size);
  expect([-ECONNREFUSED, -EINPROGRESS]).toContain(result);
  if (result === -EINPROGRESS) expect(calls.takeError(refused)).toBe(ECONNREFUSED);
  expect(calls.takeError(refused)).toBe(0);
});

test('takeError answers the errno of a descriptor that has none to tell', () => {
  expect(calls.takeError(-1)).toBe(EBADF);
});

test('FIN by shutdown leaves the other direction open', () => {
  using pair = connectPair();
  expect(calls.shutdown(pair.client)).toBe(0);
  expect(patiently(() => calls.read(pair.server, at, 8))).toBe(0);
  expect(calls.write(pair.server, at, write('still'))).toBe(5);
  expect(patiently(() => calls.read(pair.client, at + 64, 8))).toBe(5);
  const unconnected = loopback.socket();
  using _ = opened(unconnected);
  expect(calls.shutdown(unconnected)).toBe(-ENOTCONN);
});

test('peek leaves what it reads', () => {
  using pair = connectPair();
  expect(calls.peek(pair.server, at, 8)).toBe(-EAGAIN);
  calls.write(pair.client, at, write('kept'));
  arena.bytes.fill(0, at, at + 8);
  expect(patiently(() => calls.peek(pair.server, at + 64, 8))).toBe(4);
  expect(calls.read(pair.server, at + 128, 8)).toBe(4);
  expect([textAt(at + 64, 4), textAt(at + 128, 4)]).toEqual(['kept', 'kept']);
});

test('a socket that is reset on close ends with ECONNRESET', () => {
  const pair = connectPair();
  using _ = opened(pair.server, pair.listener);
  expect(calls.resetOnClose(pair.client)).toBe(0);
  expect(calls.close(pair.client)).toBe(0);
  expect(patiently(() => calls.read(pair.server, at, 8))).toBe(-ECONNRESET);
});

test('options are set, or refused by errno', () => {
  using pair = connectPair();
  expect(calls.setOption(pair.client, constants.IPPROTO_TCP, constants.TCP_NODELAY, 1)).toBe(0);
  expect(calls.setOption(pair.client, constants.IPPROTO_TCP, 9_999, 1)).toBe(-ENOPROTOOPT);
});

test('epoll answers the events and the token that it was given', () => {
  const [reader, writer] = loopback.pipe();
  const epoll = calls.epollCreate();
  using _ = opened(reader, writer, epoll);
  const { size, events, data } = calls.epollEvent;
  arena.bytes.fill(0, at, at + size);
  arena.view.setUint32(at + events, EPOLLIN | EPOLLOUT, true);
  arena.view.setBigUint64(at + data, 0x1234_5678_9abc_def0n, true);
  expect(calls.epollControl(epoll, EPOLL_CTL_ADD, reader, at)).toBe(0);
  arena.view.setBigUint64(at + data, 7n, true);
  expect(calls.epollControl(epoll, EPOLL_CTL_ADD, writer, at)).toBe(0);
  calls.write(writer, at, 1);
  arena.bytes.fill(0xee, at + 64, at + 64 + 4 * size);
  expect(calls.epollWait(epoll, at + 64, 4, 0)).toBe(2);
  const told = [0, 1].map((index) => ({
    events: arena.view.getUint32(at + 64 + index * size + events, true),
    data: arena.view.getBigUint64(at + 64 + index * size + data, true),
  }));
  expect(told).toContainEqual({ events: EPOLLIN, data: 0x1234_5678_9abc_def0n });
  expect(told).toContainEqual({ events: EPOLLOUT, data: 7n });
  expect(arena.bytes[at + 64 + 2 * size]).toBe(0xee);
  expect(calls.epollWait(epoll, at, 0, 0)).toBe(-EINVAL);
  expect(calls.epollControl(epoll, EPOLL_CTL_ADD, -1, at)).toBe(-EBADF);
});

test('an eventfd counts what is written until it is read', () => {
  const descriptor = calls.eventDescriptor();
  using _ = opened(descriptor);
  expect(readlinkSync(`/proc/self/fd/${descriptor}`)).toBe('anon_inode:[eventfd]');
  expect(calls.read(descriptor, at, 8)).toBe(-EAGAIN);
  arena.view.setBigUint64(at, 3n, true);
  expect(calls.write(descriptor, at, 8)).toBe(8);
  expect(calls.write(descriptor, at, 8)).toBe(8);
  expect(calls.read(descriptor, at, 8)).toBe(8);
  expect(arena.view.getBigUint64(at, true)).toBe(6n);
});

test('every call answers EBADF for no descriptor', () => {
  const results = [
    calls.read(-1, at, 1),
    calls.peek(-1, at, 1),
    calls.write(-1, at, 1),
    calls.writeLent(-1, arena.address(at, 1), 1),
    calls.readv(-1, at, 1),
    calls.writev(-1, at, 1),
    calls.accept(-1, at, 16),
    calls.connect(-1, at, 16),
    calls.socketName(-1, at, 16),
    calls.peerName(-1, at, 16),
    calls.setOption(-1, 1, 1, 1),
    calls.resetOnClose(-1),
    calls.shutdown(-1),
    calls.close(-1),
    calls.epollControl(-1, EPOLL_CTL_ADD, -1, at),
    calls.epollWait(-1, at, 1, 0),
  ];
  expect(new Set(results)).toEqual(new Set([-EBADF]));
});

test('what the loopback cannot do leaves nothing open', () => {
  calls.close(loopback.listen());
  arena.view.setUint16(loopback.address + SOCKADDR_IN.family, 99, true);
  const before = readdirSync('/proc/self/fd').length;
  expect(() => loopback.connect()).toThrow(
    expect.objectContaining({ code: 'REACTOR_SYSTEM_CALL', operation: 'connect', errno: 'EAFNOSUPPORT' }),
  );
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});

test('a failure is named', () => {
  expect(checked(0, 'close')).toBe(0);
  expect(() => checked(-24, 'eventfd')).toThrow('eventfd: EMFILE (raise the limit of open files)');
  expect(() => checked(-9, 'close')).toThrow(/^close: EBADF$/);
  expect(errnoName(9_999)).toBe('errno 9999');
});
