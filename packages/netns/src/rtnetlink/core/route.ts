import { NetnsError } from '../../errors.ts';
import { INT_BYTES } from '../../kernel-structs.ts';
import { type AttributeMap, align, decodeAttributes, encodeAttribute, encodeNumber, readNumber } from './attribute.ts';
import {
  familyNumber,
  type IpFamily,
  ipFamilyOf,
  parseIp,
  parseIpOf,
  parsePrefix,
  renderIp,
  renderPrefix,
} from './ip-prefix.ts';
import { nameOf, numberOf, SCOPE_NUMBERS, type Scope } from './named-number.ts';
import {
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RT_TABLE_MAIN,
  RT_TABLE_UNSPEC,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_GATEWAY,
  RTA_MULTIPATH,
  RTA_OIF,
  RTA_PAD,
  RTA_PREF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_TABLE,
  RTA_VIA,
  RTM_DELROUTE,
  RTM_F_CLONED,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTNH_F_ONLINK,
  RTPROT_BOOT,
} from './netlink-constants.ts';
import { checkedHeader, type NetlinkRequest } from './netlink-message.ts';
import { RTMSG, RTNEXTHOP, RTVIA } from './route-structs.ts';

/** What happens to a packet that the route fits; a number where the kernel's table has no name. */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | number;

/** `RTN_*` of linux/rtnetlink.h. */
const TYPE_NUMBERS: Readonly<Record<Exclude<RouteType, number>, number>> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
};

/** What `Route` tells of a message, and what says nothing. */
const KNOWN: ReadonlySet<number> = new Set([
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PAD,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_TABLE,
  RTA_VIA,
]);
/** `ICMPV6_ROUTER_PREF_MEDIUM` of RFC 4191, which all routes have that say nothing else. */
const MEDIUM_PREFERENCE = 0;
/** Offset of `rta_expires` in `struct rta_cacheinfo`; 0 is never. */
const CACHE_INFO_EXPIRES = 8;

/** One way of a route. */
interface HopFields {
  /** Address of the next router; may be IPv6 in an IPv4 route. */
  readonly via?: string;
  /** The router is taken to be on the link even if no address says so. */
  readonly onlink: boolean;
}

interface RouteFields extends HopFields {
  readonly family: IpFamily;
  readonly type: RouteType;
  /** `10.0.0.0/8`; the default route is `0.0.0.0/0` or `::/0`. */
  readonly dst: string;
  /** Source address that sockets without one of their own get. */
  readonly src?: string;
  readonly table: number;
  /** Always `global` for IPv6. */
  readonly scope: Scope;
  /** Lower is preferred; 0 is the best of IPv4, and IPv6 takes 1024 for it. */
  readonly metric: number;
  /** Who made it (`RTPROT_*`): 2 is the kernel, 3 an administrator. */
  readonly protocol: number;
  /**
   * Whether it has what is not named here: metrics (MTU …), an encapsulation, a source prefix, weights, a preference, a time at
   * which it ends. Who adds it anew from what is here loses that.
   */
  readonly more: boolean;
}

/** One of several ways of a route, by name of the interface. */
export interface NextHop extends HopFields {
  readonly dev?: string;
}

/** A route. */
export interface Route extends RouteFields {
  /** Name of the interface. */
  readonly dev?: string;
  /** If there is more than one way; `via` and `dev` are absent then. */
  readonly nextHops?: readonly NextHop[];
}

/** A next hop as one message has it. */
export interface HopRecord extends HopFields {
  readonly index?: number;
}

/** A route as one message has it. */
export interface RouteRecord extends RouteFields {
  readonly index?: number;
  readonly nextHops?: readonly HopRecord[];
}

/** A route to add or replace. */
export interface NewRoute {
  /** `10.0.0.0/8`, for everything `0.0.0.0/0` or `::/0`; without a length it is one address. */
  readonly dst: string;
  /** `unicast` by default. */
  readonly type?: RouteType;
  readonly via?: string;
  /** Name of the interface. */
  readonly dev?: string;
  readonly src?: string;
  /** 254 (main) by default. */
  readonly table?: number;
  /** By default what the type needs: `host` for local ones, `link` for unicast without `via`, else `global`. */
  readonly scope?: Scope;
  readonly metric?: number;
  readonly onlink?: boolean;
  /** 3 (administrator) by default. */
  readonly protocol?: number;
}

