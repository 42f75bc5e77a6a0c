import { IptablesError } from './errors.ts';
import { missing } from './missing-tool.ts';
import type { ToolPlace } from './tool-place.ts';

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
  '[ -d /proc/sys/net ] || exit 4; [ -d /proc/sys/net/ipv6/conf ] || exit 3; cd /proc/sys/net/ipv6/conf || exit 4; for i in */disable_ipv6; do v=; read -r v <"$i"; echo "$v ${i%/*}"; done; exit 0';

/** What the script above ends with where the kernel has no IPv6. */
const NO_IPV6_STATUS = 3;

/**
 * Asks the kernel from inside of the namespace. Throws what entering it throws, and `IPTABLES_SAVE_FAILED` if the answer
 * cannot be had: taking that for "no IPv6" would leave IPv6 traffic uncaptured.
 */
export async function readIpv6State(place: ToolPlace): Promise<Ipv6State> {
  const { shell } = place.tools;
  if (shell === undefined) throw missing('sh', 'dash');
  const { status, stdout, stderr } = await place.run([shell, '-c', LIST_DISABLED]);
  if (status !== 0 && status !== NO_IPV6_STATUS)
    throw new IptablesError(
      'IPTABLES_SAVE_FAILED',
      `read the IPv6 state of ${place.namespace.label}: status ${status}: ${stderr.trim() || 'no message'} (is /proc mounted?)`,
    );
  if (status === NO_IPV6_STATUS) return { usable: false, kernel: false, reason: 'the kernel has no IPv6' };
  const lines = stdout.trimEnd().split('\n');
  // What could not be read counts as switched on: skipping it would let traffic pass.
  if (lines.some((line) => !line.startsWith('1 ') && !line.endsWith(' lo')))
    return { usable: true, loopback: !lines.includes('1 lo') };
  return { usable: false, kernel: true, reason: 'IPv6 is disabled (net.ipv6.conf.*.disable_ipv6 is 1)' };
}
