import { NetnsError } from '../../errors.ts';
import { decodeAttributes, encodeAttribute, encodeNumber, readNumber } from './attribute.ts';
import {
  familyNumber,
  type IpFamily,
  ipFamilyOf,
  parseIpOf,
  parsePrefix,
  renderIp,
  renderPrefix,
} from './ip-prefix.ts';
import { nameOf, numberOf, SCOPE_NUMBERS, type Scope } from './named-number.ts';
import {
  IFA_ADDRESS,
  IFA_BROADCAST,
  IFA_F_DADFAILED,
  IFA_F_NODAD,
  IFA_F_PERMANENT,
  IFA_F_TENTATIVE,
  IFA_FLAGS,
  IFA_LOCAL,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from './netlink-constants.ts';
import { checkedHeader, type NetlinkRequest } from './netlink-message.ts';
import { IFADDRMSG } from './route-structs.ts';

/** What an interface's address has beside its interface. */
interface AddressFields {
  readonly family: IpFamily;
  /** `10.0.0.1/24`. */
  readonly address: string;
  /** The other end of a point-to-point link. */
  readonly peer?: string;
  readonly broadcast?: string;
  readonly scope: Scope;
  /** Does not expire. */
  readonly permanent: boolean;
  /** IPv6: used without looking for duplicates first. */
  readonly nodad: boolean;
  /** IPv6: duplicates are still being looked for; it cannot be used yet. */
  readonly tentative: boolean;
  /** IPv6: somebody else has it. */
  readonly duplicate: boolean;
}

/** An IP address of an interface. */
export interface InterfaceAddress extends AddressFields {
  /** Name of the interface. */
  readonly dev: string;
}

/** An address as one message has it. */
export interface AddressRecord extends AddressFields {
  readonly index: number;
}

/** An address to add. */
export interface NewAddress {
  /** Name of the interface. */
  readonly dev: string;
  /** `10.0.0.1/24`; without a length it is a host address. */
  readonly address: string;
  readonly broadcast?: string;
  /** `host` by default for 127.0.0.0/8, else `global`. */
  readonly scope?: Scope;
  /** IPv6: do not look for duplicates, use it at once; false by default. */
  readonly nodad?: boolean;
}

const LOOPBACK_FIRST_BYTE = 127;

/** Asks for the addresses of a family. */
export function encodeAddressDump(family: IpFamily): NetlinkRequest {
  const body = Buffer.alloc(IFADDRMSG.size);
  body.writeUInt8(familyNumber(family), IFADDRMSG.family);
  return { type: RTM_GETADDR, flags: NLM_F_DUMP, body };
}

/** Adds an address to the interface with `index`. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeAddressAddition(address: NewAddress, index: number): NetlinkRequest {
  const flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  return { type: RTM_NEWADDR, flags, body: encodeAddress(address, index) };
}

/** Removes an address from the interface with `index`. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeAddressRemoval(address: string, index: number): NetlinkRequest {
  return { type: RTM_DELADDR, flags: NLM_F_ACK, body: encodeAddress({ dev: '', address }, index) };
}

/** Reads an answer; undefined for other families than IP. Throws `NETNS_MALFORMED`. */
export function decodeAddress(payload: Buffer): AddressRecord | undefined {
  const header = checkedHeader(payload, IFADDRMSG.size);
  const family = ipFamilyOf(header.readUInt8(IFADDRMSG.family));
  if (family === undefined) return undefined;
  const attributes = decodeAttributes(payload.subarray(IFADDRMSG.size));
  // With a peer, LOCAL is one's own address and ADDRESS the peer's; without, both are one's own (IPv6 sends only ADDRESS).
  const other = attributes.get(IFA_ADDRESS);
  const own = attributes.get(IFA_LOCAL) ?? other;
  const broadcast = attributes.get(IFA_BROADCAST);
  const flags = readNumber(attributes, IFA_FLAGS) ?? header.readUInt8(IFADDRMSG.flags);
  const hasPeer = own !== undefined && other !== undefined && !own.equals(other);
  return {
    index: header.readUInt32LE(IFADDRMSG.index),
    family,
    address: renderPrefix(family, own, header.readUInt8(IFADDRMSG.prefixLength)),
    ...(hasPeer ? { peer: renderIp(other) } : {}),
    ...(broadcast === undefined ? {} : { broadcast: renderIp(broadcast) }),
    scope: nameOf(SCOPE_NUMBERS, header.readUInt8(IFADDRMSG.scope)),
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    nodad: (flags & IFA_F_NODAD) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    duplicate: (flags & IFA_F_DADFAILED) !== 0,
  };
}

function encodeAddress({ address, broadcast, scope, nodad = false }: NewAddress, index: number): Buffer {
  const { family, bytes, length } = parsePrefix(address);
  // IPv6 has none; the kernel would take one and forget it.
  if (broadcast !== undefined && family === 6)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `broadcast ${broadcast} for the IPv6 address ${address}`);
  const isLoopback = family === 4 && bytes[0] === LOOPBACK_FIRST_BYTE;
  const header = Buffer.alloc(IFADDRMSG.size);
  header.writeUInt8(familyNumber(family), IFADDRMSG.family);
  header.writeUInt8(length, IFADDRMSG.prefixLength);
  header.writeUInt8(numberOf(SCOPE_NUMBERS, scope ?? (isLoopback ? 'host' : 'global'), 'scope'), IFADDRMSG.scope);
  header.writeUInt32LE(index, IFADDRMSG.index);
  return Buffer.concat([
    header,
    encodeAttribute(IFA_LOCAL, bytes),
    encodeAttribute(IFA_ADDRESS, bytes),
    ...(broadcast === undefined ? [] : [encodeAttribute(IFA_BROADCAST, parseIpOf(4, broadcast, 'broadcast').bytes)]),
    ...(nodad ? [encodeNumber(IFA_FLAGS, IFA_F_NODAD, 'flags')] : []),
  ]);
}
