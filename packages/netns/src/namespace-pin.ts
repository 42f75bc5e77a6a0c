import { closeSync, fstatSync, mkdirSync, openSync, rmdirSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { NetnsError } from './errors.ts';
import { assertPath } from './file-path.ts';
import {
  CLONE_NEWNET,
  MNT_DETACH,
  MS_BIND,
  NS_GET_NSTYPE,
  O_CLOEXEC,
  O_NONBLOCK,
  UMOUNT_NOFOLLOW,
} from './kernel-constants.ts';
import { checked, native } from './native.ts';
import { fileCall, nodeError } from './node-error.ts';

/** As iproute2 makes it: nobody opens the file before the namespace is mounted on it. */
const PIN_FILE_MODE = 0;
const DIRECTORY_MODE = 0o755;

/** Mounts the namespace behind `fd` on a new file at `path`. Throws as `Namespace.pin` says. */
export function pinDescriptor(fd: number, path: string): void {
  assertPath(path);
  if (!path.includes('/'))
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `pin namespace at ${path}: want a path (is /run/netns/${path} meant?)`,
    );
  const operation = 'pin namespace at';
  const directory = dirname(path);
  const madeDirectory = makeDirectory(directory);
  try {
    fileCall({ operation, subject: path }, () => closeSync(openSync(path, 'wx', PIN_FILE_MODE)));
    try {
      checked(native().mount(`/proc/self/fd/${fd}`, path, null, MS_BIND, null), { operation: 'mount', subject: path });
    } catch (error) {
      unlinkSync(path);
      throw error;
    }
  } catch (error) {
    if (madeDirectory) removeIfEmpty(directory);
    throw error;
  }
}

/** Undoes `pinDescriptor`. Throws as `Namespace.unpin` says. */
export function removePin(path: string): void {
  assertPath(path);
  const operation = 'unpin namespace at';
  if (isMounted(path, operation)) {
    const subject = path;
    checked(native().umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW), { operation: 'unmount', subject });
  }
  // This detaches what is mounted on the file in other mount namespaces too (Linux 3.18 and later).
  fileCall({ operation, subject: path }, () => unlinkSync(path));
}

/** Whether a namespace is mounted at `path`; false for the empty file that a reboot or another mount namespace leaves. */
function isMounted(path: string, operation: string): boolean {
  const fd = checked(native().open(path, O_CLOEXEC | O_NONBLOCK), { operation, subject: path });
  try {
    if (native().ioctl(fd, NS_GET_NSTYPE, null) === CLONE_NEWNET) return true;
    const stat = fstatSync(fd);
    if (stat.isFile() && stat.size === 0) return false;
  } finally {
    native().close(fd);
  }
  throw new NetnsError(
    'NETNS_INVALID_ARGUMENT',
    `${operation} ${path}: it is no network namespace (is the path right?)`,
  );
}

function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, DIRECTORY_MODE);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw nodeError(error, { operation: 'make directory', subject: path });
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Somebody else has put something there by now: theirs to keep.
  }
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
