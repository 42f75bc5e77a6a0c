import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CliContext } from './context.ts';

/**
 * Text of a file named on the command line. npx works in the folder of the nearest package.json and says in INIT_CWD where
 * it was called: what is not here is looked for there. Throws what `readFileSync` throws.
 */
export function readGivenFile({ environment }: Pick<CliContext, 'environment'>, file: string): string {
  const calledFrom = environment['INIT_CWD'];
  return readFileSync(calledFrom === undefined || existsSync(file) ? file : resolve(calledFrom, file), 'utf8');
}
