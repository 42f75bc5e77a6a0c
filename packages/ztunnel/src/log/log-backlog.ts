/**
 * Characters of lines of one thread that may wait to be written, plus one line; those that come then are dropped. A byte each,
 * but for lines with characters beyond Latin-1 (two). A thread with 10,000 connections a second fills it in some two seconds.
 */
export const MAX_BACKLOG_CHARS = 4 * 1024 * 1024;
/** Lines are kept again from here on: with a reader that is a little too slow, not every batch that it takes is a gap told of. */
const ROOM_AGAIN_CHARS = MAX_BACKLOG_CHARS / 2;

const WAITING = 0;
const DROPPED = 1;

/** What is known of the lines of one thread that nobody has read. The thread that makes them and the one that writes them share its memory. */
export type LogBacklog = Uint32Array<SharedArrayBuffer>;

/** Nothing waits, nothing has been dropped. */
export function createLogBacklog(): LogBacklog {
  return new Uint32Array(new SharedArrayBuffer(2 * Uint32Array.BYTES_PER_ELEMENT));
}

/** `characters` of lines are on their way to the one who writes. */
export function addWaiting(backlog: LogBacklog, characters: number): void {
  Atomics.add(backlog, WAITING, characters);
}

/** `characters` of those added wait no more. */
export function endWaiting(backlog: LogBacklog, characters: number): void {
  Atomics.sub(backlog, WAITING, characters);
}

/** Lines dropped so far, modulo 2^32, which is a reset to those that read counters. */
export function droppedLines(backlog: LogBacklog): number {
  return Atomics.load(backlog, DROPPED);
}

/** Decides which lines of a thread there is room for, and knows how many there was none for. */
export class LineGate {
  readonly #backlog: LogBacklog;
  #dropping = false;
  /** Not told of yet. */
  #untold = 0;

  constructor(backlog: LogBacklog) {
    this.#backlog = backlog;
  }

  /** Whether lines are missing that nobody has been told of. */
  get owesNotice(): boolean {
    return this.#untold > 0;
  }

  /** Whether the next line is to be kept: if not, it is counted. `unaddedChars`: of lines kept and not yet added to the backlog. */
  admits(unaddedChars = 0): boolean {
    if (this.#hasRoom(unaddedChars)) return true;
    this.#untold++;
    Atomics.add(this.#backlog, DROPPED, 1);
    return false;
  }

  /** How many lines are to be told of as dropped, now that there is room for it: once. 0: none, or no room. */
  takeUntold(unaddedChars = 0): number {
    if (this.#untold === 0 || !this.#hasRoom(unaddedChars)) return 0;
    const untold = this.#untold;
    this.#untold = 0;
    return untold;
  }

  #hasRoom(unaddedChars: number): boolean {
    const waitingChars = Atomics.load(this.#backlog, WAITING) + unaddedChars;
    this.#dropping = waitingChars >= (this.#dropping ? ROOM_AGAIN_CHARS : MAX_BACKLOG_CHARS);
    return !this.#dropping;
  }
}

/** What the log says of a gap of `lines`. */
export function describeGap(lines: number) {
  const message = `${lines} log lines were dropped: nobody read them in time`;
  return { level: 'warn', scope: 'log', message, fields: [] } as const;
}
