import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const CHUNK_BYTES = 65_536;
const LINE_FEED = 10;

/** How to read a log. */
export interface LogReading {
  /** Go on with what is added, until `signal` aborts. */
  readonly follow: boolean;
  /** Begin with this many of the lines that are there, an unfinished one included; with the first if absent. */
  readonly lines: number | undefined;
  readonly signal: AbortSignal;
}

/** Text of a log in pieces that end at a line's end. An unfinished last line comes at the end, or when it is finished. */
export async function* readLog(path: string, { follow, lines, signal }: LogReading): AsyncGenerator<string> {
  const file = await open(path, 'r');
  const added = new Notice();
  let watcher: FSWatcher | undefined;
  try {
    if (follow) {
      watcher = watch(path, () => added.give());
      signal.addEventListener('abort', added.give, { once: true });
    }
    let position = lines === undefined ? 0 : await findLastLines(file, lines);
    let rest: Uint8Array = new Uint8Array();
    for (;;) {
      added.reset();
      const chunk = await readChunk(file, position);
      position += chunk.length;
      if (chunk.length > 0) {
        const all = Buffer.concat([rest, chunk]);
        const end = all.lastIndexOf(LINE_FEED) + 1;
        rest = all.subarray(end);
        if (end > 0) yield all.toString('utf8', 0, end);
      } else if (!follow) {
        if (rest.length > 0) yield Buffer.from(rest).toString('utf8');
        return;
      } else if (signal.aborted) return;
      else await added.given();
    }
  } finally {
    signal.removeEventListener('abort', added.give);
    watcher?.close();
    await file.close();
  }
}

/** Where the last `lines` lines begin: looks backwards, for a log may be long. */
async function findLastLines(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines === 0) return size;
  let wanted = lines;
  // The end of the last line is not that of one before it.
  for (let end = size - 1; end > 0; end -= Math.min(end, CHUNK_BYTES)) {
    const begin = Math.max(0, end - CHUNK_BYTES);
    const chunk = await readChunk(file, begin, end - begin);
    for (let at = chunk.length - 1; at >= 0; at -= 1) {
      if (chunk[at] === LINE_FEED) wanted -= 1;
      if (wanted === 0) return begin + at + 1;
    }
  }
  return 0;
}

async function readChunk(file: FileHandle, position: number, length = CHUNK_BYTES): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.allocUnsafe(length), position });
  return buffer.subarray(0, bytesRead);
}

/** A wake-up that is not lost if it comes before the wait. */
class Notice {
  #given = false;
  #wake: (() => void) | undefined;

  readonly give = (): void => {
    this.#given = true;
    this.#wake?.();
  };

  reset(): void {
    this.#given = false;
  }

  async given(): Promise<void> {
    if (this.#given) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
