import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { assertDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { IPPROTO_IP, IPPROTO_IPV6, SO_ORIGINAL_DST } from './kernel-constants.ts';
import { INT_BYTES, SOCKADDR_IN, SOCKADDR_IN6 } from './kernel-structs.ts';
import { native, systemCallError } from './native.ts';
import {
  canonicalIp,
  decodeSocketAddress,
  ipFamily,
  SOCKET_ADDRESS_BYTES,
  type SocketAddress,
} from './socket-address.ts';
import { descriptorOf } from './socket-descriptor.ts';

const { ENOENT, ENOPROTOOPT } = constants.errno;
/** Connection tracking does not know the connection, or the kernel (the namespace, so far) has none. */
const REMEMBERS_NOTHING: readonly number[] = [ENOENT, ENOPROTOOPT];

/** What the kernel answers to the call in progress. */
const ANSWER = Buffer.alloc(SOCKET_ADDRESS_BYTES);
const ANSWER_LENGTH = Buffer.alloc(INT_BYTES);

/**
 * Where a captured connection, accepted by a server of `node:net`, was going; see below.
 * @throws {NetnsError} `NETNS_CLOSED` if the connection has ended meanwhile, `NETNS_SYSTEM_CALL`, `NETNS_UNSUPPORTED`.
 */
export function originalDestination(socket: Socket): SocketAddress;
/**
 * Where a captured connection was going: for REDIRECT what connection tracking remembers (`SO_ORIGINAL_DST`), for TPROXY
 * the accepted socket's `local` address, which is also the answer when the kernel remembers nothing. IPv4 in IPv6 is
 * returned as IPv4. `fd` is an accepted TCP socket and stays the caller's.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` if `local` is no address, `NETNS_SYSTEM_CALL` if `fd` is not open (EBADF) or no
 * socket of TCP (ENOTSOCK, EOPNOTSUPP), `NETNS_UNSUPPORTED`.
 */
export function originalDestination(fd: number, local: SocketAddress): SocketAddress;
export function originalDestination(accepted: Socket | number, local?: SocketAddress): SocketAddress {
  if (typeof accepted !== 'object') return readOriginal(accepted, local ?? { ip: '', port: 0 });
  const fd = descriptorOf(accepted);
  const { localAddress: ip, localPort: port } = accepted;
  if (fd === undefined || ip === undefined || port === undefined)
    throw new NetnsError('NETNS_CLOSED', 'original destination of a closed connection');
  return readOriginal(fd, { ip, port });
}

function readOriginal(fd: number, local: SocketAddress): SocketAddress {
  assertDescriptor(fd);
  const ip = canonicalIp(local.ip);
  // The IPv4 option answers for dual-stack sockets as well; asked about a real IPv6 connection it looks up a meaningless tuple.
  const level = ipFamily(ip) === 4 ? IPPROTO_IP : IPPROTO_IPV6;
  ANSWER_LENGTH.writeInt32LE(level === IPPROTO_IP ? SOCKADDR_IN.size : SOCKADDR_IN6.size);
  if (native().getsockopt(fd, level, SO_ORIGINAL_DST, ANSWER, ANSWER_LENGTH) >= 0) return decodeSocketAddress(ANSWER);
  const errno = native().errno();
  if (REMEMBERS_NOTHING.includes(errno)) return { ip, port: local.port };
  throw systemCallError({ operation: 'SO_ORIGINAL_DST', subject: `of descriptor ${fd}` }, errno);
}
