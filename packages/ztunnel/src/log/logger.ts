import { type LogField, type LogFormat, type LogLevel, type LogLine, type LogSpan, renderLine } from './line.ts';
import { addWaiting, createLogBacklog, describeGap, endWaiting, LineGate, type LogBacklog } from './log-backlog.ts';
import { type LogFilter, parseLogFilter } from './log-filter.ts';
import { wallClockMs } from './log-time.ts';
import type { LineSink } from './log-writer.ts';

/** What the parts of this package log with. Fields keep their order. */
export interface Logger {
  error(fields: readonly LogField[], message: string): void;
  warn(fields: readonly LogField[], message: string): void;
  info(fields: readonly LogField[], message: string): void;
  debug(fields: readonly LogField[], message: string): void;
  isEnabled(level: LogLevel): boolean;
}

/** Makes loggers that share a format, a filter and a sink; the filter may be changed while they live. */
export class LogRoot {
  readonly format: LogFormat;
  /** Of the lines of its own loggers: what the sink has not taken yet, and how many were dropped for it. */
  readonly backlog: LogBacklog = createLogBacklog();
  readonly #gate = new LineGate(this.backlog);
  readonly #sink: LineSink;
  readonly #now: () => number;
  #filter: LogFilter;

  /** `now`: milliseconds since 1970, with a fraction. */
  constructor(options: {
    readonly format: LogFormat;
    readonly filter: LogFilter;
    readonly sink: LineSink;
    readonly now?: () => number;
  }) {
    this.format = options.format;
    this.#filter = options.filter;
    this.#sink = options.sink;
    this.#now = options.now ?? wallClockMs;
  }

  get filter(): LogFilter {
    return this.#filter;
  }

  set filter(filter: LogFilter) {
    this.#filter = filter;
  }

  /** A logger for the module `scope` (`inpod::statemanager`), inside of `spans`. */
  logger(scope: string, spans: readonly LogSpan[] = []): Logger {
    const log = (level: LogLevel, fields: readonly LogField[], message: string): void => {
      if (!this.#filter.isEnabled(scope, level)) return;
      this.#tellGap();
      if (this.#gate.admits()) this.#write({ level, scope, message, fields, spans });
    };
    return {
      error: (fields, message) => log('error', fields, message),
      warn: (fields, message) => log('warn', fields, message),
      info: (fields, message) => log('info', fields, message),
      debug: (fields, message) => log('debug', fields, message),
      isEnabled: (level) => this.#filter.isEnabled(scope, level),
    };
  }

  /** Passes on lines that a data thread has finished; that thread limits them. `taken`: they wait no more. */
  writeLines(text: string, taken: () => void): void {
    this.#sink.write(text, taken);
  }

  /** Resolves when all lines have left the process. */
  flush(): Promise<void> {
    return this.#sink.flush();
  }

  #write(line: Omit<LogLine, 'time'>): void {
    const text = renderLine(this.format, { time: this.#now(), ...line });
    addWaiting(this.backlog, text.length);
    this.#sink.write(text, () => {
      endWaiting(this.backlog, text.length);
      this.#tellGap();
    });
  }

  #tellGap(): void {
    const lines = this.#gate.takeUntold();
    if (lines > 0) this.#write(describeGap(lines));
  }
}

/** Logs nothing. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  isEnabled: () => false,
};

/** A root at level `info`, for the time before the configuration is known. */
export function defaultFilter(): LogFilter {
  const filter = parseLogFilter('info');
  if (typeof filter === 'string') throw new TypeError(filter);
  return filter;
}
