import { closeDescriptor } from './descriptors.ts';
import { SOCK_DGRAM } from './kernel-constants.ts';
import { localPort, setScope } from './listening-socket.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import { encodeSocketAddress, ipFamily, renderAddress } from './socket-address.ts';
import { makeSocket } from './socket-descriptor.ts';
import { bindToDevice, MARK, REUSE_ADDRESS, REUSE_PORT, setOption, TRANSPARENT } from './socket-options.ts';

/** Where to receive datagrams and how. */
export interface ListenUdpOptions {
  /** `::` receives IPv4 as well, unless `v6Only` is set. */
  readonly ip: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Firewall mark of what is sent; none by default. Needs CAP_NET_ADMIN. */
  readonly mark?: number;
  /** Several sockets of one user may share the port (`SO_REUSEPORT`); true by default. */
  readonly reusePort?: boolean;
  /** Send from, and receive for, addresses that are not the namespace's (`IP_TRANSPARENT`); false by default. Needs CAP_NET_ADMIN. */
  readonly transparent?: boolean;
  /** Refuse IPv4 on an IPv6 address; false by default. */
  readonly v6Only?: boolean;
  /** Bind an address that no interface has, or none yet (`IP_FREEBIND`); false by default. */
  readonly freeBind?: boolean;
  /** Name of the interface that datagrams must come in by and leave by; any by default. */
  readonly device?: string;
}

/** A bound UDP socket made in a namespace. */
export interface BoundUdpSocket {
  /** Non-blocking, closed on exec, owned by the caller. */
  readonly fd: number;
  readonly port: number;
}

/** How datagrams are sent. */
export interface OpenUdpOptions {
  /** Family of the addresses that will be sent to. */
  readonly family: 4 | 6;
  /** Firewall mark; none by default. Needs CAP_NET_ADMIN. */
  readonly mark?: number;
  /** Name of the interface to leave by; the routes choose by default. */
  readonly device?: string;
}

/**
 * A bound UDP socket in `namespace`, for `dgram.createSocket(…).bind({ fd })`; call `restrictAddressReuse` after that.
 * Nothing is left open when it throws.
 * @throws {NetnsError} `NETNS_ADDRESS_IN_USE`, `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT`, `NETNS_CLOSED` (the namespace),
 * `NETNS_SYSTEM_CALL`.
 */
export function listenUdp(namespace: Namespace, options: ListenUdpOptions): BoundUdpSocket {
  const { ip, port, reusePort = true, transparent = false } = options;
  const namespaceId = namespace.id.inode;
  const address = encodeSocketAddress({ ip, port });
  const fd = openSocket(namespace, ipFamily(ip), options.mark);
  try {
    setScope(fd, options, namespaceId);
    if (reusePort) setOption(fd, REUSE_PORT, 1, namespaceId);
    if (transparent) setOption(fd, TRANSPARENT, 1, namespaceId);
    const about = { operation: 'bind', address: renderAddress({ ip, port }), namespaceId };
    checked(native().bind(fd, address, address.length), about);
    return { fd, port: localPort(fd) };
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/**
 * An unbound UDP socket in `namespace`, for `dgram.createSocket(…).bind({ fd })` and then `connect`.
 * Nothing is left open when it throws.
 * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN, CAP_NET_ADMIN), `NETNS_INVALID_ARGUMENT`, `NETNS_CLOSED` (the
 * namespace), `NETNS_SYSTEM_CALL`.
 */
export function openUdp(namespace: Namespace, { family, mark, device }: OpenUdpOptions): { readonly fd: number } {
  const fd = openSocket(namespace, family, mark);
  try {
    if (device !== undefined) bindToDevice(fd, device, namespace.id.inode);
    return { fd };
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/**
 * Takes `SO_REUSEADDR` off a socket. Node sets it on every UDP socket it adopts, and while two sockets have it, the later
 * one may bind the same address and gets the datagrams.
 * @throws {NetnsError} `NETNS_SYSTEM_CALL` if `fd` is no socket.
 */
export function restrictAddressReuse(fd: number): void {
  setOption(fd, REUSE_ADDRESS, 0);
}

function openSocket(namespace: Namespace, family: 4 | 6, mark: number | undefined): number {
  const fd = makeSocket(namespace, family, SOCK_DGRAM);
  try {
    if (mark !== undefined) setOption(fd, MARK, mark, namespace.id.inode);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}
