import { renderIpBytes } from './ip-address.ts';

/** Ethernet type numbers, IEEE 802. */
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const ETHERNET_HEADER_BYTES = 14;
const IPV4_MIN_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const TCP_MIN_HEADER_BYTES = 20;
/** IANA protocol numbers. */
const PROTOCOL_TCP = 6;
const FRAGMENT_OFFSET_MASK = 0x1fff;

/** One end of a TCP connection. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A TCP segment as it was on a wire. */
export interface TcpSegment {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly sequence: number;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  /** A view into the frame. */
  readonly payload: Uint8Array;
}

/** The TCP segment in an Ethernet frame (IPv4, or IPv6 without extension headers); undefined for anything else or a cut one. */
export function decodeTcpFrame(frame: Uint8Array): TcpSegment | undefined {
  const view = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.length < ETHERNET_HEADER_BYTES) return undefined;
  const packet = view.subarray(ETHERNET_HEADER_BYTES);
  const type = view.readUInt16BE(12);
  if (type === ETHERTYPE_IPV4) return decodeIpv4(packet);
  if (type === ETHERTYPE_IPV6) return decodeIpv6(packet);
  return undefined;
}

/** `ADDRESS:PORT`, brackets around IPv6. */
export function renderEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function decodeIpv4(packet: Buffer): TcpSegment | undefined {
  if (packet.length < IPV4_MIN_HEADER_BYTES || packet.readUInt8(9) !== PROTOCOL_TCP) return undefined;
  const headerBytes = (packet.readUInt8(0) & 0x0f) * 4;
  const totalBytes = packet.readUInt16BE(2);
  // Only a first fragment has the ports; the lab's cables never fragment.
  if ((packet.readUInt16BE(6) & FRAGMENT_OFFSET_MASK) !== 0 || totalBytes < headerBytes) return undefined;
  // The rest is padding to the shortest Ethernet frame.
  const tcp = packet.subarray(headerBytes, totalBytes);
  return decodeTcp(tcp, renderIpBytes(packet.subarray(12, 16)), renderIpBytes(packet.subarray(16, 20)));
}

function decodeIpv6(packet: Buffer): TcpSegment | undefined {
  if (packet.length < IPV6_HEADER_BYTES || packet.readUInt8(6) !== PROTOCOL_TCP) return undefined;
  const tcp = packet.subarray(IPV6_HEADER_BYTES, IPV6_HEADER_BYTES + packet.readUInt16BE(4));
  return decodeTcp(tcp, renderIpBytes(packet.subarray(8, 24)), renderIpBytes(packet.subarray(24, 40)));
}

function decodeTcp(tcp: Buffer, source: string, destination: string): TcpSegment | undefined {
  if (tcp.length < TCP_MIN_HEADER_BYTES) return undefined;
  const headerBytes = (tcp.readUInt8(12) >> 4) * 4;
  if (headerBytes < TCP_MIN_HEADER_BYTES || headerBytes > tcp.length) return undefined;
  const flags = tcp.readUInt8(13);
  return {
    source: { address: source, port: tcp.readUInt16BE(0) },
    destination: { address: destination, port: tcp.readUInt16BE(2) },
    sequence: tcp.readUInt32BE(4),
    fin: (flags & 0x01) !== 0,
    syn: (flags & 0x02) !== 0,
    rst: (flags & 0x04) !== 0,
    payload: tcp.subarray(headerBytes),
  };
}
