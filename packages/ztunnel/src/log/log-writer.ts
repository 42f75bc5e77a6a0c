import { write } from 'node:fs';

/** A write of at most PIPE_BUF bytes to a pipe is never split by another writer (pipe(7)): lines stay whole. */
const maxPieceChars = 4096;
/** A non-blocking descriptor (a terminal shared with a shell) that is full is tried again after this. */
const fullRetryMs = 5;

/** Where finished lines go. */
export interface LineSink {
  /**
   * `text`: whole lines, each with its newline. `taken` must be called once, when they wait no more: written, or given up.
   * Who logs counts what waits, and drops lines when that is too much; a sink needs no limit of its own.
   */
  write(text: string, taken?: () => void): void;
  /** Resolves when everything written so far has left the process. */
  flush(): Promise<void>;
}

interface Queued {
  readonly text: string;
  readonly taken: (() => void) | undefined;
}

/**
 * Writes lines to a descriptor: all lines of a turn, and those that come during a write, leave together. Writing is done off
 * this thread, so that a reader of the log who is slow, or reads nothing, never stalls it. How much waits is the callers' to limit.
 */
export class LogWriter implements LineSink {
  readonly #fd: number;
  readonly #queue: Queued[] = [];
  /** Characters of the first text of the queue that have been taken. */
  #taken = 0;
  #writing: Promise<void> | undefined;
  #readerGone = false;

  /** `fd` stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  write(text: string, taken?: () => void): void {
    if (this.#readerGone || text === '') {
      taken?.();
      return;
    }
    this.#queue.push({ text, taken });
    this.#writing ??= this.#run();
  }

  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let piece = this.#takePiece(); piece !== undefined; piece = this.#takePiece()) {
      for (let at = 0; at < piece.length; ) at += await this.#writeSome(piece, at);
    }
    this.#writing = undefined;
  }

  /** The next whole lines that fit one piece; a longer line alone. */
  #takePiece(): Buffer | undefined {
    let text = '';
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const { text: head, taken } = first;
      const room = maxPieceChars - text.length;
      let end = head.length;
      if (end - this.#taken > room) {
        end = head.lastIndexOf('\n', this.#taken + room - 1) + 1;
        if (end <= this.#taken && text === '') end = head.indexOf('\n', this.#taken) + 1 || head.length;
        if (end <= this.#taken) break;
      }
      text += head.slice(this.#taken, end);
      this.#taken = end;
      if (end < head.length) break;
      this.#queue.shift();
      this.#taken = 0;
      taken?.();
    }
    return text === '' ? undefined : Buffer.from(text);
  }

  #writeSome(bytes: Buffer, at: number): Promise<number> {
    return new Promise((resolve) => {
      write(this.#fd, bytes, at, bytes.length - at, null, (error, written) => {
        if (error === null) resolve(written);
        else if (isFull(error)) setTimeout(() => resolve(0), fullRetryMs);
        else {
          this.#fail();
          resolve(bytes.length - at);
        }
      });
    });
  }

  /** The reader is gone (EPIPE) or the disk is full: there is nobody left to tell, and serving goes on. */
  #fail(): void {
    this.#readerGone = true;
    this.#taken = 0;
    for (const { taken } of this.#queue.splice(0)) taken?.();
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
