import { NetnsError } from '../../errors.ts';
import { encodeInterfaceName } from '../../interface-name.ts';
import { IFINFOMSG } from '../../kernel-structs.ts';
import {
  decodeAttributes,
  encodeAttribute,
  encodeNested,
  encodeNumber,
  encodeText,
  readNested,
  readNumber,
  readText,
} from './attribute.ts';
import {
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_EXT_MASK,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINK,
  IFLA_LINK_NETNSID,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  VETH_INFO_PEER,
} from './netlink-constants.ts';
import { checkedHeader, type NetlinkRequest } from './netlink-message.ts';

/** The other end of a veth, or what a link lies on. */
export interface LinkPeer {
  readonly index: number;
  /** The number that this namespace has for the peer's (`link-netnsid` of `ip`); absent: the peer is in this namespace. */
  readonly namespaceNumber?: number;
}

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`, `dummy`…; absent for loopback and most hardware. */
  readonly kind?: string;
  readonly loopback: boolean;
  /** Switched on (`IFF_UP`). */
  readonly up: boolean;
  /** Whether the other end is on as well (`IFF_LOWER_UP`). */
  readonly carrier: boolean;
  /** Bytes. */
  readonly mtu: number;
  /** Hardware address in lower case, `02:00:00:00:00:01`. */
  readonly mac?: string;
  /** Name of the bridge (or bond…) it belongs to. */
  readonly master?: string;
  readonly peer?: LinkPeer;
}

/** A link as one message has it: the master is only a number there. */
export interface LinkRecord extends Omit<Link, 'master'> {
  readonly masterIndex?: number;
}

/** What can be set at an interface; what is absent stays as it is. */
export interface LinkSettings {
  readonly up?: boolean;
  /** Bytes. */
  readonly mtu?: number;
  /** `02:00:00:00:00:01`. */
  readonly mac?: string;
}

/** The same in numbers. */
interface LinkFields extends LinkSettings {
  readonly index?: number;
  readonly name?: string;
  /** 0 takes it out of its bridge. */
  readonly masterIndex?: number;
  readonly namespaceFd?: number;
}

/** A link to make, in numbers. */
export interface LinkCreation extends LinkFields {
  readonly name: string;
  readonly kind: string;
  /** The other end of a veth. */
  readonly peer?: LinkFields;
}

const MAC = /^[\da-f]{2}(?::[\da-f]{2}){5}$/i;

/** Asks for all links. */
export function encodeLinkDump(): NetlinkRequest {
  return { type: RTM_GETLINK, flags: NLM_F_DUMP, body: encodeQuery() };
}

/** Asks for the link called `name`. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeLinkQuery(name: string): NetlinkRequest {
  return { type: RTM_GETLINK, flags: NLM_F_ACK, body: Buffer.concat([encodeQuery(), encodeName(name)]) };
}

/** Makes a link. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeLinkCreation(link: LinkCreation): NetlinkRequest {
  const peer =
    link.peer === undefined
      ? []
      : // The peer is described as a link is: a header, then attributes.
        [encodeNested(IFLA_INFO_DATA, [encodeAttribute(VETH_INFO_PEER, encodeFields(link.peer))])];
  const info = encodeNested(IFLA_LINKINFO, [encodeText(IFLA_INFO_KIND, link.kind), ...peer]);
  const body = Buffer.concat([encodeFields(link), info]);
  return { type: RTM_NEWLINK, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body };
}

/** Changes the link with `fields.index`. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeLinkChange(fields: LinkFields & { readonly index: number }): NetlinkRequest {
  return { type: RTM_NEWLINK, flags: NLM_F_ACK, body: encodeFields(fields) };
}

/** Deletes the link called `name`. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeLinkDeletion(name: string): NetlinkRequest {
  const body = Buffer.concat([Buffer.alloc(IFINFOMSG.size), encodeName(name)]);
  return { type: RTM_DELLINK, flags: NLM_F_ACK, body };
}

/** Reads an answer. Throws `NETNS_MALFORMED`. */
export function decodeLink(payload: Buffer): LinkRecord {
  const header = checkedHeader(payload, IFINFOMSG.size);
  const attributes = decodeAttributes(payload.subarray(IFINFOMSG.size));
  const flags = header.readUInt32LE(IFINFOMSG.flags);
  const kind = readText(readNested(attributes, IFLA_LINKINFO), IFLA_INFO_KIND);
  const mac = attributes.get(IFLA_ADDRESS);
  const masterIndex = readNumber(attributes, IFLA_MASTER);
  const peer = readPeer(readNumber(attributes, IFLA_LINK), readNumber(attributes, IFLA_LINK_NETNSID));
  const index = header.readInt32LE(IFINFOMSG.index);
  const name = readText(attributes, IFLA_IFNAME);
  if (name === undefined) throw new NetnsError('NETNS_MALFORMED', `link ${index} has no name`);
  return {
    index,
    name,
    ...(kind === undefined ? {} : { kind }),
    loopback: (flags & IFF_LOOPBACK) !== 0,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    mtu: readNumber(attributes, IFLA_MTU) ?? 0,
    ...(mac === undefined || mac.length === 0 ? {} : { mac: renderMac(mac) }),
    ...(masterIndex === undefined ? {} : { masterIndex }),
    ...(peer === undefined ? {} : { peer }),
  };
}

function readPeer(index: number | undefined, namespaceNumber: number | undefined): LinkPeer | undefined {
  // 0 is a tunnel that lies on no link in particular.
  if (index === undefined || index === 0) return undefined;
  return namespaceNumber === undefined ? { index } : { index, namespaceNumber: namespaceNumber | 0 };
}

function encodeQuery(): Buffer {
  const mask = encodeNumber(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS, 'mask');
  return Buffer.concat([Buffer.alloc(IFINFOMSG.size), mask]);
}

function encodeName(name: string): Buffer {
  return encodeText(IFLA_IFNAME, encodeInterfaceName(name));
}

function encodeFields(fields: LinkFields): Buffer {
  const { index, name, up, mtu, mac, masterIndex, namespaceFd } = fields;
  const header = Buffer.alloc(IFINFOMSG.size);
  header.writeInt32LE(index ?? 0, IFINFOMSG.index);
  header.writeUInt32LE(up === true ? IFF_UP : 0, IFINFOMSG.flags);
  header.writeUInt32LE(up === undefined ? 0 : IFF_UP, IFINFOMSG.change);
  return Buffer.concat([
    header,
    ...(name === undefined ? [] : [encodeName(name)]),
    ...(mtu === undefined ? [] : [encodeNumber(IFLA_MTU, mtu, 'mtu')]),
    ...(mac === undefined ? [] : [encodeAttribute(IFLA_ADDRESS, parseMac(mac))]),
    ...(masterIndex === undefined ? [] : [encodeNumber(IFLA_MASTER, masterIndex, 'master')]),
    ...(namespaceFd === undefined ? [] : [encodeNumber(IFLA_NET_NS_FD, namespaceFd, 'namespace')]),
  ]);
}

function parseMac(text: string): Buffer {
  if (!MAC.test(text))
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `${JSON.stringify(text)} is no hardware address (want 02:00:00:00:00:01)`,
    );
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function renderMac(bytes: Buffer): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
