import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { Namespace } from './namespace.ts';

/**
 * Starts a process inside `namespace`: `node:child_process.spawn`, whose child inherits the namespace of the thread that
 * forks. Only the network changes; mounts (`/sys`, `/etc/resolv.conf`) stay the caller's. A command that cannot be started
 * is reported by the child's `error` event, as usual.
 * @throws {NetnsError} as `Namespace.run` does.
 */
export function spawnIn(
  namespace: Namespace,
  command: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): ChildProcess {
  return namespace.run(() => spawn(command, args, options));
}
