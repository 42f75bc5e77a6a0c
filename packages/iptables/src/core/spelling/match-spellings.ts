import { CONNECTION_STATES } from '../connection-state.ts';
import { icmpAbbreviated } from '../explain/icmp-names.ts';
import { ADDRESS_TYPES } from '../matches/addrtype.ts';
import { TCP_FLAGS } from '../matches/transport.ts';
import { isWord, quote } from '../render-words.ts';
import { type ExtensionSpelling, flag, type OptionSpelling, valued, verbatim } from './option-spelling.ts';
import {
  parseNumber,
  respellIds,
  respellMark,
  respellNumber,
  respellPortList,
  respellPorts,
  respellWords,
} from './value-spelling.ts';

const HIGHEST_OCTET = 255;
/** States that `-m state` knows; those of translations are for `-m conntrack`. */
const STATES = CONNECTION_STATES.filter((state) => state !== 'SNAT' && state !== 'DNAT');
const LIMIT_UNITS = { second: 'sec', minute: 'min', hour: 'hour', day: 'day' } as const;
const DEFAULT_LIMIT = '--limit 3/hour';
/** Digits of a probability, and the bits the kernel has for it. */
const PROBABILITY_DIGITS = 11;
const PROBABILITY_WHOLE = 0x8000_0000;
const WHOLE_MASK = { ipv4: '255.255.255.255', ipv6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' } as const;

const PORTS: readonly OptionSpelling[] = [
  valued(['sport', 'source-port'], (text) => respellPorts(text, ':', true)),
  valued(['dport', 'destination-port'], (text) => respellPorts(text, ':', true)),
];

const TCP: ExtensionSpelling = {
  ordered: true,
  options: [
    ...PORTS,
    valued(['tcp-option'], (text) => respellNumber(text, HIGHEST_OCTET)),
    { names: ['tcp-flags'], values: 2, respell: ([examined = '', set = '']) => respellFlags(examined, set) },
    { names: ['syn'], values: 0, excludes: ['tcp-flags'], respell: () => '--tcp-flags FIN,SYN,RST,ACK SYN' },
  ],
};

const MARK: ExtensionSpelling = { ordered: true, options: [valued(['mark'], respellMark)] };

const ICMP6: ExtensionSpelling = {
  name: 'icmp6',
  ordered: true,
  options: [valued(['icmpv6-type'], (text) => respellIcmp(text, 'ipv6-icmp'))],
};

const MULTIPORT: ExtensionSpelling = {
  ordered: true,
  options: [
    valued(['sports', 'source-ports'], respellPortList),
    valued(['dports', 'destination-ports'], respellPortList),
    valued(['ports'], respellPortList),
  ],
};

const OWNER: ExtensionSpelling = {
  ordered: true,
  options: [
    flag('socket-exists'),
    valued(['uid-owner'], (text) => respellIds(text, 'user')),
    valued(['gid-owner'], (text) => respellIds(text, 'group')),
    ...verbatim(0, 'suppl-groups'),
  ],
};

const ADDRTYPE: ExtensionSpelling = {
  ordered: true,
  options: [
    valued(['src-type'], respellTypes),
    valued(['dst-type'], respellTypes),
    flag('limit-iface-in'),
    flag('limit-iface-out'),
  ],
};

const STATISTIC: ExtensionSpelling = {
  ordered: true,
  options: [
    valued(['mode'], (text) => ['random', 'nth'].find((mode) => mode === text)),
    valued(['probability'], respellProbability),
    valued(['every'], (text) => respellNumber(text)),
    valued(['packet'], (text) => respellNumber(text)),
  ],
};

const RECENT_MODES = ['set', 'rcheck', 'update', 'remove'] as const;

const RECENT: ExtensionSpelling = {
  ordered: true,
  options: [
    ...RECENT_MODES.map((name) => flag(name)),
    valued(['seconds'], (text) => respellNumber(text)),
    flag('reap'),
    valued(['hitcount'], (text) => respellNumber(text)),
    flag('rttl'),
    valued(['name'], (text) => (isWord(text) ? text : undefined)),
    ...verbatim(1, 'mask'),
    flag('rsource'),
    flag('rdest'),
  ],
  defaults(given, family) {
    // The tool refuses it without.
    if (!RECENT_MODES.some((mode) => given.has(mode))) return [];
    return [
      ...(given.has('name') ? [] : [{ name: 'name', text: '--name DEFAULT' }]),
      ...(given.has('mask') ? [] : [{ name: 'mask', text: `--mask ${WHOLE_MASK[family]}` }]),
      ...(given.has('rsource') || given.has('rdest') ? [] : [{ name: 'rsource', text: '--rsource' }]),
    ];
  },
};

const LIMIT: ExtensionSpelling = {
  ordered: true,
  options: [valued(['limit'], respellRate), valued(['limit-burst'], (text) => respellNumber(text))],
  defaults: (given) => (given.has('limit') ? [] : [{ name: 'limit', text: DEFAULT_LIMIT }]),
};

const CONNTRACK: ExtensionSpelling = {
  ordered: false,
  options: [
    valued(['ctstate'], (text) => respellWords(text, CONNECTION_STATES)),
    ...verbatim(1, 'ctproto ctorigsrc ctorigdst ctreplsrc ctrepldst ctorigsrcport ctorigdstport ctreplsrcport'),
    ...verbatim(1, 'ctrepldstport ctstatus ctexpire ctdir'),
  ],
};

const SET: ExtensionSpelling = {
  ordered: false,
  options: [
    ...verbatim(2, 'match-set set'),
    ...verbatim(0, 'return-nomatch update-counters update-subcounters'),
    ...verbatim(1, 'packets-eq packets-lt packets-gt bytes-eq bytes-lt bytes-gt'),
  ],
};

/** Matches of which all options are known, by the name after `-m`. */
const SPELLINGS: ReadonlyMap<string, ExtensionSpelling> = new Map<string, ExtensionSpelling>([
  ['tcp', TCP],
  ['udp', { ordered: true, options: PORTS }],
  ['sctp', { ordered: true, options: [...PORTS, ...verbatim(2, 'chunk-types')] }],
  ['dccp', { ordered: true, options: [...PORTS, ...verbatim(1, 'dccp-types dccp-option')] }],
  ['multiport', MULTIPORT],
  ['icmp', { ordered: true, options: [valued(['icmp-type'], (text) => respellIcmp(text, 'icmp'))] }],
  ['icmp6', ICMP6],
  ['icmpv6', ICMP6],
  ['ipv6-icmp', ICMP6],
  ['mark', MARK],
  ['connmark', MARK],
  ['conntrack', CONNTRACK],
  ['state', { ordered: true, options: [valued(['state'], (text) => respellWords(text, STATES))] }],
  ['owner', OWNER],
  ['set', SET],
  ['addrtype', ADDRTYPE],
  ['limit', LIMIT],
  ['statistic', STATISTIC],
  ['recent', RECENT],
  ['comment', { ordered: true, options: [valued(['comment'], (text) => (text === '' ? '""' : quote(text)))] }],
]);

/** Matches that a protocol loads when an option is not known without them, by the protocol as listed. */
const LOADED_BY_PROTOCOL: ReadonlyMap<string, string> = new Map([
  ...['tcp', 'udp', 'sctp', 'dccp', 'icmp'].map((name): [string, string] => [name, name]),
  ['ipv6-icmp', 'icmp6'],
]);

/** How the match behind `-m name` is spelled; undefined where that is not known. */
export function matchSpelling(name: string): ExtensionSpelling | undefined {
  return SPELLINGS.get(name);
}

/** The match that `-p protocol` loads. */
export function loadedBy(protocol: string): string | undefined {
  return LOADED_BY_PROTOCOL.get(protocol);
}

function respellFlags(examined: string, set: string): string | undefined {
  const lists = [examined, set].map((text) => {
    if (text.toUpperCase() === 'ALL') return TCP_FLAGS.join(',');
    if (text.toUpperCase() === 'NONE') return 'NONE';
    return text.split(',').every((name) => TCP_FLAGS.some((one) => one === name.toUpperCase()))
      ? respellWords(text, TCP_FLAGS)
      : undefined;
  });
  return lists.includes(undefined) ? undefined : `--tcp-flags ${lists.join(' ')}`;
}

/** Listed in an order of their own, each once; what the data can say in another order stays so. */
function respellTypes(text: string): string | undefined {
  const named = respellWords(text, ADDRESS_TYPES);
  const types = named?.split(',');
  const listed = types && ADDRESS_TYPES.filter((type) => types.includes(type)).join(',');
  return named === text && listed !== text ? undefined : listed;
}

function respellIcmp(text: string, protocol: 'icmp' | 'ipv6-icmp'): string | undefined {
  if (text.toLowerCase() === 'any' && protocol === 'icmp') return 'any';
  const named = icmpAbbreviated(text, protocol);
  if (named !== undefined) return named.code === undefined ? `${named.type}` : `${named.type}/${named.code}`;
  const numbers = text.split('/').map((part) => parseNumber(part, HIGHEST_OCTET));
  return numbers.length <= 2 && !numbers.includes(undefined) ? numbers.join('/') : undefined;
}

/** `3/minute`, `3/m`, `3`: a unit may be cut off anywhere, and is a second where it is left out. */
function respellRate(text: string): string | undefined {
  const [, packets, unit = 's'] = /^(\d{1,9})(?:\/([a-z]+))?$/i.exec(text) ?? [];
  const [, per] = Object.entries(LIMIT_UNITS).find(([name]) => name.startsWith(unit.toLowerCase())) ?? [];
  return packets === undefined || per === undefined ? undefined : `${Number(packets)}/${per}`;
}

/** The nearest that the kernel can keep, for only that is listed; as written where it may be that. */
function respellProbability(text: string): string | undefined {
  if (/^(?:0\.\d{11}|1\.0{11})$/.test(text)) return text;
  const share = /^\d*\.?\d+(?:e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!(share >= 0 && share <= 1)) return undefined;
  return (Math.round(share * PROBABILITY_WHOLE) / PROBABILITY_WHOLE).toFixed(PROBABILITY_DIGITS);
}
