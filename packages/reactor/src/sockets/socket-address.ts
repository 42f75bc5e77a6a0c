import { isIPv4, isIPv6 } from 'node:net';
import type { SocketAddress } from '@ambientmesh/hbone';
import type { Arena } from '../memory/arena.ts';
import { AF_INET, AF_INET6 } from '../native/kernel-constants.ts';
import { SOCKADDR_IN, SOCKADDR_IN6 } from '../native/kernel-layout.ts';

/** Room for an address of either family. */
export const SOCKET_ADDRESS_BYTES = SOCKADDR_IN6.size;

const V4_BYTES = 4;
const V6_GROUPS = 8;
/** Groups of `::ffff:0:0/96` before the IPv4 address. RFC 4291 2.5.5.2 */
const MAPPED_GROUPS = 5;
const MOST_PORT = 0xffff;
/** What the kernel fills in for a socket that it knows nothing of. */
const NOWHERE: SocketAddress = { ip: '', port: 0 };

/** Texts of IPv4 addresses that are kept. */
const MOST_TEXTS = 1024;
const v4Texts = new Map<number, string>();

/**
 * The `struct sockaddr_in` or `sockaddr_in6` at `at`: RFC 5952 text, v4-mapped addresses as v4, without a zone. For another
 * family `ip` is empty.
 */
export function readSocketAddress(arena: Arena, at: number): SocketAddress {
  const { view } = arena;
  const family = view.getUint16(at + SOCKADDR_IN.family, true);
  if (family === AF_INET)
    return { ip: v4Text(view, at + SOCKADDR_IN.address), port: view.getUint16(at + SOCKADDR_IN.port) };
  if (family !== AF_INET6) return NOWHERE;
  const port = view.getUint16(at + SOCKADDR_IN6.port);
  const start = at + SOCKADDR_IN6.address;
  const groups = Array.from({ length: V6_GROUPS }, (_, index) => view.getUint16(start + 2 * index));
  if (isMapped(groups)) return { ip: v4Text(view, start + 2 * (MAPPED_GROUPS + 1)), port };
  return { ip: v6Text(groups), port };
}

/** Writes the `struct sockaddr_in` or `sockaddr_in6` that the text asks for; answers its length, 0 if it is no address. */
export function writeSocketAddress(arena: Arena, at: number, { ip, port }: SocketAddress): number {
  const { bytes, view } = arena;
  if (!Number.isInteger(port) || port < 0 || port > MOST_PORT) return 0;
  if (isIPv4(ip)) {
    bytes.fill(0, at, at + SOCKADDR_IN.size);
    view.setUint16(at + SOCKADDR_IN.family, AF_INET, true);
    view.setUint16(at + SOCKADDR_IN.port, port);
    putV4(bytes, at + SOCKADDR_IN.address, ip);
    return SOCKADDR_IN.size;
  }
  // A zone is of one host only; the addresses of pods have none.
  if (!isIPv6(ip) || ip.includes('%')) return 0;
  bytes.fill(0, at, at + SOCKADDR_IN6.size);
  view.setUint16(at + SOCKADDR_IN6.family, AF_INET6, true);
  view.setUint16(at + SOCKADDR_IN6.port, port);
  const [head = '', tail] = ip.split('::');
  putGroups(arena, at + SOCKADDR_IN6.address, head);
  if (tail !== undefined) putGroups(arena, at + SOCKADDR_IN6.address + 2 * (V6_GROUPS - groupCount(tail)), tail);
  return SOCKADDR_IN6.size;
}

/** The text of an address that came before is the same string: whoever looks it up in a map need not hash it again. */
function v4Text(view: DataView, at: number): string {
  const address = view.getUint32(at);
  let text = v4Texts.get(address);
  if (text !== undefined) return text;
  text = `${view.getUint8(at)}.${view.getUint8(at + 1)}.${view.getUint8(at + 2)}.${view.getUint8(at + 3)}`;
  if (v4Texts.size === MOST_TEXTS) v4Texts.clear();
  v4Texts.set(address, text);
  return text;
}

function putV4(bytes: Uint8Array, at: number, text: string): void {
  const parts = text.split('.');
  for (let index = 0; index < V4_BYTES; index++) bytes[at + index] = Number(parts[index]);
}

function isMapped(groups: readonly number[]): boolean {
  return groups[MAPPED_GROUPS] === 0xffff && groups.slice(0, MAPPED_GROUPS).every((group) => group === 0);
}

/** RFC 5952 4: lower case, no leading zeros, `::` for the longest run of zeros, of two at least, the first of equals. */
function v6Text(groups: readonly number[]): string {
  let [start, length] = [-1, 1];
  for (let from = 0; from < V6_GROUPS; from++) {
    let to = from;
    while (groups[to] === 0) to++;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const texts = groups.map((group) => group.toString(16));
  if (start < 0) return texts.join(':');
  return `${texts.slice(0, start).join(':')}::${texts.slice(start + length).join(':')}`;
}

/** Groups of two octets that a side of `::` stands for. */
function groupCount(side: string): number {
  if (side === '') return 0;
  return side.split(':').length + (side.includes('.') ? 1 : 0);
}

function putGroups(arena: Arena, at: number, side: string): void {
  if (side === '') return;
  let to = at;
  for (const part of side.split(':')) {
    if (part.includes('.')) putV4(arena.bytes, to, part);
    else arena.view.setUint16(to, Number.parseInt(part, 16));
    to += 2;
  }
}
