import type { Engine } from '@ambientmesh/hbone';
import { type LogFormat, type LogLine, renderLine } from '../log/line.ts';
import { wallClockMs } from '../log/log-time.ts';

/** Lines leave a data thread together: after this time, */
const FLUSH_MS = 50;
/** or when so many characters have come together. */
const FLUSH_CHARACTERS = 65_536;

export interface ThreadLogOptions {
  readonly engine: Engine;
  readonly format: LogFormat;
  /** Gets finished lines, newline included. */
  write(text: string): void;
}

/** The log of a data thread: lines are rendered here and handed to the control thread in batches. */
export class ThreadLog {
  readonly #options: ThreadLogOptions;
  #text = '';
  #scheduled = false;

  constructor(options: ThreadLogOptions) {
    this.#options = options;
  }

  line(line: Omit<LogLine, 'time'>): void {
    this.#text += renderLine(this.#options.format, { time: wallClockMs(), ...line });
    if (this.#text.length >= FLUSH_CHARACTERS) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#options.engine.after(FLUSH_MS, () => {
        this.#scheduled = false;
        this.flush();
      });
    }
  }

  flush(): void {
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    this.#options.write(text);
  }
}
