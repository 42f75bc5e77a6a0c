import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { EBADF, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../native/kernel-constants.ts';
import { Loopback } from '../native/loopback.ts';
import { SystemCalls } from '../native/system-calls.ts';
import { Epoll } from './epoll.ts';

const EEXIST = 17;

let arena: Arena;
let calls: SystemCalls;
let loopback: Loopback;
let at: number;
let epoll: Epoll;
let open: Set<number>;

beforeAll(() => {
  arena = new Arena(1_048_576);
  calls = new SystemCalls(arena);
  loopback = new Loopback(arena, calls);
  at = arena.reserve(4096);
});
afterAll(() => arena.close());
beforeEach(() => {
  epoll = new Epoll(arena, calls);
  open = new Set();
});
afterEach(() => {
  epoll.close();
  for (const descriptor of open) calls.close(descriptor);
});

function makePipe(): readonly [number, number] {
  const pipe = loopback.pipe();
  for (const descriptor of pipe) open.add(descriptor);
  return pipe;
}

function close(descriptor: number): void {
  open.delete(descriptor);
  calls.close(descriptor);
}

const ignore = (): void => {};

/** A watcher that writes down what it is told. */
function makeWatcher(): { readonly told: number[]; ready(events: number): void } {
  const told: number[] = [];
  return { told, ready: (events) => void told.push(events) };
}

function turn(timeoutMs = 0): number {
  const count = epoll.wait(timeoutMs);
  epoll.tell();
  return count;
}

test('by level an event is told until it is over', () => {
  const [reader, writer] = makePipe();
  const watcher = makeWatcher();
  expect(epoll.add(reader, EPOLLIN, watcher)).toBeGreaterThanOrEqual(0);
  expect(turn()).toBe(0);
  calls.write(writer, at, 1);
  expect([turn(), turn()]).toEqual([1, 1]);
  calls.read(reader, at, 1);
  expect(turn()).toBe(0);
  expect(watcher.told).toEqual([EPOLLIN, EPOLLIN]);
  close(writer);
  turn();
  expect(watcher.told.at(-1)).toBe(EPOLLHUP);
});

test('by edge it is told once, again when there is more, and again after change', () => {
  const [reader, writer] = makePipe();
  const watcher = makeWatcher();
  const token = epoll.add(reader, EPOLLIN | EPOLLET, watcher);
  calls.write(writer, at, 1);
  expect([turn(), turn()]).toEqual([1, 0]);
  calls.write(writer, at, 1);
  expect([turn(), turn()]).toEqual([1, 0]);
  const other = makeWatcher();
  expect(epoll.change(token, EPOLLIN | EPOLLET, other)).toBe(0);
  expect([turn(), turn()]).toEqual([1, 0]);
  expect([watcher.told, other.told]).toEqual([[EPOLLIN, EPOLLIN], [EPOLLIN]]);
});

test('what is not asked for is told all the same: errors and hang-ups', () => {
  const [reader, writer] = makePipe();
  const watcher = makeWatcher();
  epoll.add(writer, EPOLLOUT | EPOLLET, watcher);
  turn();
  close(reader);
  turn();
  expect(watcher.told).toEqual([EPOLLOUT, EPOLLOUT | EPOLLERR]);
});

test('the kernel refuses by errno, and nothing is kept of it', () => {
  const [reader] = makePipe();
  expect(epoll.add(-1, EPOLLIN, makeWatcher())).toBe(-EBADF);
  const token = epoll.add(reader, EPOLLIN, makeWatcher());
  expect(epoll.add(reader, EPOLLIN, makeWatcher())).toBe(-EEXIST);
  expect(epoll.watched).toBe(1);
  epoll.remove(token);
  epoll.remove(token);
  expect(epoll.watched).toBe(0);
  expect(epoll.change(token, EPOLLIN, makeWatcher())).toBe(-EBADF);
  expect(epoll.change(12_345, EPOLLIN, makeWatcher())).toBe(-EBADF);
});

test('one that is removed in ready, by itself or by another, is told nothing more', () => {
  const tokens: number[] = [];
  const told: number[] = [];
  for (let index = 0; index < 4; index++) {
    const [reader, writer] = makePipe();
    calls.write(writer, at, 1);
    const ready = (): void => {
      told.push(index);
      for (const token of tokens) epoll.remove(token);
    };
    tokens.push(epoll.add(reader, EPOLLIN, { ready }));
  }
  expect(turn()).toBe(4);
  expect(told.length).toBe(1);
  expect([turn(), epoll.watched]).toEqual([0, 0]);
});

test('an event of a socket that is closed is not told to the next one of its number', () => {
  const [firstReader, firstWriter] = makePipe();
  const [secondReader, secondWriter] = makePipe();
  const late = makeWatcher();
  const readers = [firstReader, secondReader];
  const tokens: number[] = [];
  const told: number[] = [];
  let reused = -1;
  const watch = (index: number): void => {
    const ready = (): void => {
      told.push(index);
      const other = readers[1 - index]!;
      epoll.remove(tokens[1 - index]!);
      close(other);
      // The lowest free number: that of the one just closed, whose event waits behind this one.
      const pipe = makePipe();
      expect(pipe).toContain(other);
      reused = epoll.add(other, EPOLLIN, late);
    };
    tokens.push(epoll.add(readers[index]!, EPOLLIN, { ready }));
  };
  watch(0);
  watch(1);
  calls.write(firstWriter, at, 1);
  calls.write(secondWriter, at, 1);
  expect(turn()).toBe(2);
  expect(told.length).toBe(1);
  expect(late.told).toEqual([]);
  expect(tokens).not.toContain(reused);
  // After the next wait the token is as good as any.
  epoll.wait(0);
  const [reader] = makePipe();
  expect(tokens).toContain(epoll.add(reader, EPOLLIN, makeWatcher()));
});

test('if a watcher throws, those behind it are told the next time, and their tokens are kept until then', () => {
  const told: number[] = [];
  const tokens = [0, 1, 2].map((index) => {
    const [reader, writer] = makePipe();
    calls.write(writer, at, 1);
    const ready = (): void => {
      told.push(index);
      if (told.length === 1) {
        epoll.remove(tokens[index]!);
        throw new Error('a fault of its own');
      }
    };
    return epoll.add(reader, EPOLLIN | EPOLLET, { ready });
  });
  epoll.wait(0);
  expect(() => epoll.tell()).toThrow('a fault of its own');
  expect(epoll.untold).toBe(2);
  expect(epoll.wait(10_000)).toBe(2);
  const [reader] = makePipe();
  expect(tokens).not.toContain(epoll.add(reader, EPOLLIN, makeWatcher()));
  epoll.tell();
  expect([new Set(told), told.length]).toEqual([new Set([0, 1, 2]), 3]);
  expect([epoll.untold, turn()]).toEqual([0, 0]);
});

test('more events than are taken at a time come in the next turns, each once', () => {
  const told = new Set<number>();
  const count = 700;
  for (let index = 0; index < count; index++) {
    const descriptor = calls.eventDescriptor();
    open.add(descriptor);
    arena.view.setBigUint64(at, 1n, true);
    calls.write(descriptor, at, 8);
    epoll.add(descriptor, EPOLLIN | EPOLLET, { ready: () => void told.add(index) });
  }
  const counts = [turn(), turn(), turn()];
  expect(counts).toEqual([512, count - 512, 0]);
  expect(told.size).toBe(count);
});

test('a signal while it waits is no failure', async () => {
  process.on('SIGUSR2', ignore);
  const sender = spawn('sh', ['-c', `while kill -USR2 ${process.pid}; do sleep 0.01; done`], { stdio: 'ignore' });
  const ended = once(sender, 'exit');
  try {
    // Nothing is watched: without the signal it would be 20 seconds.
    const start = performance.now();
    expect(epoll.wait(20_000)).toBe(0);
    expect(performance.now() - start).toBeLessThan(15_000);
  } finally {
    sender.kill('SIGKILL');
    await ended;
    process.off('SIGUSR2', ignore);
  }
});

test('after close it is as if nothing were watched, and a second close closes nobody else', () => {
  const [reader, writer] = makePipe();
  const watcher = makeWatcher();
  const token = epoll.add(reader, EPOLLIN, watcher);
  calls.write(writer, at, 1);
  epoll.wait(0);
  epoll.close();
  const [heir] = makePipe();
  epoll.close();
  epoll.remove(token);
  epoll.tell();
  expect([watcher.told, epoll.watched, epoll.untold]).toEqual([[], 0, 0]);
  expect(calls.read(heir, at, 1)).not.toBe(-EBADF);
  expect(() => epoll.wait(0)).toThrow(
    expect.objectContaining({ code: 'REACTOR_SYSTEM_CALL', operation: 'epoll_wait', errno: 'EBADF' }),
  );
});
