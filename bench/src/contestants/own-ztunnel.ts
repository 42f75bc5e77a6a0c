import { execFile } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BenchError } from '../errors.ts';
import type { Surroundings } from './contestant.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TARGET = '@ambientmesh/ztunnel-app:bundle';
const BUNDLE = join(ROOT, 'apps/ztunnel/bundle/main.mjs');

/**
 * Bundles the project's own ztunnel, unless Nx has the bundle of these sources, and gives the command that starts it: what
 * users run. From sources, the compiler that strips their types stays in memory, some 80 MB a process. Throws
 * BENCH_BUNDLE_FAILED.
 */
export async function bundleOwnZtunnel({
  environment,
  signal,
}: Pick<Surroundings, 'environment' | 'signal'>): Promise<readonly string[]> {
  // Scripts of npm find this Node, not another.
  const path = [dirname(execPath), environment['PATH'] ?? ''].join(delimiter);
  try {
    const options = { cwd: ROOT, env: { ...environment, PATH: path }, signal };
    await promisify(execFile)(join(ROOT, 'node_modules/.bin/nx'), ['run', TARGET], options);
  } catch (cause) {
    signal.throwIfAborted();
    const said = cause instanceof Error && 'stdout' in cause ? String(cause.stdout).trim() : String(cause);
    throw new BenchError('BENCH_BUNDLE_FAILED', `nx run ${TARGET}: ${said}`, { cause });
  }
  return [execPath, BUNDLE];
}
