import { write, writeSync } from 'node:fs';

/** Text held while a write is under way; above it the caller is held up until all has been taken. Nothing is dropped. */
const maxQueuedChars = 4 * 1024 * 1024;
/** A write of at most PIPE_BUF bytes to a pipe is never split by another writer (pipe(7)): lines stay whole. */
const maxPieceChars = 4096;
/** A non-blocking descriptor (a terminal shared with a shell) that is full is tried again after this. */
const fullRetryMs = 5;

/** Where finished lines go. */
export interface LineSink {
  /** `text`: whole lines, each with its newline. */
  write(text: string): void;
  /** Resolves when everything written so far has left the process. */
  flush(): Promise<void>;
}

/**
 * Writes lines to a descriptor: all lines of a turn, and those that come during a write, leave together. Writing is done off
 * this thread, so that a slow reader of the log does not stall it until {@link maxQueuedChars} wait; then it does.
 */
export class LogWriter implements LineSink {
  readonly #fd: number;
  readonly #queue: string[] = [];
  /** Characters of the first text of the queue that have been taken. */
  #taken = 0;
  #queuedChars = 0;
  #writing: Promise<void> | undefined;
  #readerGone = false;

  /** `fd` stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  write(text: string): void {
    if (this.#readerGone || text === '') return;
    this.#queue.push(text);
    this.#queuedChars += text.length;
    if (this.#writing === undefined) this.#writing = this.#run();
    else if (this.#queuedChars > maxQueuedChars) this.#writeAllNow();
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
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
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
    }
    this.#queuedChars -= text.length;
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

  /** Holds this thread until the queue is out. Lines may overtake those of the write under way. */
  #writeAllNow(): void {
    for (let piece = this.#takePiece(); piece !== undefined; piece = this.#takePiece()) {
      for (let at = 0; at < piece.length; ) {
        try {
          at += writeSync(this.#fd, piece, at);
        } catch (error) {
          if (!isFull(error)) {
            this.#fail();
            return;
          }
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fullRetryMs);
        }
      }
    }
  }

  /** The reader is gone (EPIPE) or the disk is full: there is nobody left to tell, and serving goes on. */
  #fail(): void {
    this.#readerGone = true;
    this.#queue.length = 0;
    this.#queuedChars = 0;
    this.#taken = 0;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
