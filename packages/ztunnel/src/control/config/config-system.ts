import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** What reading the configuration needs of the machine; tests pass a map of files. */
export interface ConfigSystem {
  /** Names of all variables that are set: some are found by their beginning. */
  readonly environmentNames: readonly string[];
  readonly cores: number;
  /** The text of a file; undefined if there is none. Throws what the system says of one that cannot be read. */
  readFile(path: string): string | undefined;
}

/** The real machine. `environmentNames`: of the variables that the lookup knows. */
export function machineSystem(environmentNames: readonly string[]): ConfigSystem {
  return {
    environmentNames,
    cores: availableParallelism(),
    readFile: (path) => (path !== '' && existsSync(path) ? readFileSync(path, 'utf8') : undefined),
  };
}
