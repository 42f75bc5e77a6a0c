import type { Workplace } from './workplace.ts';

/** Whether IPv6 can carry traffic in a namespace. */
export type Ipv6State =
  | {
      readonly usable: true /** False when `lo` has IPv6 disabled: it takes no routes then. */;
      readonly loopback: boolean;
    }
  | {
      readonly usable: false;
      /** Whether the kernel has IPv6 at all, only switched off. */
      readonly kernel: boolean;
      /** Why, for people. */
      readonly reason: string;
    };

/**
 * Reads the sysctls of every interface. One interface with IPv6 left on makes it usable: traffic there would otherwise
 * pass uncaptured. The status of `read` says nothing: byte by byte, a sysctl ends without a line break.
 */
const LIST_DISABLED =
  'cd /proc/sys/net/ipv6/conf || exit 3; for i in */disable_ipv6; do v=; read -r v <"$i"; echo "$v ${i%/*}"; done; exit 0';

/** Asks the kernel from inside of the namespace. Throws what entering it throws. */
export async function readIpv6State(place: Workplace): Promise<Ipv6State> {
  const { status, stdout } = await place.run([place.tools.shell, '-c', LIST_DISABLED]);
  if (status !== 0) return { usable: false, kernel: false, reason: 'the kernel has no IPv6' };
  const lines = stdout.trimEnd().split('\n');
  // What could not be read counts as switched on: skipping it would let traffic pass.
  if (lines.some((line) => !line.startsWith('1 ') && !line.endsWith(' lo')))
    return { usable: true, loopback: !lines.includes('1 lo') };
  return { usable: false, kernel: true, reason: 'IPv6 is disabled (net.ipv6.conf.*.disable_ipv6 is 1)' };
}
