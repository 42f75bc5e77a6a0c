import { NetnsError } from '../../errors.ts';
import { encodeInterfaceName } from '../../interface-name.ts';
import {
  type AttributeMap,
  decodeAttributes,
  encodeAttribute,
  encodeNumber,
  encodeText,
  readNumber,
  readText,
} from './attribute.ts';
import { familyNumber, type IpFamily, ipFamilyOf, parsePrefix, renderPrefix } from './ip-prefix.ts';
import { nameOf, numberOf } from './named-number.ts';
import {
  FIB_RULE_INVERT,
  FRA_DST,
  FRA_FWMARK,
  FRA_FWMASK,
  FRA_IIFNAME,
  FRA_OIFNAME,
  FRA_PAD,
  FRA_PRIORITY,
  FRA_PROTOCOL,
  FRA_SRC,
  FRA_SUPPRESS_IFGROUP,
  FRA_SUPPRESS_PREFIXLEN,
  FRA_TABLE,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  RT_TABLE_UNSPEC,
  RTM_DELRULE,
  RTM_GETRULE,
  RTM_NEWRULE,
} from './netlink-constants.ts';
import { checkedHeader, type NetlinkRequest } from './netlink-message.ts';
import { FIB_RULE_HDR } from './route-structs.ts';

/** What a rule does with a packet it fits; a number where the kernel's table has no name. */
export type RuleAction = 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | number;

/** `FR_ACT_*` of linux/fib_rules.h. */
const ACTION_NUMBERS: Readonly<Record<Exclude<RuleAction, number>, number>> = {
  lookup: 1,
  goto: 2,
  nop: 3,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
};

/** A firewall mark and the bits of it that count. */
export interface RuleMark {
  readonly value: number;
  readonly mask: number;
}

/** A policy routing rule to add. */
export interface NewPolicyRule {
  readonly family: IpFamily;
  /** Lower is asked first. Without it the kernel chooses one before the main table's. */
  readonly priority?: number;
  /** `lookup` by default. */
  readonly action?: 'lookup' | 'blackhole' | 'unreachable' | 'prohibit' | 'nop';
  /** The routing table for `lookup`, which must have one to be added: not 0. */
  readonly table?: number;
  readonly mark?: RuleMark;
  /** Source prefix. */
  readonly from?: string;
  /** Destination prefix. */
  readonly to?: string;
  /** Interface it came in by; `lo` is for packets of this machine. */
  readonly iif?: string;
  /** Interface its socket is bound to. */
  readonly oif?: string;
}

/** A policy routing rule. */
export interface PolicyRule extends Omit<NewPolicyRule, 'action'> {
  readonly priority: number;
  readonly action: RuleAction;
  /** The rule is for packets that do not fit. */
  readonly inverted: boolean;
  /** Whether it has conditions or effects that are not named here, for example ports, users or suppressed prefixes. */
  readonly more: boolean;
}

const NO_SUPPRESSION = 0xffff_ffff;
const FULL_MASK = 0xffff_ffff;
/** What `PolicyRule` tells, and what tells nothing. */
const KNOWN: ReadonlySet<number> = new Set([
  FRA_DST,
  FRA_SRC,
  FRA_IIFNAME,
  FRA_OIFNAME,
  FRA_PRIORITY,
  FRA_FWMARK,
  FRA_FWMASK,
  FRA_TABLE,
  FRA_PAD,
  FRA_PROTOCOL,
]);

/** Asks for the rules of a family. */
export function encodeRuleDump(family: IpFamily): NetlinkRequest {
  const body = Buffer.alloc(FIB_RULE_HDR.size);
  body.writeUInt8(familyNumber(family), FIB_RULE_HDR.family);
  return { type: RTM_GETRULE, flags: NLM_F_DUMP, body };
}

/** Adds a rule. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeRuleAddition(rule: NewPolicyRule): NetlinkRequest {
  const { action = 'lookup', table = 0 } = rule;
  // The kernel would take an empty table of its own choice.
  if (action === 'lookup' && table === 0)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', 'a rule that looks up routes without a table to look in');
  const flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  return { type: RTM_NEWRULE, flags, body: encodeRule(rule, rule.action ?? 'lookup') };
}

/** Removes the first rule that has all that `rule` says, which must be something. Throws `NETNS_INVALID_ARGUMENT`. */
export function encodeRuleRemoval(rule: NewPolicyRule): NetlinkRequest {
  if (!selects(rule))
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      'a rule without priority, table, mark, prefix and interface: the first rule fits it, that of local addresses',
    );
  return { type: RTM_DELRULE, flags: NLM_F_ACK, body: encodeRule(rule, rule.action ?? 0) };
}