/** Which routes to list. */
export interface RouteFilter {
  /** Both by default. */
  readonly family?: IpFamily;
  /** All by default. */
  readonly table?: number;
}

/** Asks for the routes of a family and table. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeRouteDump(family: IpFamily, table: number | undefined): NetlinkRequest {
  const header = Buffer.alloc(RTMSG.size);
  header.writeUInt8(familyNumber(family), RTMSG.family);
  const filter = table === undefined ? [] : [encodeNumber(RTA_TABLE, table, 'table')];
  return { type: RTM_GETROUTE, flags: NLM_F_DUMP, body: Buffer.concat([header, ...filter]) };
}

/** Adds a route; `index` is that of `dev`. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeRouteAddition(route: NewRoute, index: number | undefined, replace: boolean): NetlinkRequest {
  const { type = 'unicast', via, protocol = RTPROT_BOOT } = route;
  const { family } = parsePrefix(route.dst);
  const scope = route.scope ?? defaultScope(family, type, via);
  const body = encodeRoute({ ...route, type, scope, protocol }, index);
  const flags = NLM_F_ACK | NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
  return { type: RTM_NEWROUTE, flags, body };
}

/** Removes the first route that has all that `route` says. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeRouteRemoval(route: NewRoute, index: number | undefined): NetlinkRequest {
  // 0 and nowhere match any.
  const { type = 0, scope = 'nowhere', protocol = 0 } = route;
  return { type: RTM_DELROUTE, flags: NLM_F_ACK, body: encodeRoute({ ...route, type, scope, protocol }, index) };
}

/** Reads an answer; undefined for other families than IP and for entries of the route cache. Throws `NETNS_MALFORMED`. */
export function decodeRoute(payload: Buffer): RouteRecord | undefined {
  const header = checkedHeader(payload, RTMSG.size);
  const family = ipFamilyOf(header.readUInt8(RTMSG.family));
  const flags = header.readUInt32LE(RTMSG.flags);
  if (family === undefined || (flags & RTM_F_CLONED) !== 0) return undefined;
  const attributes = decodeAttributes(payload.subarray(RTMSG.size));
  const source = attributes.get(RTA_PREFSRC);
  const ways = attributes.get(RTA_MULTIPATH);
  return {
    family,
    type: nameOf(TYPE_NUMBERS, header.readUInt8(RTMSG.type)),
    dst: renderPrefix(family, attributes.get(RTA_DST), header.readUInt8(RTMSG.dstLength)),
    ...readHop(attributes, flags),
    ...(source === undefined ? {} : { src: renderIp(source) }),
    table: readNumber(attributes, RTA_TABLE) ?? header.readUInt8(RTMSG.table),
    scope: nameOf(SCOPE_NUMBERS, header.readUInt8(RTMSG.scope)),
    metric: readNumber(attributes, RTA_PRIORITY) ?? 0,
    protocol: header.readUInt8(RTMSG.protocol),
    more: header.readUInt8(RTMSG.srcLength) !== 0 || header.readUInt8(RTMSG.tos) !== 0 || hasMore(attributes),
    ...(ways === undefined ? {} : { nextHops: decodeNextHops(ways) }),
  };
}

function hasMore(attributes: AttributeMap): boolean {
  for (const [type, value] of attributes) {
    if (KNOWN.has(type)) continue;
    if (type === RTA_MULTIPATH) {
      if (splitNextHops(value).some(({ weight, attributes: own }) => weight !== 0 || hasMore(own))) return true;
    } else if (type === RTA_PREF) {
      if (value[0] !== MEDIUM_PREFERENCE) return true;
    } else if (type === RTA_CACHEINFO) {
      if (value.length >= CACHE_INFO_EXPIRES + INT_BYTES && value.readInt32LE(CACHE_INFO_EXPIRES) !== 0) return true;
    } else {
      return true;
    }
  }
  return false;
}

