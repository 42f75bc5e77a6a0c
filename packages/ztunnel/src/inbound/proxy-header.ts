import { isIPv4 } from 'node:net';
import type { SocketAddress } from '@ambientmesh/hbone';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const VERSION_2_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
const UNSPECIFIED = 0x01;
/** TLV type of the client's SPIFFE id (spec hbone.md §4.3). */
const TLV_IDENTITY = 0xd0;

/** The PROXY protocol v2 header for an application that asked for it: addresses, and the client's identity if it has one. */
export function encodeProxyHeader(source: SocketAddress, target: SocketAddress, identity: string): Buffer {
  const four = isIPv4(source.ip);
  const sameFamily = four === isIPv4(target.ip);
  const addresses = sameFamily
    ? Buffer.concat([addressBytes(source.ip), addressBytes(target.ip), portBytes(source.port), portBytes(target.port)])
    : Buffer.alloc(0);
  const family = sameFamily ? (four ? TCP4 : TCP6) : UNSPECIFIED;
  const name = Buffer.from(identity);
  const tlv = identity === '' ? name : Buffer.concat([Buffer.from([TLV_IDENTITY]), portBytes(name.length), name]);
  return Buffer.concat([
    SIGNATURE,
    Buffer.from([VERSION_2_PROXY, family]),
    portBytes(addresses.length + tlv.length),
    addresses,
    tlv,
  ]);
}

function portBytes(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function addressBytes(ip: string): Buffer {
  if (isIPv4(ip)) return Buffer.from(ip.split('.').map(Number));
  const [head = '', tail] = ip.split('::');
  const [before, after] = [words(head), words(tail ?? '')];
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0');
  const bytes = Buffer.alloc(16);
  for (const [index, word] of [...before, ...zeros, ...after].entries())
    bytes.writeUInt16BE(Number.parseInt(word, 16), index * 2);
  return bytes;
}

function words(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
