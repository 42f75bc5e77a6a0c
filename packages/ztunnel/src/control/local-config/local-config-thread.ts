import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { ChangeParts } from '../change-parts.ts';
import { type LocalConfig, parseLocalConfig, type ReplacedConfig } from './local-config.ts';
import type { LocalConfigReading } from './local-config-reading.ts';

/** The `workerData` of a thread that reads one version of the local configuration. */
export interface LocalConfigThreadData {
  readonly kind: 'ambientmesh-local-config-thread';
  readonly text: string;
  readonly before: ReplacedConfig | undefined;
}

/**
 * Reads the text this worker was given, tells what it says part by part, each when any message asks for it, and ends. @throws
 * {TypeError} elsewhere than in such a worker.
 */
export function runLocalConfigThread(): void {
  const port = parentPort;
  if (port === null || !isThreadData(workerData))
    throw new TypeError('not a local configuration thread that Ztunnel has started');
  let config: LocalConfig;
  try {
    config = parseLocalConfig(workerData.text, workerData.before);
  } catch (error) {
    say(port, { refusal: error instanceof Error ? error.message : String(error) });
    return;
  }
  tell(port, config);
}

function tell(port: MessagePort, { policies, services, workloads, repeated }: LocalConfig): void {
  const parts = new ChangeParts([
    ...policies.map((policy) => ({ type: 'policy', policy }) as const),
    ...services.map((service) => ({ type: 'service', service }) as const),
    ...workloads.map((entry) => ({ type: 'workload', ...entry }) as const),
  ]);
  let next = 0;
  const tellNext = (): void => {
    const { changes: entries, last } = parts.part(next++);
    if (last) port.off('message', tellNext);
    say(port, last ? { entries, repeated } : { entries });
  };
  port.on('message', tellNext);
  tellNext();
}

function say(port: MessagePort, reading: LocalConfigReading): void {
  port.postMessage(reading);
}

function isThreadData(data: unknown): data is LocalConfigThreadData {
  return typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'ambientmesh-local-config-thread';
}
