import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { LogBacklog } from '../log/log-backlog.ts';
import { type ChosenEngine, chooseEngine, type EngineName, type OpenReactor } from './choose-engine.ts';
import { DataPlane } from './data-plane.ts';
import { beat, HEARTBEAT_MS, type Heartbeat } from './heartbeat.ts';
import type { DataPlaneConfig, FromDataThread, ToDataThread } from './protocol.ts';
import { runThreadLoop } from './thread-loop.ts';

/** The `workerData` of a data thread. */
export interface DataThreadData {
  readonly kind: 'ambientmesh-data-thread';
  readonly config: DataPlaneConfig;
  /** The one to be used if it works here. */
  readonly engine: EngineName;
  readonly heartbeat: Heartbeat;
  readonly logBacklog: LogBacklog;
}

/**
 * Runs a data plane in this worker until the control thread ends it; with the reactor it does not return before. What it
 * throws is to end the process. `openReactor`: in place of the build's own.
 * @throws {TypeError} elsewhere than in such a worker.
 */
export function runDataThread(openReactor?: OpenReactor): void {
  const port = parentPort;
  if (port === null || !isDataThreadData(workerData)) throw new TypeError('not a data thread that Ztunnel has started');
  const { config, engine, heartbeat, logBacklog } = workerData;
  const { unsentBytes: slabBytes, descriptorLimits, tlsRecords: records } = config;
  const limits = { slabBytes, descriptorLimit: descriptorLimits.accepted, records };
  const chosen = chooseEngine(engine, limits, openReactor);
  const emit = (message: FromDataThread): void => port.postMessage(message);
  emit({
    type: 'engine',
    engine: chosen.name,
    reason: chosen.reason,
    wakeDescriptor: chosen.name === 'reactor' ? chosen.engine.wakeDescriptor : undefined,
  });
  serve({ plane: new DataPlane(config, chosen.engine, { emit, logBacklog }), port, heartbeat }, chosen);
}

interface Served {
  readonly plane: DataPlane;
  readonly port: MessagePort;
  readonly heartbeat: Heartbeat;
}

function serve({ plane, port, heartbeat }: Served, chosen: ChosenEngine): void {
  if (chosen.name === 'node') return serveOnEventLoop({ plane, port, heartbeat });
  runThreadLoop({
    engine: chosen.engine,
    port,
    apply: (message) => plane.apply(message),
    beat: () => beat(heartbeat),
    now: () => performance.now(),
  });
  chosen.engine.close();
}

function serveOnEventLoop({ plane, port, heartbeat }: Served): void {
  beat(heartbeat);
  const timer = setInterval(() => beat(heartbeat), HEARTBEAT_MS);
  port.on('message', (message: ToDataThread) => {
    plane.apply(message);
    if (message.type !== 'end') return;
    // Nothing else keeps the thread alive once its connections have ended.
    clearInterval(timer);
    port.close();
  });
}

function isDataThreadData(data: unknown): data is DataThreadData {
  return typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'ambientmesh-data-thread';
}
