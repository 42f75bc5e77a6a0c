import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LabError } from '../errors.ts';

const HTTP_CLIENT = fileURLToPath(new URL('../pods/http-client.ts', import.meta.url));

/** How to get into a lab from outside. */
export interface Entrance {
  /** Process 1 of the lab as this process numbers it. */
  readonly initPid: number;
  /** Whether the lab has a user namespace, to be entered first. */
  readonly userNamespace: boolean;
}

/**
 * The command that runs `argv` in the network namespace of a pod or node, as a process of the lab: it ends with the
 * lab, and with the process that entered. In the lab's folder `/`, and with the caller's environment.
 */
export function buildEnterCommand(entrance: Entrance, place: string, argv: readonly string[]): string[] {
  const { initPid, userNamespace } = entrance;
  return [
    'nsenter',
    `--target=${initPid}`,
    ...(userNamespace ? ['--user', '--preserve-credentials'] : []),
    '--mount',
    '--pid',
    '--ipc',
    `--net=/proc/${initPid}/root/run/netns/${place}`,
    '--',
    // nsenter forks to enter the PID namespace and passes no signals on.
    'setpriv',
    '--pdeathsig',
    'KILL',
    '--',
    ...argv,
  ];
}

/** LAB_NAME_UNKNOWN for a place that is not there: names those that begin like it (pods of a service), otherwise all. */
export function unknownPlace(place: string, places: readonly string[]): LabError {
  const like = places.filter((name) => name.startsWith(place));
  const known = (like.length > 0 ? like : places).toSorted().join(', ') || 'none';
  return new LabError('LAB_NAME_UNKNOWN', `${place}: no pod or node of the name (there are ${known})`);
}

/** Starts `argv` in a pod or node. `curl` is replaced by the lab's own client where `PATH` has none. */
export function spawnInside(
  entrance: Entrance,
  place: string,
  options: { readonly argv: readonly string[]; readonly path: string; readonly spawn: SpawnOptions },
): ChildProcess {
  const [command = 'true', ...args] = buildEnterCommand(entrance, place, substituteCurl(options.argv, options.path));
  return spawn(command, args, options.spawn);
}

/** `argv` with the lab's own client instead of a `curl` that is not there. */
export function substituteCurl(argv: readonly string[], path: string): readonly string[] {
  if (argv[0] !== 'curl' || findInPath('curl', path) !== undefined) return argv;
  return [process.execPath, HTTP_CLIENT, ...argv.slice(1)];
}

/** Where an executable is; undefined if nowhere in `path`. */
export function findInPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
