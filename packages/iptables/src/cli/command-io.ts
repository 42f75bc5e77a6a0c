/** What the command needs of its surroundings; `main.ts` gives the real ones. */
export interface CommandIo {
  /** The text of a file, or of standard input for `-`. Rejects if it cannot be read or is too large. */
  readonly readInput: (path: string) => Promise<string>;
  /** To standard output. */
  readonly write: (text: string) => void;
  /** To standard error. */
  readonly writeError: (text: string) => void;
  /** Of this package. */
  readonly version: string;
}

/** Exit codes of all subcommands. */
export const EXIT = {
  /** Done; `diff`: no difference; `explain`: one certain end. */
  success: 0,
  /** `diff`: the saves differ. */
  different: 1,
  /** Wrong arguments or input. */
  failure: 2,
  /** `explain`: more than one end is possible, or the walk ended at its limit. */
  undecided: 3,
} as const;
