import { F_DUPFD_CLOEXEC, RLIMIT_NOFILE } from './kernel-constants.ts';
import { RLIMIT } from './kernel-structs.ts';
import { checked, native } from './native.ts';

/**
 * Closes a raw descriptor that this package made or handed over, and that nothing else owns by now.
 * @throws {NetnsError} `NETNS_SYSTEM_CALL` (EBADF) if it is not open.
 */
export function closeDescriptor(fd: number): void {
  // Not fs.closeSync: in a worker Node warns about descriptors it did not open itself.
  checked(native().close(fd), { operation: 'close', subject: `descriptor ${fd}` });
}

/**
 * A second descriptor for the same open file, closed on exec; the caller owns it.
 * @throws {NetnsError} `NETNS_SYSTEM_CALL` (EBADF, EMFILE).
 */
export function duplicate(fd: number): number {
  return checked(native().fcntl(fd, F_DUPFD_CLOEXEC, 0), { operation: 'duplicate', subject: `descriptor ${fd}` });
}

/** Limits of open files of this process, both in descriptors. */
export interface FileLimit {
  readonly soft: number;
  readonly hard: number;
}

/**
 * Raises the soft limit of open files to the hard one, which needs no privilege; returns the limits now in force.
 * @throws {NetnsError} `NETNS_SYSTEM_CALL` if the kernel refuses.
 */
export function raiseFileLimit(): FileLimit {
  const c = native();
  const limit = Buffer.alloc(RLIMIT.size);
  checked(c.getrlimit(RLIMIT_NOFILE, limit), { operation: 'getrlimit', subject: 'RLIMIT_NOFILE' });
  const hard = limit.readBigUInt64LE(RLIMIT.hard);
  if (limit.readBigUInt64LE(RLIMIT.soft) !== hard) {
    limit.writeBigUInt64LE(hard, RLIMIT.soft);
    checked(c.setrlimit(RLIMIT_NOFILE, limit), { operation: 'setrlimit', subject: `RLIMIT_NOFILE to ${hard}` });
  }
  return { soft: Number(hard), hard: Number(hard) };
}
