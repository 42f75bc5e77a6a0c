import { NetnsError } from './errors.ts';
import { F_DUPFD_CLOEXEC, RLIMIT_NOFILE } from './kernel-constants.ts';
import { RLIMIT } from './kernel-structs.ts';
import { checked, native } from './native.ts';

/** `int` of C. */
const DESCRIPTOR_LIMIT = 2 ** 31;

/**
 * Closes a raw descriptor that this package made or handed over, and that nothing else owns by now.
 * @throws {NetnsError} `NETNS_SYSTEM_CALL` (EBADF) if it is not open, `NETNS_INVALID_ARGUMENT` if it is no number of 32 bits.
 */
export function closeDescriptor(fd: number): void {
  assertDescriptor(fd);
  // Not fs.closeSync: in a worker Node warns about descriptors it did not open itself.
  checked(native().close(fd), { operation: 'close', subject: `descriptor ${fd}` });
}

/**
 * A second descriptor for the same open file, closed on exec; the caller owns it.
 * @throws {NetnsError} `NETNS_SYSTEM_CALL` (EBADF, EMFILE), `NETNS_INVALID_ARGUMENT`.
 */
export function duplicate(fd: number): number {
  assertDescriptor(fd);
  return checked(native().fcntl(fd, F_DUPFD_CLOEXEC, 0), { operation: 'duplicate', subject: `descriptor ${fd}` });
}

/**
 * Refuses what the call into the C library would take for another descriptor: `undefined` and `NaN` for 0, 1.7 for 1. Whether it is
 * open is for the kernel to say.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` if it is no whole number of 32 bits.
 */
export function assertDescriptor(fd: unknown): asserts fd is number {
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < -DESCRIPTOR_LIMIT || fd >= DESCRIPTOR_LIMIT)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `descriptor ${String(fd)}: want a whole number of 32 bits`);
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
