import { parentPort, workerData } from 'node:worker_threads';
import { createNodeEngine } from '@ambientmesh/hbone';
import { DataPlane } from './data-plane.ts';
import type { DataPlaneConfig, ToDataThread } from './protocol.ts';

/** Marks the `workerData` of a data thread, so that one bundled file can tell what it was started as. */
export interface DataThreadData {
  readonly kind: 'ambientmesh-data-thread';
  readonly config: DataPlaneConfig;
}

/** True in a worker that `startDataThreads` started. */
export function isDataThread(data: unknown = workerData): data is DataThreadData {
  return typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'ambientmesh-data-thread';
}

/** Runs a data plane in this worker until the control thread ends it. */
export function runDataThread(): void {
  const port = parentPort;
  if (port === null || !isDataThread(workerData)) return;
  const plane = new DataPlane(workerData.config, createNodeEngine(), (message) => port.postMessage(message));
  port.on('message', (message: ToDataThread) => plane.apply(message));
}
