import { NetnsError } from './errors.ts';

/**
 * Refuses a path that the kernel would read only up to its first zero byte, which may be another file.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT`.
 */
export function assertPath(path: string): void {
  if (path.includes('\0'))
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `path ${JSON.stringify(path)}: want one without zero bytes`);
}
