import { isIPv4, isIPv6 } from 'node:net';
import { NetnsError } from './errors.ts';
import { AF_INET, AF_INET6 } from './kernel-constants.ts';
import { IN6_ADDR_BYTES, SOCKADDR_IN, SOCKADDR_IN6 } from './kernel-structs.ts';
import { native } from './native.ts';

/** An IP address and a port. */
export interface SocketAddress {
  /** Text form; IPv6 without brackets. */
  readonly ip: string;
  readonly port: number;
}

/** Enough for `struct sockaddr_in6` and `struct sockaddr_ll`. */
export const SOCKET_ADDRESS_BYTES = 32;

const MAPPED_DOTTED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const MAPPED_HEX = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/i;

/** `::ffff:1.2.3.4`, the form an IPv4 peer has on a dual-stack socket, as `1.2.3.4`; any other text unchanged. */
export function canonicalIp(text: string): string {
  const dotted = MAPPED_DOTTED.exec(text)?.[1];
  if (dotted !== undefined) return dotted;
  const hex = MAPPED_HEX.exec(text);
  if (hex === null) return text;
  const [high, low] = [Number.parseInt(hex[1] ?? '', 16), Number.parseInt(hex[2] ?? '', 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function renderAddress({ ip, port }: SocketAddress): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/**
 * `struct sockaddr_in` or `struct sockaddr_in6`, as the text of `ip` asks for. Zone ids (`%eth0`) are not supported.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` if `ip` is no address or `port` no port.
 */
export function encodeSocketAddress({ ip, port }: SocketAddress): Buffer {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `port ${port} is not between 0 and 65535`);
  const family = ipFamily(ip);
  const layout = family === 4 ? SOCKADDR_IN : SOCKADDR_IN6;
  const bytes = Buffer.alloc(layout.size);
  bytes.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, layout.family);
  bytes.writeUInt16BE(port, layout.port);
  const address = bytes.subarray(layout.address);
  if (native().inetPton(family === 4 ? AF_INET : AF_INET6, ip, address) !== 1)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `${ip} is not an IP address (zone ids are not supported)`);
  return bytes;
}

/** Reads `struct sockaddr_in` or `struct sockaddr_in6`; v4-mapped addresses become IPv4. */
export function decodeSocketAddress(bytes: Buffer): SocketAddress {
  if (bytes.readUInt16LE(SOCKADDR_IN.family) === AF_INET)
    return {
      ip: renderIpv4(bytes, SOCKADDR_IN.address),
      port: bytes.readUInt16BE(SOCKADDR_IN.port),
    };
  return {
    ip: renderIpv6(bytes.subarray(SOCKADDR_IN6.address, SOCKADDR_IN6.address + IN6_ADDR_BYTES)),
    port: bytes.readUInt16BE(SOCKADDR_IN6.port),
  };
}

/**
 * 4 or 6.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` if `ip` is no IP address.
 */
export function ipFamily(ip: string): 4 | 6 {
  if (isIPv4(ip)) return 4;
  if (isIPv6(ip)) return 6;
  throw new NetnsError('NETNS_INVALID_ARGUMENT', `${JSON.stringify(ip)} is not an IP address`);
}

/** Not by `join`, which takes ten times as long. */
function renderIpv4(bytes: Buffer, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** RFC 5952 text of 16 bytes. */
function renderIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  // The URL parser shortens an address as RFC 5952 wants; it always answers in brackets.
  return canonicalIp(new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1));
}
