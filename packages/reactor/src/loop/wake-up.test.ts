import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Reactor } from './reactor.ts';

/** Waits until it is told, blocking as the other does, then writes to the eventfd: its number is the process's. */
const WAKER = `
const { writeSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const { flag, descriptor } = workerData;
parentPort.postMessage('ready');
Atomics.wait(flag, 0, 0);
writeSync(descriptor, new Uint8Array(new BigUint64Array([1n]).buffer));
`;

test('another thread wakes one that waits', async () => {
  using reactor = new Reactor({ slabBytes: 16_384, debug: true });
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(WAKER, { eval: true, workerData: { flag, descriptor: reactor.wakeDescriptor } });
  const exited = once(worker, 'exit');
  await once(worker, 'message');
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  // By epoll itself: a turn waits no longer than 100 ms in any case.
  expect(reactor.epoll.wait(20_000)).toBe(1);
  reactor.epoll.tell();
  expect(reactor.epoll.wait(0)).toBe(0);
  expect(await exited).toEqual([0]);
});
