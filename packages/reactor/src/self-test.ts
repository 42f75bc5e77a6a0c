import type { ReactorEngineOptions } from './engine.ts';
import { ReactorError } from './errors.ts';
import { LONGEST_WAIT_MS, Reactor } from './loop/reactor.ts';
import { SLAB_BYTES } from './memory/slab-pool.ts';
import { EAGAIN, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from './native/kernel-constants.ts';
import { SOCKADDR_IN } from './native/kernel-layout.ts';
import { Loopback } from './native/loopback.ts';
import { checked } from './native/system-call-error.ts';
import { testRecords } from './tls/records-self-test.ts';
import { testTls } from './tls/tls-self-test.ts';

/** A part of the self-test, by its name in the error. */
export interface SelfTestStep {
  readonly name: string;
  /** Throws whatever says what is wrong. */
  run(bench: TestBench): void;
}

/** What the steps work with; what they open is closed after them, however they end. */
interface TestBench {
  readonly reactor: Reactor;
  readonly loopback: Loopback;
  /** Memory of a step: TEST_BYTES. */
  readonly at: number;
  readonly opened: Set<number>;
}

/** Of what is sent through pipes and sockets: more than a page, less than what a pipe takes. */
const TEST_BYTES = 12_345;
/** A step that takes longer has lost an event; loopback takes microseconds. */
const STEP_TIMEOUT_MS = 2_000;
const TIMER_MS = 3;
const WAKE_BYTES = 8;

const STEPS: readonly SelfTestStep[] = [
  { name: 'pipe', run: testPipe },
  { name: 'slabs', run: testSlabs },
  { name: 'wake-up', run: testWakeUp },
  { name: 'timer', run: testTimer },
  { name: 'echo', run: testEcho },
];

/** What is tested is what is to be used. */
export type SelfTestOptions = Pick<ReactorEngineOptions, 'records'>;

/**
 * Tries on this thread, with a small reactor of its own, what the engine rests on: memory, system calls, epoll, timers, records of
 * TLS, and TLS with itself. Takes a fifth of a second, at worst a few seconds; everything is closed after it.
 * @throws {ReactorError} `REACTOR_SELF_TEST`, whose `operation` is the step that failed; its cause says why.
 */
export function selfTest({ records = 'own' }: SelfTestOptions = {}): void {
  const tls: SelfTestStep = {
    name: 'tls',
    run: ({ loopback, reactor }) => testTls(loopback, reactor.arena, records),
  };
  const knownRecords: SelfTestStep = { name: 'records', run: ({ reactor }) => testRecords(reactor.arena) };
  runSelfTest([...STEPS, ...(records === 'own' ? [knownRecords] : []), tls]);
}

/** As `selfTest`, of given steps. @throws {ReactorError} `REACTOR_SELF_TEST` */
export function runSelfTest(steps: readonly SelfTestStep[]): void {
  const bench = inStep('reactor', openBench);
  try {
    for (const step of steps) inStep(step.name, () => step.run(bench));
  } finally {
    for (const descriptor of bench.opened) bench.reactor.calls.close(descriptor);
    bench.reactor.close();
  }
}

function openBench(): TestBench {
  const reactor = new Reactor({ slabBytes: 2 * SLAB_BYTES, debug: true });
  try {
    const loopback = new Loopback(reactor.arena, reactor.calls);
    return { reactor, loopback, at: reactor.arena.reserve(TEST_BYTES), opened: new Set() };
  } catch (error) {
    reactor.close();
    throw error;
  }
}

function inStep<Result>(name: string, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ReactorError('REACTOR_SELF_TEST', `self-test, ${name}: ${why}`, { operation: name, cause });
  }
}

function expectEqual(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`${what} is ${got} instead of ${wanted}`);
}

/** Another byte at every place, of every `salt` others. */
function known(index: number, salt: number): number {
  return (index * 31 + (index >> 8) + salt) & 0xff;
}

function putKnown({ reactor, at }: TestBench, salt: number): void {
  for (let index = 0; index < TEST_BYTES; index++) reactor.arena.bytes[at + index] = known(index, salt);
}

function expectKnown({ reactor, at }: TestBench, salt: number): void {
  for (let index = 0; index < TEST_BYTES; index++)
    expectEqual(`byte ${index}`, reactor.arena.bytes[at + index]!, known(index, salt));
}

