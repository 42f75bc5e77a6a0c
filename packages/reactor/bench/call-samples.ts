/**
 * Answers samples of what the wrappers of system calls cost beside the bare calls by FFI, in nanoseconds a call, as JSON.
 * Argument: number of samples. Run with `node --conditions=@ambientmesh/source bench/call-samples.ts 5`.
 */
import { closeSync, openSync } from 'node:fs';
import { argv, stdout, threadCpuUsage } from 'node:process';
/* oxlint-disable no-restricted-imports -- what is measured is not published */
import { Reactor } from '../src/loop/reactor.ts';
import { foreignLibrary } from '../src/native/foreign-library.ts';
import { EPOLL_CTL_ADD, EPOLLIN } from '../src/native/kernel-constants.ts';

/* oxlint-enable no-restricted-imports */

/** Processor time is counted in milliseconds at worst. */
const CALLS = 100_000;
/** Of what makes no system call. */
const CHEAP_CALLS = 2_000_000;
const NS_A_US = 1000;
/** Calls are slow until they are compiled. */
const WARM_UP = 3;
const LENGTH = 64;
const VECTORS = 16;

const reactor = new Reactor({ slabBytes: 16_384 });
const { arena, calls } = reactor;
const at = arena.reserve(4096);
const address = arena.address(at, LENGTH);
const zero = openSync('/dev/zero', 'r');
const sink = openSync('/dev/null', 'w');
const empty = calls.eventDescriptor();
const full = calls.eventDescriptor();
arena.view.setBigUint64(at, 1n, true);
calls.write(full, at, 8);
const epoll = calls.epollCreate();
arena.view.setUint32(at, EPOLLIN, true);
calls.epollControl(epoll, EPOLL_CTL_ADD, full, at);
const idle = calls.epollCreate();

const library = foreignLibrary();
const read = library.find('read', 'int64_t', ['int', 'uintptr_t', 'size_t']);
const write = library.find('write', 'int64_t', ['int', 'uintptr_t', 'size_t']);
const readv = library.find('readv', 'int64_t', ['int', 'uintptr_t', 'int']);
const epollWait = library.find('epoll_wait', 'int', ['int', 'uintptr_t', 'int', 'int']);

const { vectors } = reactor.readMemory.prepare(VECTORS * LENGTH);
for (let index = 0; index < VECTORS; index++) arena.putVector(vectors, index, at, LENGTH);
const vectorsAddress = arena.address(vectors, 1);

/** What is called, and what it is compared with. */
const work: Readonly<Record<string, readonly [() => number, () => number, count?: number]>> = {
  check: [() => arena.address(at, LENGTH), () => address + at, CHEAP_CALLS],
  read: [() => calls.read(zero, at, LENGTH), () => read(zero, address, LENGTH)],
  readRefused: [() => calls.read(empty, at, 8), () => read(empty, address, 8)],
  write: [() => calls.write(sink, at, LENGTH), () => write(sink, address, LENGTH)],
  readv: [() => calls.readv(zero, vectors, VECTORS), () => readv(zero, vectorsAddress, VECTORS)],
  putVector: [() => (arena.putVector(vectors, 0, at, LENGTH), 0), () => 0, CHEAP_CALLS],
  epollWait: [() => calls.epollWait(epoll, at, 1, 0), () => epollWait(epoll, address, 1, 0)],
  turn: [() => (reactor.turn(0), 0), () => epollWait(idle, address, 1, 0)],
  slab: [() => (reactor.slabs.give(reactor.slabs.take()), 0), () => 0, CHEAP_CALLS],
  timer: [() => (reactor.after(1e6, nothing).cancel(), 0), () => performance.now(), CHEAP_CALLS],
};

const samples = Number(argv[2]);
const answer: Record<string, { value: number[]; baseline: number[] }> = {};
for (const [key, [wrapped, bare, count = CALLS]] of Object.entries(work)) {
  for (let run = 0; run < WARM_UP; run++) nanoseconds(wrapped, count, nanoseconds(bare, count));
  const figure = { value: [] as number[], baseline: [] as number[] };
  for (let sample = 0; sample < samples; sample++) {
    figure.value.push(nanoseconds(wrapped, count));
    figure.baseline.push(nanoseconds(bare, count));
  }
  answer[key] = figure;
}
stdout.write(`${JSON.stringify(answer)}\n`);
for (const descriptor of [zero, sink, empty, full, epoll, idle]) closeSync(descriptor);
reactor.close();

function nothing(): void {}

/**
 * What one of `count` calls takes of this thread's processor time, on average: other processes do not count. `sum` and the
 * results are used, lest they be optimized away.
 */
function nanoseconds(call: () => number, count: number, sum = 0): number {
  let total = sum;
  const start = threadCpuUsage();
  for (let done = 0; done < count; done++) total += call();
  const { user, system } = threadCpuUsage(start);
  const passed = ((user + system) * NS_A_US) / count;
  return Number.isNaN(total) ? total : passed;
}
