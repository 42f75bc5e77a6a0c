import type { LogField, LogLevel } from '../log/line.ts';
import type { ThreadLog } from './thread-log.ts';

/** The target `access`: one line a connection (spec ztunnel.md §11). */
export class AccessLog {
  readonly #log: ThreadLog;
  #levels: { readonly info: boolean; readonly debug: boolean };

  constructor(log: ThreadLog, levels: { readonly info: boolean; readonly debug: boolean }) {
    this.#log = log;
    this.#levels = levels;
  }

  /** Lines from now on. */
  set levels(levels: { readonly info: boolean; readonly debug: boolean }) {
    this.#levels = levels;
  }

  /** Whether opened connections are logged too. */
  get debug(): boolean {
    return this.#levels.debug;
  }

  write(level: LogLevel, message: string, fields: readonly LogField[]): void {
    if (level === 'debug' ? !this.#levels.debug : level === 'info' && !this.#levels.info) return;
    this.#log.line({ level, scope: 'access', message, fields });
  }
}
