import { FULL_MASK, type Mark, renderMask } from '../mark.ts';
import { HIGHEST_PORT, renderPort, renderPorts } from '../ports.ts';
import type {
  CommonTarget,
  ConntrackTarget,
  CopyConnmarkTarget,
  DestinationNatTarget,
  Family,
  LogTarget,
  MasqueradeTarget,
  RejectTarget,
  SegmentSizeTarget,
  SourceNatTarget,
  Target,
  TproxyTarget,
} from '../rule.ts';
import { renderChainName } from './chain-name.ts';
import { noNftForm } from './no-nft-form.ts';
import { checkAddress, familyWord } from './translate-match.ts';

type TargetOfTable = Exclude<Target, CommonTarget>;

const TARGETS_OF_TABLES: readonly Target['target'][] = [
  'REJECT',
  'DNAT',
  'SNAT',
  'MASQUERADE',
  'REDIRECT',
  'TPROXY',
  'CT',
];
/** By number. */
const LOG_LEVELS: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];
const LONGEST_LOG_PREFIX_BYTES = 127;
/** `icmpx` where both families have such a message, so that their rules can be one. */
const REJECTIONS: Readonly<Record<Family, ReadonlyMap<string, string>>> = {
  ipv4: new Map([
    ['icmp-net-unreachable', 'icmpx type no-route'],
    ['icmp-host-unreachable', 'icmpx type host-unreachable'],
    ['icmp-port-unreachable', 'icmpx type port-unreachable'],
    ['icmp-admin-prohibited', 'icmpx type admin-prohibited'],
    ['icmp-proto-unreachable', 'icmp type prot-unreachable'],
    ['icmp-net-prohibited', 'icmp type net-prohibited'],
    ['icmp-host-prohibited', 'icmp type host-prohibited'],
    ['tcp-reset', 'tcp reset'],
  ]),
  ipv6: new Map([
    ['icmp6-no-route', 'icmpx type no-route'],
    ['icmp6-addr-unreachable', 'icmpx type host-unreachable'],
    ['icmp6-port-unreachable', 'icmpx type port-unreachable'],
    ['icmp6-adm-prohibited', 'icmpx type admin-prohibited'],
    ['icmp6-policy-fail', 'icmpv6 type policy-fail'],
    ['icmp6-reject-route', 'icmpv6 type reject-route'],
    ['tcp-reset', 'tcp reset'],
  ]),
};

/** Statements for a target, without `counter`. Throws `IPTABLES_RULE_INVALID` where nft has no exact equal. */
export function translateTarget(target: Target, family: Family): string {
  if (isOfTable(target)) return translateTargetOfTable(target, family);
  switch (target.target) {
    case 'ACCEPT':
    case 'DROP':
    case 'RETURN':
      return target.target.toLowerCase();
    case 'jump':
    case 'goto':
      return `${target.target} ${renderChainName(target.chain)}`;
    case 'CONNMARK':
      return target.operation === 'set-xmark' ? setMark('ct mark', target.mark) : copyMark(target);
    case 'MARK':
      return setMark('meta mark', target.mark);
    case 'LOG':
      return translateLog(target);
    case 'TCPMSS':
      return translateSegmentSize(target);
    case 'raw':
      throw noNftForm(`-j ${target.text}`);
  }
}

function isOfTable(target: Target): target is TargetOfTable {
  return TARGETS_OF_TABLES.includes(target.target);
}

function translateTargetOfTable(target: TargetOfTable, family: Family): string {
  switch (target.target) {
    case 'REJECT':
      return translateReject(target, family);
    case 'DNAT':
    case 'SNAT':
      return translateNat(target, family);
    case 'MASQUERADE':
      return translateMasquerade(target);
    case 'REDIRECT':
      return `redirect to :${renderPorts(target.toPorts, '-')}`;
    case 'TPROXY':
      return translateTproxy(target, family);
    case 'CT':
      return translateConntrack(target);
  }
}

