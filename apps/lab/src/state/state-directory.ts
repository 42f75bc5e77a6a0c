import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { LAB_COMMAND } from '../command-name.ts';
import { LabError } from '../errors.ts';

/** What may be a lab's name: part of a path of limited length. */
const LAB_NAME = /^[a-z0-9][-a-z0-9]{0,31}$/;
/** `sizeof(sockaddr_un.sun_path)`, less the final zero. */
const MAX_SOCKET_PATH_BYTES = 107;
const OWNER_ONLY = 0o700;
const NOT_OWNERS = 0o077;

/** The folder in which all labs of a user are found: one folder each, named as the lab. */
export interface LabBase {
  readonly path: string;
}

/** What others need to know of a lab; `lab.json` in its folder. */
export interface LabRecord {
  readonly name: string;
  /** The process that starts the lab, and its start time: a number used again is another process. */
  readonly starterPid: number;
  readonly starterStart: string;
  /** Process 1 of the lab, as the machine numbers it; absent until the lab has begun. */
  readonly initPid?: number;
  /** `readlink /proc/PID/ns/mnt` of it. */
  readonly mountNamespace?: string;
}

/** Where the folder of labs is, by what the environment says. */
export interface BaseOptions {
  /** `XDG_RUNTIME_DIR`, if set: private to the user and gone at log-out. */
  readonly runtimeDirectory?: string | undefined;
  readonly temporaryDirectory: string;
  readonly uid: number;
}

/**
 * Finds the folder of labs; it need not be there. Throws LAB_STATE_UNSAFE if it belongs to somebody else or others may
 * write to it: in a shared temporary folder anybody could have made it first.
 */
export function locateLabBase(options: BaseOptions): LabBase {
  const { runtimeDirectory, temporaryDirectory, uid } = options;
  const path =
    runtimeDirectory !== undefined && runtimeDirectory !== '' && isDirectoryOf(runtimeDirectory, uid)
      ? join(runtimeDirectory, 'ambientmesh-lab')
      : join(temporaryDirectory, `ambientmesh-lab-${uid}`);
  checkOwned(path, uid);
  return { path };
}

/** Throws LAB_ARGUMENT_INVALID unless `name` can be a lab's. */
export function checkLabName(name: string): void {
  if (!LAB_NAME.test(name))
    throw new LabError('LAB_ARGUMENT_INVALID', `lab name ${JSON.stringify(name)}: want up to 32 of a-z, 0-9 and -`);
}

/** The folder of the lab `name`. */
export function labDirectory(base: LabBase, name: string): string {
  return join(base.path, name);
}

/** The control socket of the lab `name`. Throws LAB_STATE_UNSAFE where the path would be longer than the kernel takes. */
export function controlSocketPath(base: LabBase, name: string): string {
  const path = join(labDirectory(base, name), 'control.sock');
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    throw new LabError('LAB_STATE_UNSAFE', `${path}: too long for a socket (set TMPDIR to a shorter folder)`);
  return path;
}

/**
 * Takes the name for a new lab: makes its folder with a record of who starts it. What a dead lab of the name left is
 * removed. Throws LAB_ALREADY_RUNNING.
 */
export async function claimLab(base: LabBase, name: string): Promise<string> {
  checkLabName(name);
  controlSocketPath(base, name);
  const directory = labDirectory(base, name);
  for (;;) {
    try {
      mkdirSync(base.path, { recursive: true, mode: OWNER_ONLY });
      mkdirSync(directory, { mode: OWNER_ONLY });
      break;
    } catch (error) {
      // Somebody who ended the last lab has just removed the folder of labs.
      if (codeOf(error) === 'ENOENT') continue;
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    if (await isLabAlive(base, name))
      throw new LabError(
        'LAB_ALREADY_RUNNING',
        `lab ${name}: is running already (use it, or \`${LAB_COMMAND} down\`, or another --name)`,
      );
    removeLab(base, name);
  }
  writeRecord(base, { name, starterPid: process.pid, starterStart: startTimeOf(process.pid) ?? '' });
  return directory;
}

/** Removes the folder of a lab that has ended, and the folder of labs with the last. Idempotent. */
export function removeLab(base: LabBase, name: string): void {
  rmSync(labDirectory(base, name), { recursive: true, force: true });
  try {
    rmdirSync(base.path);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY'].includes(codeOf(error))) throw error;
  }
}

/** Removes what dead labs left and names those that live. */
export async function listLabs(base: LabBase): Promise<string[]> {
  const alive: string[] = [];
  const names = existsSync(base.path) ? readdirSync(base.path) : [];
  for (const name of names) {
    if (!LAB_NAME.test(name)) continue;
    if (await isLabAlive(base, name)) alive.push(name);
    else removeLab(base, name);
  }
  return alive;
}

/** Whether a lab answers, or its starter is still at work. */
export async function isLabAlive(base: LabBase, name: string): Promise<boolean> {
  if (await answers(controlSocketPath(base, name))) return true;
  const record = readRecord(base, name);
  if (record === undefined) return false;
  if (record.initPid !== undefined) return isInitAlive(record.initPid, record);
  return startTimeOf(record.starterPid) === record.starterStart;
}

/** Whether process `initPid` is still process 1 of the lab of `record`: a number used again is another process. */
export function isInitAlive(initPid: number, record: LabRecord): boolean {
  const mountNamespace = mountNamespaceOf(initPid);
  // A record of another version may lack the namespace: a process that has ended is not one that lacks it too.
  return mountNamespace !== undefined && mountNamespace === record.mountNamespace;
}

/** Writes `lab.json`. */
export function writeRecord(base: LabBase, record: LabRecord): void {
  writeFileSync(join(labDirectory(base, record.name), 'lab.json'), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** Reads `lab.json`; undefined if there is none or it is not whole. */
export function readRecord(base: LabBase, name: string): LabRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(labDirectory(base, name), 'lab.json'), 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The mount namespace of a process as `/proc` names it; undefined if it has ended (also if nobody has waited for it
 * yet: a zombie still has a PID namespace, but no mount namespace) or may not be looked at.
 */
export function mountNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

/** Start of process `pid` in clock ticks since boot (proc(5), field 22); undefined if it has ended. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name (field 2) may hold spaces and parentheses.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function isDirectoryOf(path: string, uid: number): boolean {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() && stat.uid === uid;
  } catch {
    return false;
  }
}

function isRecord(value: unknown): value is LabRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    'starterPid' in value &&
    typeof value.starterPid === 'number' &&
    'starterStart' in value &&
    typeof value.starterStart === 'string'
  );
}

function checkOwned(path: string, uid: number): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & NOT_OWNERS) !== 0)
    throw new LabError('LAB_STATE_UNSAFE', `${path}: want a folder of user ${uid} with mode 0700 (remove it)`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
