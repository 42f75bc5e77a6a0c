import { type FSWatcher, statSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RevocationLists } from '@ambientmesh/spiffe';
import { bare } from '../log/line.ts';
import type { Logger } from '../log/logger.ts';
import type { Clock } from './certificates/certificate-source.ts';

/** Spec hbone.md §9. A ConfigMap is replaced in several steps. */
const debounceMs = 2000;
/** In a directory that never rests the file is read this long after the first change. */
const maxDebounceMs = 10_000;
/** How often a file that is not there, or a directory that cannot be watched, is looked for; the reference does so at handshakes. */
const retryMs = 5000;

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
  #watcher: FSWatcher | undefined;
  /** Cancels the reading that is due. */
  #due: (() => void) | undefined;
  #last: Buffer | undefined;
  #closed = false;
  /** Device and inode of the directory that `#watcher` is about. */
  #watched = '';
  /** Of the changes that the reading which is due is for. */
  #firstChangeMs: number | undefined;
  #toldMissing = false;

  constructor(options: CrlFileOptions) {
    this.#options = options;
  }

  /** Resolves when the file has been read, or could not be. Never rejects. */
  async start(): Promise<void> {
    const { path, logger } = this.#options;
    if (path === undefined) return;
    // Watched first: a change while it is read is not missed.
    this.#watch(path);
    const outcome = await this.#load(path);
    if (outcome === 'missing') {
      logger.warn([['path', path]], 'CRL file not found: no certificate counts as revoked until it is there');
    } else if (outcome === 'unusable') {
      logger.warn([['path', path]], 'CRL checking is disabled: correct the file and restart');
      this.close();
    }
    this.#loaded(path, outcome);
  }

  /** Stops reading. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#due?.();
    this.#unwatch();
  }

  /** Watches the directory that the path leads to now; another may have taken the place of the one that was watched. */
  #watch(path: string): void {
    if (this.#closed) return;
    // The directory, not the file: what a ConfigMap changes is a link beside it.
    const directory = dirname(path);
    try {
      const { dev, ino } = statSync(directory, { bigint: true });
      const watched = `${dev}:${ino}`;
      if (this.#watcher !== undefined && watched === this.#watched) return;
      this.#unwatch();
      this.#watcher = watch(directory, { persistent: false }, () => this.#changed(path));
      this.#watched = watched;
    } catch {
      this.#unwatch();
      return;
    }
    this.#watcher.on('error', () => {
      this.#unwatch();
      this.#readAfter(retryMs, path);
    });
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Each change puts the reading off, so that it falls between none of them, but not for ever. */
  #changed(path: string): void {
    const now = this.#options.clock.now();
    this.#firstChangeMs ??= now;
    this.#readAfter(Math.max(0, Math.min(debounceMs, this.#firstChangeMs + maxDebounceMs - now)), path);
  }

  #readAfter(delayMs: number, path: string): void {
    if (this.#closed) return;
    this.#due?.();
    this.#due = this.#options.clock.schedule(delayMs, () => {
      this.#due = undefined;
      this.#firstChangeMs = undefined;
      this.#watch(path);
      this.#load(path).then(
        (outcome) => this.#loaded(path, outcome),
        // `#load` tells all of its failures; this one would be of a data thread that is gone, which ends the process.
        () => undefined,
      );
    });
  }

  /** Without the file there may be nothing that tells of it: a link may lead elsewhere by the time that it is there. */
  #loaded(path: string, outcome: 'loaded' | 'missing' | 'unusable'): void {
    if (this.#due === undefined && (outcome === 'missing' || this.#watcher === undefined))
      this.#readAfter(retryMs, path);
  }

  async #load(path: string): Promise<'loaded' | 'missing' | 'unusable'> {
    const { logger, publish } = this.#options;
    let file: Buffer;
    try {
      file = await readFile(path);
    } catch (error) {
      if (this.#last !== undefined && !this.#toldMissing)
        logger.warn([['path', path]], `CRL file cannot be read, the last one holds: ${textOf(error)}`);
      this.#toldMissing = true;
      return 'missing';
    }
    this.#toldMissing = false;
    if (this.#closed || this.#last?.equals(file) === true) return 'loaded';
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
      return 'loaded';
    } catch (error) {
      logger.warn([['path', path]], `CRL file is not used: ${textOf(error)}`);
      return 'unusable';
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
