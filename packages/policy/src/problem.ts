/** One mistake in data that somebody wrote. */
export interface Problem {
  /** `error`: the data is refused. `warning`: it is taken, but hardly does what was meant. */
  readonly severity: 'error' | 'warning';
  /** Of the wrong field, from the top of the object: `spec.rules[0].from[1].source.ipBlocks[2]`; empty for the whole. */
  readonly path: string;
  /** What is wrong with which value, and which values are allowed. */
  readonly message: string;
}
