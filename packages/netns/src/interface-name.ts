import { NetnsError } from './errors.ts';
import { INTERFACE_NAME_BYTES } from './kernel-structs.ts';

/**
 * An interface name for the kernel, which cuts longer ones off and would then find another interface.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` if it cannot be the name of one.
 */
export function encodeInterfaceName(name: string): Buffer {
  const text = Buffer.from(name);
  if (text.length === 0 || text.length >= INTERFACE_NAME_BYTES || /[/\s\0]/.test(name))
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `${JSON.stringify(name)} is no interface name (want 1 to ${INTERFACE_NAME_BYTES - 1} bytes, without spaces and slashes)`,
    );
  return text;
}
