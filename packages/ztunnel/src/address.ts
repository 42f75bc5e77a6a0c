import { isIP } from 'node:net';
import type { SocketAddress } from '@ambientmesh/hbone';

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function formatAddress({ ip, port }: SocketAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

const AUTHORITY = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]@/?#\s]+)):(\d{1,5})$/;

/** The parts of a CONNECT authority: `ip:port`, `[ipv6]:port` or `hostname:port`; undefined when it is none of them. */
export function parseAuthority(text: string): { host: string; port: number; isAddress: boolean } | undefined {
  const match = AUTHORITY.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) return undefined;
  const isAddress = isIP(host) !== 0;
  if (match?.[1] !== undefined && !isAddress) return undefined;
  return { host: isAddress ? canonicalAddress(host) : host, port, isAddress };
}

/** IPv6 in its shortest lower-case form, as sockets print it, so that equal addresses are equal texts. */
export function canonicalAddress(ip: string): string {
  if (!ip.includes(':')) return ip;
  const short = new URL(`http://[${ip}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (mapped?.[1] === undefined || mapped[2] === undefined) return short;
  const [high, low] = [Number.parseInt(mapped[1], 16), Number.parseInt(mapped[2], 16)];
  return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
