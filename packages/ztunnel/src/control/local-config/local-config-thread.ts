import { parentPort, workerData } from 'node:worker_threads';
import { type LocalConfig, parseLocalConfig, type ReplacedConfig } from './local-config.ts';

/** The `workerData` of a thread that reads one version of the local configuration. */
export interface LocalConfigThreadData {
  readonly kind: 'ambientmesh-local-config-thread';
  readonly text: string;
  readonly before: ReplacedConfig | undefined;
}

/** The one message of such a thread; `refusal` is the message of the ZtunnelError. */
export type LocalConfigReading = { readonly config: LocalConfig } | { readonly refusal: string };

/** Reads the text this worker was given, tells what it says, and ends. @throws {TypeError} elsewhere than in such a worker. */
export function runLocalConfigThread(): void {
  const port = parentPort;
  if (port === null || !isThreadData(workerData))
    throw new TypeError('not a local configuration thread that Ztunnel has started');
  port.postMessage(read(workerData));
}

function read({ text, before }: LocalConfigThreadData): LocalConfigReading {
  try {
    return { config: parseLocalConfig(text, before) };
  } catch (error) {
    return { refusal: error instanceof Error ? error.message : String(error) };
  }
}

function isThreadData(data: unknown): data is LocalConfigThreadData {
  return typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'ambientmesh-local-config-thread';
}
