import { type FSWatcher, statSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from './certificates/certificate-source.ts';

/** How often a file that is not there, or a directory that cannot be watched, is looked for. */
const retryMs = 5000;

export interface WatchedFileOptions {
  readonly path: string;
  readonly clock: Clock;
  /** The file is read when its directory has rested for this long after a change of anything in it. */
  readonly restMs: number;
  /** In a directory that never rests the file is read this long after the first change. */
  readonly maxRestMs: number;
  /** Takes what the file holds: each content once, and again after the file was gone. Must not throw. */
  readonly changed: (content: Buffer) => void;
  /** The file cannot be read; told once until it can. Must not throw. */
  readonly gone: (error: Error) => void;
}

/**
 * Reads a file and reads it again when it changes, however that is done: written in place, renamed into place, or by a link
 * that leads elsewhere, as in a ConfigMap.
 */
export class WatchedFile {
  readonly #options: WatchedFileOptions;
  #watcher: FSWatcher | undefined;
  /** Device and inode of the directory that `#watcher` is about. */
  #watched = '';
  /** Cancels the reading that is due. */
  #due: (() => void) | undefined;
  /** Of the changes that the reading which is due is for. */
  #firstChangeMs: number | undefined;
  /** One at a time: a slow one would bring back what was there before. */
  #reading: Promise<void> = Promise.resolve();
  /** What was told last. */
  #last: Buffer | 'gone' | undefined;
  #closed = false;

  constructor(options: WatchedFileOptions) {
    this.#options = options;
  }

  /** Begins to watch; resolves when the file has been read and told of, or its absence has. Never rejects. */
  start(): Promise<void> {
    // Watched first: a change while it is read is not missed.
    this.#watch();
    return this.#readNext();
  }

  /** Stops watching; nothing is told any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#due?.();
    this.#unwatch();
  }

  /** Watches the directory that the path leads to now; another may have taken the place of the one that was watched. */
  #watch(): void {
    if (this.#closed) return;
    // The directory, not the file: what a rename or a ConfigMap changes is an entry beside it.
    const directory = dirname(this.#options.path);
    try {
      const { dev, ino } = statSync(directory, { bigint: true });
      const watched = `${dev}:${ino}`;
      if (this.#watcher !== undefined && watched === this.#watched) return;
      this.#unwatch();
      this.#watcher = watch(directory, { persistent: false }, () => this.#stirred());
      this.#watched = watched;
    } catch {
      this.#unwatch();
      return;
    }
    this.#watcher.on('error', () => {
      this.#unwatch();
      this.#readAfter(retryMs);
    });
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Each change puts the reading off, so that it falls between none of them, but not for ever. */
  #stirred(): void {
    const { clock, restMs, maxRestMs } = this.#options;
    const now = clock.now();
    this.#firstChangeMs ??= now;
    this.#readAfter(Math.max(0, Math.min(restMs, this.#firstChangeMs + maxRestMs - now)));
  }

  #readAfter(delayMs: number): void {
    if (this.#closed) return;
    this.#due?.();
    this.#due = this.#options.clock.schedule(delayMs, () => {
      this.#due = undefined;
      this.#firstChangeMs = undefined;
      this.#watch();
      // Never rejects: `#read` tells all of its failures.
      this.#readNext().catch(() => undefined);
    });
  }

  #readNext(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { path, changed, gone } = this.#options;
    let content: Buffer | Error;
    try {
      content = await readFile(path);
    } catch (error) {
      content = error instanceof Error ? error : new Error(String(error));
    }
    if (this.#closed) return;
    if (content instanceof Error) {
      if (this.#last !== 'gone') {
        this.#last = 'gone';
        gone(content);
      }
    } else if (this.#last === undefined || this.#last === 'gone' || !this.#last.equals(content)) {
      this.#last = content;
      changed(content);
    }
    // Without the file there may be nothing that tells of it: a link may lead elsewhere by the time that it is there.
    if (this.#due === undefined && (this.#last === 'gone' || this.#watcher === undefined)) this.#readAfter(retryMs);
  }
}
