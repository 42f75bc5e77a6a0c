import { SocketAddress } from 'node:net';

/** Text of an address of 4 or 16 bytes in network order, IPv6 as RFC 5952 wants it. */
export function renderIpBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const hex = Buffer.from(bytes).toString('hex');
  return new SocketAddress({ family: 'ipv6', address: (hex.match(/.{4}/g) ?? []).join(':') }).address;
}