/** Reads an answer; undefined for other families than IP. Throws `NETNS_MALFORMED`. */
export function decodeRule(payload: Buffer): PolicyRule | undefined {
  const header = checkedHeader(payload, FIB_RULE_HDR.size);
  const family = ipFamilyOf(header.readUInt8(FIB_RULE_HDR.family));
  if (family === undefined) return undefined;
  const attributes = decodeAttributes(payload.subarray(FIB_RULE_HDR.size));
  const action = nameOf(ACTION_NUMBERS, header.readUInt8(FIB_RULE_HDR.action));
  const table = readNumber(attributes, FRA_TABLE) ?? header.readUInt8(FIB_RULE_HDR.table);
  const mark = readMark(attributes);
  const [iif, oif] = [readText(attributes, FRA_IIFNAME), readText(attributes, FRA_OIFNAME)];
  const from = readPrefix(family, attributes.get(FRA_SRC), header.readUInt8(FIB_RULE_HDR.srcLength));
  const to = readPrefix(family, attributes.get(FRA_DST), header.readUInt8(FIB_RULE_HDR.dstLength));
  return {
    family,
    // The kernel does not send a priority of 0.
    priority: readNumber(attributes, FRA_PRIORITY) ?? 0,
    action,
    ...(action === 'lookup' ? { table } : {}),
    ...(mark === undefined ? {} : { mark }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(iif === undefined ? {} : { iif }),
    ...(oif === undefined ? {} : { oif }),
    inverted: (header.readUInt32LE(FIB_RULE_HDR.flags) & FIB_RULE_INVERT) !== 0,
    more: header.readUInt8(FIB_RULE_HDR.tos) !== 0 || hasMore(attributes),
  };
}

function readMark(attributes: AttributeMap): RuleMark | undefined {
  const value = readNumber(attributes, FRA_FWMARK);
  const mask = readNumber(attributes, FRA_FWMASK);
  return value === undefined && mask === undefined ? undefined : { value: value ?? 0, mask: mask ?? FULL_MASK };
}

function readPrefix(family: IpFamily, address: Buffer | undefined, length: number): string | undefined {
  return length === 0 ? undefined : renderPrefix(family, address, length);
}

function hasMore(attributes: AttributeMap): boolean {
  for (const type of attributes.keys()) {
    if (KNOWN.has(type)) continue;
    const suppresses = type === FRA_SUPPRESS_IFGROUP || type === FRA_SUPPRESS_PREFIXLEN;
    if (!suppresses || readNumber(attributes, type) !== NO_SUPPRESSION) return true;
  }
  return false;
}

function encodeRule(rule: NewPolicyRule, action: RuleAction): Buffer {
  const { family, priority, table, mark, iif, oif } = rule;
  const header = Buffer.alloc(FIB_RULE_HDR.size);
  const from = encodePrefix(FRA_SRC, family, rule.from);
  const to = encodePrefix(FRA_DST, family, rule.to);
  header.writeUInt8(familyNumber(family), FIB_RULE_HDR.family);
  header.writeUInt8(from.length, FIB_RULE_HDR.srcLength);
  header.writeUInt8(to.length, FIB_RULE_HDR.dstLength);
  header.writeUInt8(RT_TABLE_UNSPEC, FIB_RULE_HDR.table);
  header.writeUInt8(numberOf(ACTION_NUMBERS, action, 'action'), FIB_RULE_HDR.action);
  return Buffer.concat([
    header,
    ...from.attributes,
    ...to.attributes,
    ...(priority === undefined ? [] : [encodeNumber(FRA_PRIORITY, priority, 'priority')]),
    ...(table === undefined ? [] : [encodeNumber(FRA_TABLE, table, 'table')]),
    ...(mark === undefined
      ? []
      : [encodeNumber(FRA_FWMARK, mark.value, 'mark'), encodeNumber(FRA_FWMASK, mark.mask, 'mask')]),
    ...(iif === undefined ? [] : [encodeText(FRA_IIFNAME, encodeInterfaceName(iif))]),
    ...(oif === undefined ? [] : [encodeText(FRA_OIFNAME, encodeInterfaceName(oif))]),
  ]);
}

/** Whether the kernel compares anything that tells rules apart: it takes zeros for what does not count. */
function selects({ family, priority, table = 0, mark, from, to, iif, oif }: NewPolicyRule): boolean {
  if (priority !== undefined || table !== 0 || iif !== undefined || oif !== undefined) return true;
  if (mark !== undefined && (mark.value !== 0 || mark.mask !== 0)) return true;
  return encodePrefix(FRA_SRC, family, from).length > 0 || encodePrefix(FRA_DST, family, to).length > 0;
}

interface EncodedPrefix {
  readonly length: number;
  readonly attributes: readonly Buffer[];
}

function encodePrefix(type: number, family: IpFamily, text: string | undefined): EncodedPrefix {
  if (text === undefined) return { length: 0, attributes: [] };
  const prefix = parsePrefix(text);
  if (prefix.family !== family)
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `${text} is no IPv${family} prefix, and the rule is for IPv${family}`,
    );
  // The kernel refuses an address that no bit counts of.
  return { length: prefix.length, attributes: prefix.length === 0 ? [] : [encodeAttribute(type, prefix.bytes)] };
}
