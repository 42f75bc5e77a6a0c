import { NetnsError } from '../../errors.ts';
import { AF_INET, AF_INET6 } from '../../kernel-constants.ts';
import { IN_ADDR_BYTES, IN6_ADDR_BYTES } from '../../kernel-structs.ts';

/** An IP version. */
export type IpFamily = 4 | 6;

/** An address as the kernel has it. */
export interface IpBytes {
  readonly family: IpFamily;
  /** Network order: 4 or 16 bytes. */
  readonly bytes: Buffer;
}

/** An address and how many of its leading bits count. */
export interface IpPrefix extends IpBytes {
  readonly length: number;
}

const GROUPS = 8;
const GROUP = /^[\da-f]{1,4}$/i;
const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const LENGTH = /^\d{1,3}$/;
const BITS_PER_BYTE = 8;
const MAPPED_GROUPS = '0,0,0,0,0,65535';

/** `AF_INET` or `AF_INET6`. Throws `NETNS_INVALID_ARGUMENT` for what is neither 4 nor 6. */
export function familyNumber(family: IpFamily): number {
  if (family !== 4 && family !== 6)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `family ${String(family)}: want 4 or 6`);
  return family === 4 ? AF_INET : AF_INET6;
}

/** The IP version of a family number, undefined for other families. */
export function ipFamilyOf(number: number): IpFamily | undefined {
  if (number === AF_INET) return 4;
  return number === AF_INET6 ? 6 : undefined;
}

/** Bytes of an address. */
export function addressBytes(family: IpFamily): number {
  return family === 4 ? IN_ADDR_BYTES : IN6_ADDR_BYTES;
}

/** Reads an IPv4 or IPv6 address without zone. Throws `NETNS_INVALID_ARGUMENT`. */
export function parseIp(text: string): IpBytes {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  const hint = text === 'default' ? ' (the default route is 0.0.0.0/0 or ::/0)' : '';
  if (bytes === undefined)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `${JSON.stringify(text)} is no IP address${hint}`);
  return { family: bytes.length === IN_ADDR_BYTES ? 4 : 6, bytes };
}

/** Reads an address of `family`; `name` is for the error. Throws `NETNS_INVALID_ARGUMENT`. */
export function parseIpOf(family: IpFamily, text: string, name: string): IpBytes {
  const ip = parseIp(text);
  if (ip.family !== family)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `${name} ${text} is of IPv${ip.family}, want IPv${family}`);
  return ip;
}

/** Reads `10.0.0.0/8` or `fd00::/8`; an address alone is the prefix of all its bits. Throws `NETNS_INVALID_ARGUMENT`. */
export function parsePrefix(text: string): IpPrefix {
  const [address = '', digits, ...more] = text.split('/');
  const ip = parseIp(address);
  const bits = ip.bytes.length * BITS_PER_BYTE;
  const length = digits === undefined ? bits : Number(digits);
  if (more.length > 0 || (digits !== undefined && !LENGTH.test(digits)) || length > bits)
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `${JSON.stringify(text)} is no IP prefix (want ADDRESS/0 to ${bits})`,
    );
  return { ...ip, length };
}

/** The text of 4 bytes (dotted) or 16 (RFC 5952). Throws `NETNS_MALFORMED` for any other number. */
export function renderIp(bytes: Buffer): string {
  if (bytes.length === IN_ADDR_BYTES) return bytes.join('.');
  if (bytes.length === IN6_ADDR_BYTES) return renderIpv6(bytes);
  throw new NetnsError('NETNS_MALFORMED', `address of ${bytes.length} bytes`);
}

/** `ADDRESS/LENGTH`; an absent address is that of all zeros. Throws `NETNS_MALFORMED`. */
export function renderPrefix(family: IpFamily, address: Buffer | undefined, length: number): string {
  const size = addressBytes(family);
  const bytes = address ?? Buffer.alloc(size);
  if (bytes.length !== size || length > size * BITS_PER_BYTE)
    throw new NetnsError('NETNS_MALFORMED', `IPv${family} prefix of ${bytes.length} bytes and ${length} bits`);
  return `${renderIp(bytes)}/${length}`;
}

function parseIpv4(text: string): Buffer | undefined {
  const parts = text.split('.');
  if (parts.length !== IN_ADDR_BYTES || !parts.every((part) => OCTET.test(part) && Number(part) <= 255))
    return undefined;
  return Buffer.from(parts.map(Number));
}

function parseIpv6(text: string): Buffer | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => parseGroups(half, index === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = GROUPS - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const bytes = Buffer.alloc(IN6_ADDR_BYTES);
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])];
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(group, index * 2);
  return bytes;
}

/** Groups between colons; the last may be a dotted IPv4 address. */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const dotted = isLast && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (dotted === undefined) return undefined;
    groups.push(dotted.readUInt16BE(0), dotted.readUInt16BE(2));
  }
  return groups.length > GROUPS ? undefined : groups;
}

function renderIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: GROUPS }, (_, index) => bytes.readUInt16BE(index * 2));
  // RFC 5952 5: the form everybody knows mapped addresses by.
  if (groups.slice(0, 6).join(',') === MAPPED_GROUPS) return `::ffff:${bytes.subarray(-IN_ADDR_BYTES).join('.')}`;
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  // RFC 5952 4.2.2: one group of zeros is not shortened.
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** RFC 5952 4.2.3: of equally long runs, the first. */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let run = 0;
  for (const [index, group] of groups.entries()) {
    run = group === 0 ? run + 1 : 0;
    if (run > best.length) best = { start: index - run + 1, length: run };
  }
  return best;
}
