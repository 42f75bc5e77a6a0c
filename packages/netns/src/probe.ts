import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import {
  AF_INET,
  AF_INET6,
  AF_PACKET,
  AF_UNIX,
  IPPROTO_IP,
  IPPROTO_IPV6,
  SO_ORIGINAL_DST,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from './kernel-constants.ts';
import { INT_BYTES } from './kernel-structs.ts';
import { receivePacket, sendPacket } from './message-packet.ts';
import { Namespace } from './namespace.ts';
import { checked, native, systemCallError } from './native.ts';
import { probeNetlinkWrite } from './probe-netlink.ts';
import { encodeSocketAddress, SOCKET_ADDRESS_BYTES } from './socket-address.ts';
import {
  bindToDevice,
  FREE_BIND,
  FREE_BIND_V6,
  MARK,
  REUSE_PORT,
  readOption,
  setOption,
  TRANSPARENT,
  TRANSPARENT_V6,
  V6_ONLY,
} from './socket-options.ts';

/** Whether something works here, or why it does not, in words for people. */
export type FeatureSupport = { readonly supported: true } | { readonly supported: false; readonly reason: string };

/** What each feature is tried with; throws if it does not work. */
const PROBES = {
  /** Entering network namespaces and coming back. */
  setns: probeSetns,
  /** Making network namespaces: `Namespace.create`. */
  createNamespace: probeCreateNamespace,
  /** `SO_MARK`. */
  mark: () => withSocket(AF_INET, SOCK_STREAM, (fd) => setOption(fd, MARK, PROBE_MARK)),
  /** Foreign addresses on IPv4 and dual-stack sockets: TPROXY, spoofed sources. */
  transparentV4: () => withSocket(AF_INET, SOCK_STREAM, (fd) => setOption(fd, TRANSPARENT, 1)),
  transparentV6: () => withSocket(AF_INET6, SOCK_STREAM, (fd) => setOption(fd, TRANSPARENT_V6, 1)),
  /** Binding addresses that no interface has. */
  freeBindV4: () => withSocket(AF_INET, SOCK_STREAM, (fd) => setOption(fd, FREE_BIND, 1)),
  freeBindV6: () => withSocket(AF_INET6, SOCK_STREAM, (fd) => setOption(fd, FREE_BIND_V6, 1)),
  /** Several listeners on a port. */
  reusePort: () => withSocket(AF_INET, SOCK_STREAM, (fd) => setOption(fd, REUSE_PORT, 1)),
  /** Sockets of one interface. */
  bindToDevice: () => withSocket(AF_INET, SOCK_STREAM, (fd) => bindToDevice(fd, LOOPBACK)),
  /** Original destinations of redirected connections. */
  originalDestinationV4: () => probeOriginalDestination(AF_INET, IPPROTO_IP),
  originalDestinationV6: () => probeOriginalDestination(AF_INET6, IPPROTO_IPV6),
  /** IPv6 in the kernel, and not switched off where the calling thread is. */
  ipv6: probeIpv6,
  /** One listener for both families. */
  dualStack: probeDualStack,
  /** UDP sockets. */
  udp: () => withSocket(AF_INET, SOCK_DGRAM, (fd) => bindTo(fd, '127.0.0.1')),
  /** SEQPACKET sockets that carry descriptors. */
  seqpacket: probeSeqpacket,
  /** `capturePackets`. */
  packetCapture: () => withSocket(AF_PACKET, SOCK_RAW, () => undefined),
  /** Changing links, addresses, routes and rules over rtnetlink. */
  rtnetlinkWrite: probeNetlinkWrite,
} as const satisfies Readonly<Record<string, () => void>>;

/** What `probe` tells of; new names may be added in a minor version. */
export type Feature = keyof typeof PROBES;

/** Any mark will do; this is the default of the reference proxy. */
const PROBE_MARK = 1337;
/** The interface that every namespace has. */
const LOOPBACK = 'lo';
const IPV6_SWITCH = '/proc/sys/net/ipv6/conf/all/disable_ipv6';

const { EAFNOSUPPORT, EMFILE, ENOPROTOOPT } = constants.errno;

/**
 * Tries, in the namespace the calling thread is in, what this package can do, and says for each feature whether this kernel and
 * this process have it, or why not. Nothing is changed and nothing stays open. Never throws, also not on other systems.
 */
export function probe(): Readonly<Record<Feature, FeatureSupport>> {
  return {
    setns: attempt('setns'),
    createNamespace: attempt('createNamespace'),
    mark: attempt('mark'),
    transparentV4: attempt('transparentV4'),
    transparentV6: attempt('transparentV6'),
    freeBindV4: attempt('freeBindV4'),
    freeBindV6: attempt('freeBindV6'),
    reusePort: attempt('reusePort'),
    bindToDevice: attempt('bindToDevice'),
    originalDestinationV4: attempt('originalDestinationV4'),
    originalDestinationV6: attempt('originalDestinationV6'),
    ipv6: attempt('ipv6'),
    dualStack: attempt('dualStack'),
    udp: attempt('udp'),
    seqpacket: attempt('seqpacket'),
    packetCapture: attempt('packetCapture'),
    rtnetlinkWrite: attempt('rtnetlinkWrite'),
  };
}

function attempt(feature: Feature): FeatureSupport {
  try {
    PROBES[feature]();
    return { supported: true };
  } catch (error) {
    return { supported: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

function probeSetns(): void {
  // Not `using`: Node 22 does not know it.
  const own = Namespace.current();
  try {
    own.run(() => undefined);
  } finally {
    own.close();
  }
}

function probeCreateNamespace(): void {
  // Making one may be allowed without coming back being so; that ends the process. So coming back is tried first.
  probeSetns();
  Namespace.create().close();
}

function probeOriginalDestination(family: number, level: number): void {
  withSocket(family, SOCK_STREAM, (fd) => {
    const bytes = Buffer.alloc(SOCKET_ADDRESS_BYTES);
    const length = Buffer.alloc(INT_BYTES);
    length.writeInt32LE(bytes.length);
    if (native().getsockopt(fd, level, SO_ORIGINAL_DST, bytes, length) === 0) return;
    const errno = native().errno();
    // Any other answer comes from connection tracking, which has of course never seen this socket.
    if (errno !== ENOPROTOOPT) return;
    const remedy = 'connection tracking is not loaded (nf_conntrack); the first nat or conntrack rule loads it';
    throw systemCallError({ operation: 'SO_ORIGINAL_DST', remedy }, errno);
  });
}

function probeIpv6(): void {
  withSocket(AF_INET6, SOCK_STREAM, () => undefined);
  let setting: string;
  try {
    setting = readFileSync(IPV6_SWITCH, 'utf8').trim();
  } catch {
    // No /proc to ask; the socket was made.
    return;
  }
  if (setting === '1') throw new NetnsError('NETNS_UNSUPPORTED', `IPv6 is disabled (${IPV6_SWITCH} is 1)`);
}

function probeDualStack(): void {
  withSocket(AF_INET6, SOCK_STREAM, (fd) => {
    setOption(fd, V6_ONLY, 0);
    bindTo(fd, '::');
    if (readOption(fd, V6_ONLY) !== 0) throw new NetnsError('NETNS_UNSUPPORTED', 'IPV6_V6ONLY stays on');
  });
}

function probeSeqpacket(): void {
  const pair = Buffer.alloc(2 * INT_BYTES);
  const kind = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
  checked(native().socketpair(AF_UNIX, kind, 0, pair), { operation: 'socketpair AF_UNIX SEQPACKET' });
  const [near, far] = [pair.readInt32LE(0), pair.readInt32LE(INT_BYTES)];
  try {
    if (!sendPacket(near, Buffer.from('x'), [near])) throw systemCallError({ operation: 'sendmsg' });
    const packet = receivePacket(far, 1);
    if (packet === undefined) throw systemCallError({ operation: 'recvmsg' });
    for (const fd of packet.fds) closeDescriptor(fd);
    // The receiving takes a third one.
    if (packet.fds.length === 0 && packet.truncated)
      throw systemCallError({ operation: 'receive a descriptor' }, EMFILE);
    if (packet.fds.length !== 1) throw new NetnsError('NETNS_UNSUPPORTED', 'a descriptor that was sent did not come');
  } finally {
    closeDescriptor(near);
    closeDescriptor(far);
  }
}

function bindTo(fd: number, ip: string): void {
  const address = encodeSocketAddress({ ip, port: 0 });
  checked(native().bind(fd, address, address.length), { operation: 'bind', address: ip });
}

function withSocket(family: number, kind: number, action: (fd: number) => void): void {
  const fd = native().socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    const errno = native().errno();
    const noIpv6 = family === AF_INET6 && errno === EAFNOSUPPORT;
    throw systemCallError(
      {
        operation: family === AF_PACKET ? 'socket AF_PACKET' : 'socket',
        ...(noIpv6 ? { subject: 'of IPv6', remedy: 'the kernel was built or started without IPv6' } : {}),
      },
      errno,
    );
  }
  try {
    action(fd);
  } finally {
    closeDescriptor(fd);
  }
}
