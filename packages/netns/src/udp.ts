import { closeDescriptor } from './descriptors.ts';
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from './kernel-constants.ts';
import { localPort, REUSE_ADDRESS } from './listening-socket.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import { encodeSocketAddress, ipFamily, renderAddress } from './socket-address.ts';
import { MARK, REUSE_PORT, setOption } from './socket-options.ts';

/** Where to receive datagrams and how. */
export interface ListenUdpOptions {
  readonly ip: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Firewall mark of what is sent; none by default. Needs CAP_NET_ADMIN. */
  readonly mark?: number;
  /** Several sockets of one user may share the port (`SO_REUSEPORT`); true by default. */
  readonly reusePort?: boolean;
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
}

/**
 * A bound UDP socket in `namespace`, for `dgram.createSocket(…).bind({ fd })`; call `restrictAddressReuse` after that.
 * Nothing is left open when it throws.
 * @throws {NetnsError} `NETNS_ADDRESS_IN_USE`, `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT`, `NETNS_SYSTEM_CALL`.
 */
export function listenUdp(namespace: Namespace, options: ListenUdpOptions): BoundUdpSocket {
  const { ip, port, mark, reusePort = true } = options;
  const namespaceId = namespace.id.inode;
  const address = encodeSocketAddress({ ip, port });
  const fd = makeSocket(namespace, ipFamily(ip), mark);
  try {
    if (reusePort) setOption(fd, REUSE_PORT, 1, namespaceId);
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
 * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN, CAP_NET_ADMIN), `NETNS_SYSTEM_CALL`.
 */
export function openUdp(namespace: Namespace, { family, mark }: OpenUdpOptions): { readonly fd: number } {
  return { fd: makeSocket(namespace, family, mark) };
}

/**
 * Takes `SO_REUSEADDR` off a socket. Node sets it on every UDP socket it adopts, and while two sockets have it, the later
 * one may bind the same address and gets the datagrams.
 * @throws {NetnsError} `NETNS_SYSTEM_CALL` if `fd` is no socket.
 */
export function restrictAddressReuse(fd: number): void {
  setOption(fd, REUSE_ADDRESS, 0);
}

function makeSocket(namespace: Namespace, family: 4 | 6, mark: number | undefined): number {
  const namespaceId = namespace.id.inode;
  const kind = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = namespace.run(() =>
    checked(native().socket(family === 4 ? AF_INET : AF_INET6, kind, 0), { operation: 'socket', namespaceId }),
  );
  try {
    if (mark !== undefined) setOption(fd, MARK, mark, namespaceId);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}
