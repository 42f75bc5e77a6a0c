import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';

/** Directories searched for programs; `PATH` is not read, it may be another user's. */
export const DEFAULT_SEARCH_PATH: readonly string[] = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
];

/** Path of the first executable of that name, or undefined. */
export async function findProgram(name: string, searchPath: readonly string[]): Promise<string | undefined> {
  const paths = searchPath.map((directory) => join(directory, name));
  const found = await Promise.all(paths.map((path) => mayAccess(path, constants.X_OK)));
  return paths.find((_, index) => found[index]);
}

/** Whether this process may use the file in that way. */
export async function mayAccess(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