function turnUntil(reactor: Reactor, what: string, done: () => boolean): void {
  const deadline = performance.now() + STEP_TIMEOUT_MS;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come in ${STEP_TIMEOUT_MS} ms`);
    reactor.turn(LONGEST_WAIT_MS);
  }
}

/** Out by write(2), back by readv(2) into two slots: memory is where it is said to be, and errno is read. */
function testPipe(bench: TestBench): void {
  const { reactor, loopback, at, opened } = bench;
  const { calls, readMemory, arena } = reactor;
  const [reader, writer] = loopback.pipe();
  opened.add(reader).add(writer);
  expectEqual('reading an empty pipe', calls.read(reader, at, TEST_BYTES), -EAGAIN);
  putKnown(bench, 1);
  expectEqual('write', calls.write(writer, at, TEST_BYTES), TEST_BYTES);
  arena.bytes.fill(0, at, at + TEST_BYTES);
  const { vectors, count } = readMemory.prepare(TEST_BYTES);
  expectEqual('readv', calls.readv(reader, vectors, count), TEST_BYTES);
  const payload = readMemory.payloadOf(0);
  arena.bytes.copyWithin(at, payload, payload + TEST_BYTES);
  expectKnown(bench, 1);
}

function testSlabs({ reactor: { slabs, arena } }: TestBench): void {
  const held = [slabs.take(), slabs.take()];
  for (const slab of held) arena.bytes.fill(slab / SLAB_BYTES, slab, slab + SLAB_BYTES);
  for (const slab of held) expectEqual('a byte of a slab', arena.bytes[slab]!, (slab / SLAB_BYTES) & 0xff);
  for (const slab of held) slabs.give(slab);
  expectEqual('the number of slabs in use', slabs.taken, 0);
}

/** As the control thread does it. */
function testWakeUp({ reactor, at }: TestBench): void {
  const { calls, arena, epoll, wakeDescriptor } = reactor;
  arena.view.setBigUint64(at, 1n, true);
  expectEqual('write to the eventfd', calls.write(wakeDescriptor, at, WAKE_BYTES), WAKE_BYTES);
  expectEqual('the number of events', epoll.wait(STEP_TIMEOUT_MS), 1);
  reactor.turn(0);
  expectEqual('reading the eventfd again', calls.read(wakeDescriptor, at, WAKE_BYTES), -EAGAIN);
}

function testTimer({ reactor }: TestBench): void {
  const start = performance.now();
  let fired = 0;
  reactor.after(TIMER_MS, () => {
    fired = performance.now();
  });
  turnUntil(reactor, 'the timer', () => fired > 0);
  if (fired - start < TIMER_MS) throw new Error(`a timer of ${TIMER_MS} ms fired after ${fired - start} ms`);
}

/** A connection to oneself: there and back, then the end of one side, with edges. */
function testEcho(bench: TestBench): void {
  const { reactor, loopback, at, opened } = bench;
  const { calls, epoll } = reactor;
  const listener = loopback.listen();
  opened.add(listener);
  let server = -1;
  epoll.add(listener, EPOLLIN, {
    ready: () => {
      if (server >= 0) return;
      server = checked(calls.accept(listener, at, SOCKADDR_IN.size), 'accept4');
      opened.add(server);
    },
  });
  const client = loopback.connect();
  opened.add(client);
  turnUntil(reactor, 'the connection', () => server >= 0);
  expectEqual('SO_ERROR', calls.takeError(client), 0);
  for (const [salt, from, to] of [
    [2, client, server],
    [3, server, client],
  ] as const) {
    putKnown(bench, salt);
    expectEqual('write', calls.write(from, at, TEST_BYTES), TEST_BYTES);
    reactor.arena.bytes.fill(0, at, at + TEST_BYTES);
    receive(bench, to);
    expectKnown(bench, salt);
  }
  checked(calls.shutdown(client), 'shutdown');
  expectEnd(bench, server);
}

/** TEST_BYTES to `at`, in as many reads as it takes. */
function receive({ reactor, at }: TestBench, descriptor: number): void {
  const { calls, epoll } = reactor;
  let received = 0;
  const ready = (): void => {
    while (received < TEST_BYTES) {
      const count = calls.read(descriptor, at + received, TEST_BYTES - received);
      if (count === -EAGAIN) return;
      if (checked(count, 'read') === 0) throw new Error(`the end came after ${received} bytes`);
      received += count;
    }
  };
  const token = checked(epoll.add(descriptor, EPOLLIN | EPOLLOUT | EPOLLET, { ready }), 'epoll_ctl');
  turnUntil(reactor, 'what was sent', () => received === TEST_BYTES);
  epoll.remove(token);
}

function expectEnd({ reactor, at }: TestBench, descriptor: number): void {
  const { calls, epoll } = reactor;
  let events = 0;
  const ready = (told: number): void => {
    events |= told;
  };
  const token = checked(epoll.add(descriptor, EPOLLRDHUP | EPOLLET, { ready }), 'epoll_ctl');
  turnUntil(reactor, 'the end', () => (events & EPOLLRDHUP) !== 0);
  expectEqual('reading at the end', calls.read(descriptor, at, 1), 0);
  epoll.remove(token);
}
