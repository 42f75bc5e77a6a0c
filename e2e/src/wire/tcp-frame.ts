/** One TCP segment as it was on the wire. */
export interface TcpSegment {
  /** `ADDRESS:PORT`, IPv6 in brackets. */
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly syn: boolean;
  readonly payload: Buffer;
}

const ETHERNET_BYTES = 14;
const TYPE_IPV4 = 0x0800;
const TYPE_IPV6 = 0x86dd;
const PROTOCOL_TCP = 6;
const IPV6_HEADER_BYTES = 40;
const FLAG_SYN = 0x02;

/** Reads an Ethernet frame; undefined unless it is TCP over IPv4 or IPv6. */
export function decodeTcpFrame(frame: Buffer): TcpSegment | undefined {
  const type = frame.readUInt16BE(12);
  const packet = frame.subarray(ETHERNET_BYTES);
  if (type === TYPE_IPV4 && packet[9] === PROTOCOL_TCP) {
    const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
    const segment = packet.subarray(headerBytes, packet.readUInt16BE(2));
    return decodeSegment(segment, [...packet.subarray(12, 16)].join('.'), [...packet.subarray(16, 20)].join('.'));
  }
  if (type === TYPE_IPV6 && packet[6] === PROTOCOL_TCP) {
    const segment = packet.subarray(IPV6_HEADER_BYTES, IPV6_HEADER_BYTES + packet.readUInt16BE(4));
    return decodeSegment(segment, renderIpv6(packet.subarray(8, 24)), renderIpv6(packet.subarray(24, 40)));
  }
  return undefined;
}

function decodeSegment(segment: Buffer, sourceIp: string, destinationIp: string): TcpSegment {
  const sourcePort = segment.readUInt16BE(0);
  const destinationPort = segment.readUInt16BE(2);
  return {
    source: `${sourceIp}:${sourcePort}`,
    destination: `${destinationIp}:${destinationPort}`,
    sourcePort,
    destinationPort,
    sequence: segment.readUInt32BE(4),
    syn: ((segment[13] ?? 0) & FLAG_SYN) !== 0,
    payload: segment.subarray(((segment[12] ?? 0) >> 4) * 4),
  };
}

function renderIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  // The URL parser writes IPv6 addresses in their shortest form, in brackets.
  return new URL(`http://[${groups.join(':')}]`).hostname;
}
