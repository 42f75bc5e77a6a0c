/** What the command needs of its surroundings; `main.ts` gives the real ones. */
export interface CommandIo {
  /** The text of a file, or of standard input for `-`. Rejects with POLICY_COMMAND_INVALID if that fails. */
  readonly readInput: (path: string) => Promise<string>;
  /** The YAML and JSON files of a folder and those in it, sorted, no hidden ones; of anything else, itself. Rejects as `readInput`. */
  readonly listFiles: (path: string) => Promise<readonly string[]>;
  /** Writes a file, over what is there. Rejects as `readInput`. */
  readonly writeFile: (path: string, text: string) => Promise<void>;
  /** To standard output. */
  readonly write: (text: string) => void;
  /** To standard error. */
  readonly writeError: (text: string) => void;
  /** Of this package. */
  readonly version: string;
}

/** One subcommand. */
export interface Command {
  /** For the list of commands: `check FILE…`, then what it does in a few words. */
  readonly usage: string;
  readonly summary: string;
  /** The whole of `help COMMAND`, lines of at most 100 characters, the first `usage: ambient-policy …`; ends in a line break. */
  readonly help: string;
  /** Gives the exit code, one of `EXIT`. May reject: a PolicyError with one line is what the user reads. */
  readonly run: (args: readonly string[], io: CommandIo) => number | Promise<number>;
}

/** Exit codes of all subcommands. */
export const EXIT = {
  /** Done, and nothing found. */
  success: 0,
  /** What the command looks for is there: mistakes, a denied connection, an expectation that fails. */
  finding: 1,
  /** Wrong arguments or input. */
  failure: 2,
  /** Nothing found, but what there is to look at does not tell enough. */
  undecided: 3,
} as const;
