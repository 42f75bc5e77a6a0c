import { parentPort, workerData } from 'node:worker_threads';
import { createNodeEngine } from '@ambientmesh/hbone';
import { DataPlane } from './data-plane.ts';
import type { DataPlaneConfig, ToDataThread } from './protocol.ts';

/** The `workerData` of a data thread. */
export interface DataThreadData {
  readonly kind: 'ambientmesh-data-thread';
  readonly config: DataPlaneConfig;
}

/** Runs a data plane in this worker until the control thread ends it. @throws {TypeError} elsewhere than in such a worker. */
export function runDataThread(): void {
  const port = parentPort;
  if (port === null || !isDataThreadData(workerData)) throw new TypeError('not a data thread that Ztunnel has started');
  const plane = new DataPlane(workerData.config, createNodeEngine(), (message) => port.postMessage(message));
  port.on('message', (message: ToDataThread) => plane.apply(message));
}

function isDataThreadData(data: unknown): data is DataThreadData {
  return typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'ambientmesh-data-thread';
}
