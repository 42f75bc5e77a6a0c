import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const CHUNK_BYTES = 65_536;

/**
 * Text of a log from its beginning, in pieces that end at a line's end; with `follow` it goes on with what is added,
 * until `signal` aborts. An unfinished last line comes at the end, or when it is finished.
 */
export async function* readLog(path: string, follow: boolean, signal: AbortSignal): AsyncGenerator<string> {
  const file = await open(path, 'r');
  const added = new Notice();
  let watcher: FSWatcher | undefined;
  try {
    if (follow) {
      watcher = watch(path, () => added.give());
      signal.addEventListener('abort', added.give, { once: true });
    }
    let rest: Uint8Array = new Uint8Array();
    for (;;) {
      added.reset();
      const chunk = await readChunk(file);
      if (chunk.length > 0) {
        const all = Buffer.concat([rest, chunk]);
        const end = all.lastIndexOf(10) + 1;
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

async function readChunk(file: FileHandle): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.allocUnsafe(CHUNK_BYTES) });
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