function readHop(attributes: AttributeMap, flags: number): HopRecord {
  const index = readNumber(attributes, RTA_OIF);
  const gateway = attributes.get(RTA_GATEWAY) ?? attributes.get(RTA_VIA)?.subarray(RTVIA.address);
  return {
    ...(gateway === undefined ? {} : { via: renderIp(gateway) }),
    ...(index === undefined ? {} : { index }),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
  };
}

interface SplitHop {
  readonly flags: number;
  readonly weight: number;
  readonly index: number;
  readonly attributes: AttributeMap;
}

function splitNextHops(bytes: Buffer): SplitHop[] {
  const hops: SplitHop[] = [];
  for (let at = 0; bytes.length - at >= RTNEXTHOP.size; ) {
    const length = bytes.readUInt16LE(at + RTNEXTHOP.length);
    if (length < RTNEXTHOP.size || length > bytes.length - at)
      throw new NetnsError('NETNS_MALFORMED', `next hop of ${length} bytes where ${bytes.length - at} are left`);
    hops.push({
      flags: bytes.readUInt8(at + RTNEXTHOP.flags),
      weight: bytes.readUInt8(at + RTNEXTHOP.hops),
      index: bytes.readInt32LE(at + RTNEXTHOP.index),
      attributes: decodeAttributes(bytes.subarray(at + RTNEXTHOP.size, at + length)),
    });
    at += align(length);
  }
  return hops;
}

function decodeNextHops(bytes: Buffer): HopRecord[] {
  return splitNextHops(bytes).map(({ flags, index, attributes }) => {
    const { via, onlink } = readHop(attributes, flags);
    return { ...(via === undefined ? {} : { via }), index, onlink };
  });
}

/** What `ip route` takes: the kernel refuses a local route that reaches further than the machine, and the like. */
function defaultScope(family: IpFamily, type: RouteType, via: string | undefined): Scope {
  if (family === 6) return 'global';
  if (type === 'local') return 'host';
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return 'link';
  return type === 'unicast' && via === undefined ? 'link' : 'global';
}

function encodeRoute(
  route: NewRoute & { readonly type: RouteType; readonly scope: Scope; readonly protocol: number },
  index: number | undefined,
): Buffer {
  const { via, src, table = RT_TABLE_MAIN, metric } = route;
  const { family, bytes, length } = parsePrefix(route.dst);
  const header = Buffer.alloc(RTMSG.size);
  header.writeUInt8(familyNumber(family), RTMSG.family);
  header.writeUInt8(length, RTMSG.dstLength);
  header.writeUInt8(RT_TABLE_UNSPEC, RTMSG.table);
  header.writeUInt8(numberOf({}, route.protocol, 'protocol'), RTMSG.protocol);
  header.writeUInt8(numberOf(SCOPE_NUMBERS, route.scope, 'scope'), RTMSG.scope);
  header.writeUInt8(numberOf(TYPE_NUMBERS, route.type, 'type'), RTMSG.type);
  header.writeUInt32LE(route.onlink === true ? RTNH_F_ONLINK : 0, RTMSG.flags);
  return Buffer.concat([
    header,
    ...(length === 0 ? [] : [encodeAttribute(RTA_DST, bytes)]),
    encodeNumber(RTA_TABLE, table, 'table'),
    ...(via === undefined ? [] : [encodeGateway(family, via)]),
    ...(index === undefined ? [] : [encodeNumber(RTA_OIF, index, 'index')]),
    ...(src === undefined ? [] : [encodeAttribute(RTA_PREFSRC, parseIpOf(family, src, 'src').bytes)]),
    ...(metric === undefined ? [] : [encodeNumber(RTA_PRIORITY, metric, 'metric')]),
  ]);
}

function encodeGateway(family: IpFamily, via: string): Buffer {
  const gateway = parseIp(via);
  // RFC 5549: a router of IPv6 may be the next hop of IPv4, not the other way round.
  if (family === 6 && gateway.family === 4)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `via ${via} is of IPv4, the route of IPv6`);
  if (gateway.family === family) return encodeAttribute(RTA_GATEWAY, gateway.bytes);
  const number = Buffer.alloc(RTVIA.address);
  number.writeUInt16LE(familyNumber(gateway.family), RTVIA.family);
  return encodeAttribute(RTA_VIA, Buffer.concat([number, gateway.bytes]));
}
