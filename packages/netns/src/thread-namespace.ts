import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { NetnsError } from './errors.ts';
import { CLONE_NEWNET, O_CLOEXEC } from './kernel-constants.ts';
import { type CallSubject, checked, errnoName, type Native, native, systemCallError } from './native.ts';

/** Not `/proc/self`: that is the main thread's, and a worker may be elsewhere. */
export const OWN_NAMESPACE_PATH = '/proc/thread-self/ns/net';

/**
 * 8 bytes of stack each, 32 KiB together: what must be left before the thread goes. The way back needs less than 1 KiB; the
 * rest is for V8, which wants stack to compile, and for errors on the way.
 */
const STACK_RESERVE: readonly undefined[] = Array.from({ length: 4_096 });

/** Calls of this thread that are elsewhere right now, one inside the other. */
let away = 0;
/** Innermost of them: what the error says. */
let whereabouts: bigint | undefined;
let lookPlanned = false;
let threadPoolRuns = false;

/** How to leave for another namespace. */
export interface Departure extends CallSubject {
  /** The system call that does it; -1 is a failure. */
  readonly enter: () => number;
}

/**
 * Leaves as `departure` says, calls `fn` there and comes back to where the thread was, wherever that is. If the thread
 * cannot be brought back, the process ends.
 * @throws {RangeError} before leaving, if the stack is nearly used up; {NetnsError} if leaving fails; and whatever `fn` throws.
 */
export function callElsewhere<T>(departure: Departure, fn: () => T): T {
  assertStackLeft();
  const c = native();
  startThreadPool();
  // Asked anew each time: another copy of this package, or anybody else, may have moved the thread.
  const back = openWayBack(c);
  try {
    planLook();
    return callAndComeBack(departure, fn, back);
  } finally {
    c.close(back);
  }
}

function callAndComeBack<T>(departure: Departure, fn: () => T, back: number): T {
  const c = native();
  const outer = whereabouts;
  let failure = 0;
  away += 1;
  whereabouts = departure.namespaceId;
  try {
    if (departure.enter() >= 0) return fn();
    failure = c.errno();
  } finally {
    // A single call, straight into the C library: nothing here may need more stack than was proven to be there.
    let left = -1;
    try {
      left = c.setns(back, CLONE_NEWNET);
    } finally {
      if (left < 0) endProcess(`cannot leave netns ${whereabouts ?? 'just made'}: ${errnoName(c.errno())}`, c);
    }
    away -= 1;
    whereabouts = outer;
  }
  throw systemCallError(departure, failure);
}

/**
 * Throws the RangeError of a full stack here, where nothing has happened yet: at a depth where `setns` can be called once
 * but not a second time, the thread would stay away. (A call with so many arguments has V8 compare their size with what is left.)
 */
function assertStackLeft(): void {
  Reflect.apply(nothing, undefined, STACK_RESERVE);
}

function nothing(): void {
  // Only called for its arguments.
}

/**
 * The threads of libuv's pool are in the namespace of whoever starts them, and stay there: the first asynchronous work of a
 * process must not be begun elsewhere.
 */
function startThreadPool(): void {
  if (threadPoolRuns) return;
  // `randomBytes` always uses the pool, and all its threads are there when the first work has been queued.
  randomBytes(1, nothing);
  threadPoolRuns = true;
}

/** A descriptor of the namespace the calling thread is in, proven to lead back. */
function openWayBack(c: Native): number {
  const fd = checked(c.open(OWN_NAMESPACE_PATH, O_CLOEXEC), { operation: 'open namespace', subject: 'own' });
  // In a user namespace of its own a process may leave for another namespace, but not come back to this one.
  if (c.setns(fd, CLONE_NEWNET) === 0) return fd;
  const error = systemCallError({ operation: 'setns', subject: 'to the own namespace' });
  c.close(fd);
  throw error;
}

/**
 * JavaScript that is terminated (the `timeout` of node:vm) skips `finally`. That cannot be seen when it happens; but once
 * the event loop turns, no synchronous call is left that could still come back.
 */
function planLook(): void {
  if (lookPlanned) return;
  setImmediate(endIfStranded).unref();
  lookPlanned = true;
}

function endIfStranded(): void {
  lookPlanned = false;
  if (away === 0) return;
  endProcess(`a function in netns ${whereabouts ?? 'just made'} was terminated and never left it`, native());
}

function endProcess(words: string, c: Native): never {
  try {
    writeSync(2, `netns: ${words}; ending the process so that no traffic leaks\n`);
  } finally {
    // process.abort does not exist in worker threads; abort(3) does not return.
    c.abort();
  }
  throw new NetnsError('NETNS_SYSTEM_CALL', words);
}
