import type { Engine } from '@ambientmesh/hbone';
import { type LogFormat, type LogLine, renderLine } from '../log/line.ts';
import { addWaiting, describeGap, LineGate, type LogBacklog } from '../log/log-backlog.ts';
import { wallClockMs } from '../log/log-time.ts';

/** Lines leave a data thread together: after this time, */
const FLUSH_MS = 50;
/** or when so many octets have come together. */
const FLUSH_BYTES = 65_536;
/** Octets of UTF-8 that a code unit of a string takes at most. */
const MOST_UNIT_BYTES = 3;

export interface ThreadLogOptions {
  readonly engine: Pick<Engine, 'after'>;
  readonly format: LogFormat;
  /** What was written and nobody has taken; whoever takes it says so there (`endWaiting`). */
  readonly backlog: LogBacklog;
  /** Gets finished lines, newline included. */
  write(text: string): void;
}

/** The log of a data thread: lines are rendered here and handed to the control thread in batches; dropped when too many wait there. */
export class ThreadLog {
  readonly #options: ThreadLogOptions;
  readonly #gate: LineGate;
  /**
   * Lines that wait, in UTF-8. Not as a string: V8 keeps one that was added to as a tree of its parts, some 2 KiB a line, which
   * each collection of garbage copies until the text leaves.
   */
  readonly #waiting = Buffer.allocUnsafeSlow(FLUSH_BYTES);
  #bytes = 0;
  #scheduled = false;

  constructor(options: ThreadLogOptions) {
    this.#options = options;
    this.#gate = new LineGate(options.backlog);
  }

  line(line: Omit<LogLine, 'time'>): void {
    this.#tellGap();
    if (this.#gate.admits(this.#bytes)) this.#append(line);
    this.#schedule();
  }

  flush(): void {
    this.#tellGap();
    this.#postWaiting();
  }

  #append(line: Omit<LogLine, 'time'>): void {
    const text = renderLine(this.#options.format, { time: wallClockMs(), ...line });
    const most = text.length * MOST_UNIT_BYTES;
    if (this.#bytes + most > FLUSH_BYTES) this.#postWaiting();
    if (most > FLUSH_BYTES) this.#post(text);
    else this.#bytes += this.#waiting.write(text, this.#bytes);
  }

  #postWaiting(): void {
    if (this.#bytes === 0) return;
    const text = this.#waiting.toString('utf8', 0, this.#bytes);
    this.#bytes = 0;
    this.#post(text);
  }

  #post(text: string): void {
    addWaiting(this.#options.backlog, text.length);
    this.#options.write(text);
  }

  #tellGap(): void {
    const lines = this.#gate.takeUntold(this.#bytes);
    if (lines > 0) this.#append(describeGap(lines));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.engine.after(FLUSH_MS, () => {
      this.#scheduled = false;
      this.flush();
      // There may be room soon, and no line that would say so.
      if (this.#gate.owesNotice) this.#schedule();
    });
  }
}
