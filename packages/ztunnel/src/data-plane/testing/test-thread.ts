/** Program of a data thread that a test orders about through files in the folder that stands in its `clusterId`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import type { DataThreadData } from '../data-thread.ts';
import { runDataThread } from '../data-thread.ts';
import { PollingEngine } from './polling-engine.ts';

const LOOK_MS = 5;
const data: DataThreadData = workerData;
const told = (order: string): boolean => existsSync(join(data.config.clusterId, order));
const cell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

function obey(): void {
  if (told('fail')) throw new Error('failed as it was told');
  while (told('stand-still')) Atomics.wait(cell, 0, 0, LOOK_MS);
}

if (data.engine === 'node') setInterval(obey, LOOK_MS).unref();
runDataThread(() => {
  if (told('no-reactor')) throw new Error('no epoll here\nat all');
  const pipe = join(data.config.clusterId, `wake-${data.config.thread}`);
  return new PollingEngine({ pipe, beforeTurn: obey, deaf: () => told('be-deaf') });
});
