import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CliContext } from './context.ts';

/**
 * Where a file named on the command line is. npx works in the folder of the nearest package.json and says in INIT_CWD where
 * it was called: that is the folder that the caller means, and only what is not there is looked for here.
 */
export function findGivenFile({ environment }: Pick<CliContext, 'environment'>, file: string): string {
  const calledFrom = environment['INIT_CWD'];
  if (calledFrom === undefined) return file;
  const there = resolve(calledFrom, file);
  return existsSync(there) || !existsSync(file) ? there : file;
}

/** Text of a file named on the command line. Throws what `readFileSync` throws. */
export function readGivenFile(context: Pick<CliContext, 'environment'>, file: string): string {
  return readFileSync(findGivenFile(context, file), 'utf8');
}
