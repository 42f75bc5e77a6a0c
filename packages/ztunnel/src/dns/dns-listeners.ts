import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { closeDescriptor, listenTcp, listenUdp, type Namespace, restrictAddressReuse } from '@ambientmesh/netns';

/** Connections the kernel holds until they are accepted, as the other listeners of a pod have it. */
const BACKLOG = 128;
const LOOPBACK_IPV6_SWITCH = '/proc/sys/net/ipv6/conf/lo/disable_ipv6';

/** Bound sockets on which a pod's queries come in. */
export interface DnsListeners {
  readonly udp: readonly UdpSocket[];
  /** Listening, with half-open connections allowed. */
  readonly tcp: readonly Server[];
}

export interface DnsListenerOptions {
  readonly port: number;
  readonly mark: number;
  readonly reusePort: boolean;
  /** Whether IPv6 is on at all; the pod may have it off all the same. */
  readonly ipv6: boolean;
  warn(message: string): void;
}

/**
 * UDP and TCP on the loopback addresses of a pod (spec zds.md §9.4): 127.0.0.1, and ::1 where there is one. What was bound
 * is closed again when it throws.
 * @throws {NetnsError} `NETNS_ADDRESS_IN_USE`, `NETNS_PERMISSION`, `NETNS_SYSTEM_CALL`.
 */
export function listenDns(namespace: Namespace, options: DnsListenerOptions): DnsListeners {
  const { port, mark, reusePort } = options;
  const addresses = hasLoopbackIpv6(namespace, options) ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
  const tcp: number[] = [];
  const udp: number[] = [];
  try {
    for (const ip of addresses) {
      tcp.push(listenTcp(namespace, { ip, port, mark, reusePort, backlog: BACKLOG, transparent: 'off' }).fd);
      udp.push(listenUdp(namespace, { ip, port, mark, reusePort }).fd);
    }
  } catch (error) {
    for (const fd of [...tcp, ...udp]) closeDescriptor(fd);
    throw error;
  }
  return {
    tcp: tcp.map((fd) => createServer({ allowHalfOpen: true, pauseOnConnect: false }).listen({ fd }, BACKLOG)),
    udp: udp.map((fd, index) => adoptUdp(fd, addresses[index] === '::1')),
  };
}

/** Whether the pod has ::1. Off without IPv6 in the configuration; a switch that cannot be read is taken to be on. */
function hasLoopbackIpv6(namespace: Namespace, options: DnsListenerOptions): boolean {
  if (!options.ipv6) return false;
  try {
    // Below /proc/sys/net a thread sees the settings of the namespace that it is in.
    return namespace.run(() => readFileSync(LOOPBACK_IPV6_SWITCH, 'latin1')).trim() !== '1';
  } catch (error) {
    options.warn(`failed to determine if IPv6 was disabled; continuing anyways, but this may fail: ${String(error)}`);
    return true;
  }
}

function adoptUdp(fd: number, isIpv6: boolean): UdpSocket {
  const socket = createSocket({ type: isIpv6 ? 'udp6' : 'udp4' });
  socket.bind({ fd });
  // libuv sets SO_REUSEADDR on what it adopts; with it, any process of the pod could bind the port too and get the queries.
  restrictAddressReuse(fd);
  return socket;
}
