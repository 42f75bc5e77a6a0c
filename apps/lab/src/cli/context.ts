import type { Terminal } from './terminal.ts';

/** What a command gets from the process it runs in. */
export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly out: Terminal;
  /** Writes to stdout as it is. */
  readonly write: (text: string) => void;
  /** Tells on stderr, in a line, of what is missing in the answer. */
  readonly warn: (message: string) => void;
  /** Aborts at Ctrl-C, SIGTERM, or when the launcher has gone. */
  readonly interrupted: AbortSignal;
}
