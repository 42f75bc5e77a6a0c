import { type FSWatcher, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from './certificates/certificate-source.ts';

/** How often it is looked at without a word from the kernel: few enough to cost nothing, often enough for who waits. */
const lookMs = 5000;

export interface WatchedFileOptions {
  readonly path: string;
  readonly clock: Clock;
  /** The file is read when its directory has rested for this long after a change of anything in it. */
  readonly restMs: number;
  /** In a directory that never rests the file is read this long after the first change. */
  readonly maxRestMs: number;
  /**
   * Takes what the file holds: each content once, and again after the file was gone. Until it is done the file is not read
   * again. Should not throw or reject: that is not told to anybody but who started.
   */
  readonly changed: (content: Buffer) => void | Promise<void>;
  /** The file cannot be read; told once until it can. Must not throw. */
  readonly gone: (error: Error) => void;
}

/**
 * Reads a file and reads it again when it changes, however that is done: written in place, renamed into place, or by a link
 * that leads elsewhere, as in a ConfigMap. The kernel tells at once of what happens in the directory of the path; what happens
 * elsewhere (a link above it, the file behind a link) is found by a look every few seconds.
 */
export class WatchedFile {
  readonly #options: WatchedFileOptions;
  #watcher: FSWatcher | undefined;
  /** Cancels the reading or the look that is due. */
  #due: (() => void) | undefined;
  /** Of the changes that the reading which is due is for. */
  #firstChangeMs: number | undefined;
  /** One at a time: a slow one would bring back what was there before. */
  #reading: Promise<void> = Promise.resolve();
  /** Of the file, just before it was read last. */
  #mark = '';
  /** What was told last. */
  #last: Buffer | 'gone' | undefined;
  #closed = false;

  constructor(options: WatchedFileOptions) {
    this.#options = options;
  }

  /** Begins to watch; resolves when the file has been read and told of, or its absence has. Rejects as `changed` does. */
  start(): Promise<void> {
    // Watched first: a change while it is read is not missed.
    this.#watch();
    return this.#inTurn(() => this.#read());
  }

  /** Stops watching; nothing is told any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#due?.();
    this.#unwatch();
  }

  /**
   * Watches the directory that the path leads to now. Always anew: one that was removed and made again may have the numbers
   * of the one before, and nothing else would say that the watcher is dead.
   */
  #watch(): void {
    this.#unwatch();
    if (this.#closed) return;
    try {
      // The directory, not the file: what a rename or a ConfigMap changes is an entry beside it.
      this.#watcher = watch(dirname(this.#options.path), { persistent: false }, () => this.#stirred());
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // Not there, or no watcher is left: the next look tries again.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Each change puts the reading off, so that it falls between none of them, but not for ever. */
  #stirred(): void {
    if (this.#closed) return;
    const { clock, restMs, maxRestMs } = this.#options;
    const now = clock.now();
    this.#firstChangeMs ??= now;
    this.#after(Math.max(0, Math.min(restMs, this.#firstChangeMs + maxRestMs - now)), () => {
      this.#firstChangeMs = undefined;
      return this.#read();
    });
  }

  #lookLater(): void {
    if (this.#due === undefined && !this.#closed) this.#after(lookMs, () => this.#look());
  }

  #after(delayMs: number, action: () => Promise<void>): void {
    this.#due?.();
    this.#due = this.#options.clock.schedule(delayMs, () => {
      this.#due = undefined;
      this.#watch();
      // What a rejected `changed` says is not for here; the file is looked at again all the same.
      this.#inTurn(action).catch(() => undefined);
    });
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(action);
    return this.#reading;
  }

  async #look(): Promise<void> {
    if (this.#last === 'gone') return this.#read();
    const mark = await markOf(this.#options.path);
    if (mark === this.#mark) this.#lookLater();
    else this.#stirred();
  }

  async #read(): Promise<void> {
    try {
      await this.#readAndTell();
    } finally {
      this.#lookLater();
    }
  }

  async #readAndTell(): Promise<void> {
    const { path, changed, gone } = this.#options;
    // Before it is read: what is written meanwhile shows at the next look.
    this.#mark = await markOf(path);
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
      await changed(content);
    }
  }
}

/** Differs when what the path leads to is another file, or has been written; empty if there is nothing. */
async function markOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch {
    return '';
  }
}
