import { Worker } from 'node:worker_threads';
import { ZtunnelError } from '../errors.ts';
import { type LocalConfig, parseLocalConfig, type ReplacedConfig } from './local-config.ts';
import { GatheredConfig, type LocalConfigReading } from './local-config-reading.ts';
import type { LocalConfigThreadData } from './local-config-thread.ts';

/**
 * A text of more bytes is read by a thread of its own. YAML takes about a second a megabyte, most of it the collection of
 * garbage: so long nobody would answer probes. A worker costs 100 ms, and this much 200.
 */
const maxBytesHere = 256 * 1024;

/** Reads texts as `parseLocalConfig`, large ones where they hold up nobody. */
export class LocalConfigReader {
  readonly #program: URL | undefined;
  #worker: Worker | undefined;

  /** `program` calls `runLocalConfigThread`; without it all is read in this thread. */
  constructor(program: URL | undefined) {
    this.#program = program;
  }

  /** Rejects as `parseLocalConfig` throws. One at a time. */
  async read(text: string, before: ReplacedConfig | undefined): Promise<LocalConfig> {
    if (this.#program === undefined || Buffer.byteLength(text) <= maxBytesHere) return parseLocalConfig(text, before);
    return this.#readApart(this.#program, { kind: 'ambientmesh-local-config-thread', text, before });
  }

  /** Ends what is being read: it rejects. Idempotent. */
  close(): void {
    // Never rejects for a thread that may be ended at any time.
    this.#worker?.terminate().catch(() => undefined);
  }

  #readApart(program: URL, data: LocalConfigThreadData): Promise<LocalConfig> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(program, { workerData: data, name: 'local-config' });
      this.#worker = worker;
      const gathered = new GatheredConfig();
      worker.on('message', (reading: LocalConfigReading) => {
        if ('refusal' in reading) return reject(new ZtunnelError('ZTUNNEL_LOCAL_CONFIG_INVALID', reading.refusal));
        gathered.add(reading.entries);
        if (reading.repeated !== undefined) return resolve(gathered.complete(reading.repeated));
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
        setImmediate(() => worker.postMessage('more'));
      });
      worker.once('error', reject);
      worker.once('exit', (code) => {
        if (this.#worker === worker) this.#worker = undefined;
        reject(
          new ZtunnelError('ZTUNNEL_LOCAL_CONFIG_INVALID', `could not be read: its thread ended with code ${code}`),
        );
      });
    });
  }
}
