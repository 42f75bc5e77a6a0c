import { RevocationLists } from '@ambientmesh/spiffe';
import { bare } from '../log/line.ts';
import type { Logger } from '../log/logger.ts';
import type { Clock } from './certificates/certificate-source.ts';
import { WatchedFile } from './watched-file.ts';

/** Spec hbone.md §9. A ConfigMap is replaced in several steps. */
const restMs = 2000;
const maxRestMs = 10_000;

export interface CrlFileOptions {
  /** Undefined: nothing is ever read. */
  readonly path: string | undefined;
  readonly clock: Clock;
  /** Takes a file that was read and found good. */
  readonly publish: (file: Uint8Array) => void;
  readonly logger: Logger;
}

/** Reads the file of revocation lists and reads it again when it changes (spec hbone.md §9). */
export class CrlFile {
  readonly #options: CrlFileOptions;
  readonly #file: WatchedFile | undefined;
  /** What is in force. */
  #last: Buffer | undefined;
  #started = false;

  constructor(options: CrlFileOptions) {
    const { path, clock } = options;
    this.#options = options;
    if (path === undefined) return;
    this.#file = new WatchedFile({
      path,
      clock,
      restMs,
      maxRestMs,
      changed: (file) => this.#take(path, file),
      gone: (error) => this.#miss(path, error),
    });
  }

  /** Resolves when the file has been read, or could not be. Never rejects. */
  async start(): Promise<void> {
    await this.#file?.start();
    this.#started = true;
  }

  /** Stops reading. Idempotent. */
  close(): void {
    this.#file?.close();
  }

  #miss(path: string, error: Error): void {
    const { logger } = this.#options;
    if (this.#last !== undefined)
      logger.warn([['path', path]], `CRL file cannot be read, the last one holds: ${error.message}`);
    else if (!this.#started)
      logger.warn([['path', path]], 'CRL file not found: no certificate counts as revoked until it is there');
  }

  #take(path: string, file: Buffer): void {
    const { logger, publish } = this.#options;
    if (this.#last?.equals(file) === true) return;
    try {
      const lists = RevocationLists.parse(file);
      publish(file);
      this.#last = file;
      const counts = [
        ['lists', bare(String(lists.count))],
        ['revoked', bare(String(lists.size))],
      ] as const;
      logger.info(counts, 'CRL file loaded');
      for (const why of lists.unused)
        logger.warn([['path', path]], `CRL is ignored, and its issuer has none for these purposes: ${why}`);
    } catch (error) {
      logger.warn([['path', path]], `CRL file is not used: ${error instanceof Error ? error.message : String(error)}`);
      if (this.#started) return;
      logger.warn([['path', path]], 'CRL checking is disabled: correct the file and restart');
      this.close();
    }
  }
}