function translateReject(target: RejectTarget, family: Family): string {
  const kind = target.with ?? (family === 'ipv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable');
  const message = REJECTIONS[family].get(kind);
  if (message === undefined) throw noNftForm(`--reject-with ${kind} in ${family}`);
  return `reject with ${message}`;
}

/** (old and not mask) xor value. `or` where that is the same, as people write it. */
function setMark(key: string, { value, mask }: Mark): string {
  if (mask === FULL_MASK) return `${key} set ${renderMask(value)}`;
  const kept = mask === 0 ? key : `${key} & ${renderMask(FULL_MASK - mask)}`;
  // `&` of JavaScript gives signed numbers.
  const operator = (value & ~mask) === 0 ? '|' : '^';
  return value === 0 ? `${key} set ${kept}` : `${key} set ${kept} ${operator} ${renderMask(value)}`;
}

function copyMark({ operation, nfmask, ctmask }: CopyConnmarkTarget): string {
  const [from, to] =
    operation === 'restore-mark' ? (['ct mark', 'meta mark'] as const) : (['meta mark', 'ct mark'] as const);
  const [read, written] = operation === 'restore-mark' ? [ctmask, nfmask] : [nfmask, ctmask];
  // Bits of two marks at once are beyond kernels before 6.13.
  if (written !== FULL_MASK) throw noNftForm(`--${operation} that keeps bits of the mask ${renderMask(written)}`);
  return read === FULL_MASK ? `${to} set ${from}` : `${to} set ${from} & ${renderMask(read)}`;
}

function translateLog({ prefix, level }: LogTarget): string {
  const word = level === undefined ? '' : LOG_LEVELS[level];
  if (word === undefined) throw noNftForm(`log level ${level}`);
  const text = prefix ?? '';
  // nft has no escapes in quotes, and would read `$x` as one of its variables.
  if (/["$\p{Cc}]/u.test(text) || Buffer.byteLength(text) > LONGEST_LOG_PREFIX_BYTES)
    throw noNftForm(`log prefix ${text}`);
  return `log${text === '' ? '' : ` prefix "${text}"`}${word === '' ? '' : ` level ${word}`}`;
}

function translateSegmentSize({ size }: SegmentSizeTarget): string {
  return `tcp option maxseg size set ${size === 'path' ? 'rt mtu' : renderPort(size, 'segment size')}`;
}

function translateNat(target: DestinationNatTarget | SourceNatTarget, family: Family): string {
  const address = checkAddress(target.address, family);
  const host = target.ports !== undefined && family === 'ipv6' ? `[${address}]` : address;
  const ports = target.ports === undefined ? '' : `:${renderPorts(target.ports, '-')}`;
  return `${target.target.toLowerCase()} ${familyWord(family)} to ${host}${ports}`;
}

function translateMasquerade({ ports, random }: MasqueradeTarget): string {
  const chosen = random === undefined ? '' : { ports: ' random', fully: ' fully-random' }[random];
  return `masquerade${ports === undefined ? '' : ` to :${renderPorts(ports, '-')}`}${chosen}`;
}

function translateTproxy({ onPort, onIp, mark }: TproxyTarget, family: Family): string {
  const address = checkAddress(onIp, family);
  const anywhere = /^[0:.]+$/.test(address);
  if (onPort < 1 || onPort > HIGHEST_PORT) throw noNftForm(`TPROXY to port ${onPort}`);
  const host = family === 'ipv6' ? `[${address}]` : address;
  const to = `${familyWord(family)} to ${anywhere ? '' : host}:${onPort}`;
  // nft goes on after tproxy; iptables ends the table there.
  return mark.mask === 0 && mark.value === 0
    ? `tproxy ${to} accept`
    : `tproxy ${to} ${setMark('meta mark', mark)} accept`;
}

function translateConntrack({ zone }: ConntrackTarget): string {
  return zone === 'none' ? 'notrack' : `ct zone set ${renderPort(zone, 'zone')}`;
}
