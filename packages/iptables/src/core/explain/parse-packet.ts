import { IptablesError } from '../../errors.ts';
import { isListedProtocol, isProtocol, listProtocol } from '../protocol-names.ts';
import type { Family, TcpFlag } from '../rule.ts';
import { hasPorts } from './evaluate-ports.ts';
import { icmpNamed, listIcmpNames } from './icmp-names.ts';
import { parseIpAddress } from './ip-address.ts';
import { type Endpoint, PACKET_STATES, type Packet } from './packet.ts';

interface Word {
  readonly text: string;
  /** From 1. */
  readonly column: number;
}

/** A packet being put together, with what is needed to find contradictions. */
type Draft = { -readonly [K in keyof Packet]: Packet[K] } & { readonly columns: Map<string, number> };

type FieldReader = (draft: Draft, value: Word) => void;

const FLAGS: readonly TcpFlag[] = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];
const HIGHEST_MARK = 0xffff_ffff;
const HIGHEST_PORT = 65_535;
const HIGHEST_OCTET = 255;
/** Every rule that asks whether an address is the machine's own goes through all of them. */
const MOST_HOSTS = 256;

/** Fields with a value. All but `host` may come once. */
const FIELDS: { readonly [name: string]: FieldReader } = {
  src: (draft, value) => addEndpoint(draft, 'source', value, readEndpoint(draft, value)),
  dst: (draft, value) => addEndpoint(draft, 'destination', value, readEndpoint(draft, value)),
  sport: (draft, value) => addEndpoint(draft, 'source', value, { port: readNumber(value, HIGHEST_PORT) }),
  dport: (draft, value) => addEndpoint(draft, 'destination', value, { port: readNumber(value, HIGHEST_PORT) }),
  in: (draft, value) => (draft.inInterface = readInterface(value)),
  out: (draft, value) => (draft.outInterface = readInterface(value)),
  host: addHost,
  mark: (draft, value) => (draft.mark = readNumber(value, HIGHEST_MARK)),
  connmark: (draft, value) => (draft.connectionMark = readNumber(value, HIGHEST_MARK)),
  state: readState,
  uid: (draft, value) => (draft.userId = readNumber(value, HIGHEST_MARK)),
  gid: (draft, value) => (draft.groupId = readNumber(value, HIGHEST_MARK)),
  type: readIcmpType,
  flags: readFlags,
};

/**
 * Reads a packet's description: the protocol, then fields in any order.
 *
 * `tcp src 10.0.0.1:1234 dst 10.0.0.2:80 in eth0 mark 0x0 connmark 0x111 state NEW`
 *
 * - `src ADDRESS[:PORT]`, `dst ADDRESS[:PORT]`: IPv6 as `fd00::1` or, with a port, `[fd00::1]:80`; a port alone is
 *   `src :80`, `dst :80`, or `sport 80`, `dport 80`
 * - `in IF`: arrives by this interface; `out IF`: leaves by it; `local`: with `in`, its destination is this machine;
 *   without `in`, a program of this machine made it. Without any of these it comes in by an unknown interface.
 * - `host ADDRESS`: an address of this machine, up to 256 times
 * - `mark N`, `connmark N`: decimal or 0x…, default 0; `state NEW|ESTABLISHED|RELATED|INVALID|UNTRACKED`, with `,SNAT`
 *   and `,DNAT` where its connection was translated before, default NEW
 * - `uid N`, `gid N`: of the program that made it; `type N[/CODE]`: of icmp and icmpv6, or a name such
 *   as `echo-request`; `flags SYN,ACK` or `flags NONE`
 *
 * Throws `IPTABLES_PACKET_INVALID` with the column of what is wrong.
 */
export function parsePacket(text: string): Packet {
  const words = [...text.matchAll(/\S+/g)].map((found) => ({ text: found[0], column: found.index + 1 }));
  const [protocol, ...rest] = words;
  if (protocol === undefined) throw invalid(1, 'want a protocol first, such as tcp');
  if (!isListedProtocol(protocol.text) && !(/^\d+$/.test(protocol.text) && isProtocol(protocol.text)))
    throw invalid(protocol.column, `${quote(protocol.text)} is no protocol (want tcp, udp, icmp, … or a number)`);
  const draft: Draft = {
    protocol: listProtocol(protocol.text),
    source: {},
    destination: {},
    origin: 'incoming',
    hostAddresses: [],
    mark: 0,
    connectionMark: 0,
    state: 'NEW',
    translated: [],
    columns: new Map(),
  };
  readFields(draft, rest, text.length + 1);
  const { columns, ...packet } = draft;
  if (!columns.has('in') && ['local', 'out', 'uid', 'gid'].some((name) => columns.has(name))) packet.origin = 'local';
  if (packet.origin === 'incoming' && columns.has('local')) packet.toThisMachine = true;
  checkTogether(packet, columns);
  return packet;
}

function readFields(draft: Draft, words: readonly Word[], end: number): void {
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === undefined) return;
    if (draft.columns.has(word.text) && word.text !== 'host')
      throw invalid(word.column, `${word.text} is there already`);
    draft.columns.set(word.text, word.column);
    if (word.text === 'local') continue;
    const read = Object.hasOwn(FIELDS, word.text) ? FIELDS[word.text] : undefined;
    if (read === undefined)
      throw invalid(
        word.column,
        `${quote(word.text)} is no field (want ${[...Object.keys(FIELDS), 'local'].join(', ')})`,
      );
    at += 1;
    const value = words[at];
    if (value === undefined) throw invalid(end, `${word.text} needs a value`);
    read(draft, value);
  }
}

function checkTogether(packet: Packet, columns: ReadonlyMap<string, number>): void {
  const at = (field: string): number => columns.get(field) ?? 1;
  if (packet.toThisMachine && columns.has('out'))
    throw invalid(at('local'), 'a packet from outside that is local does not leave: want in with local or with out');
  if (columns.has('in'))
    for (const field of ['uid', 'gid'])
      if (columns.has(field)) throw invalid(at(field), `a packet from outside has no ${field} here: want no in`);
  const ported = [
    { field: columns.has('sport') ? 'sport' : 'src', port: packet.source.port },
    { field: columns.has('dport') ? 'dport' : 'dst', port: packet.destination.port },
  ].find(({ port }) => port !== undefined);
  if (ported !== undefined && !hasPorts(packet.protocol))
    throw invalid(at(ported.field), `${packet.protocol} has no ports`);
  if (packet.icmp !== undefined && packet.protocol !== 'icmp' && packet.protocol !== 'ipv6-icmp')
    throw invalid(at('type'), `${packet.protocol} has no type`);
  if (packet.tcpFlags !== undefined && packet.protocol !== 'tcp')
    throw invalid(at('flags'), `${packet.protocol} has no flags`);
}

function addEndpoint(draft: Draft, side: 'source' | 'destination', { column }: Word, found: Endpoint): void {
  if (found.port !== undefined && draft[side].port !== undefined)
    throw invalid(column, `the ${side} port is there already`);
  draft[side] = { ...draft[side], ...found };
}

function addHost(draft: Draft, value: Word): void {
  if (draft.hostAddresses.length === MOST_HOSTS) throw invalid(value.column, `more than ${MOST_HOSTS} host addresses`);
  draft.hostAddresses = [...draft.hostAddresses, readAddress(draft, value, value.text)];
}

function readEndpoint(draft: Draft, value: Word): Endpoint {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(value.text);
  const plain = /^([^:]*):(.*)$/.exec(value.text);
  const [address = '', port] = bracketed?.slice(1) ??
    (plain?.[2]?.includes(':') ? undefined : plain?.slice(1)) ?? [value.text];
  const found =
    address === '' && bracketed === null && port !== undefined ? {} : { address: readAddress(draft, value, address) };
  if (port === undefined) return found;
  const column = value.column + value.text.length - port.length;
  return { ...found, port: readNumber({ text: port, column }, HIGHEST_PORT) };
}

function readAddress(draft: Draft, { text, column }: Word, address: string): string {
  const parsed = parseIpAddress(address);
  if (parsed === undefined)
    throw invalid(column, `${quote(text)} is no address (want 10.0.0.1, 10.0.0.1:80, fd00::1, [fd00::1]:80 or :80)`);
  const family: Family = draft.family ?? parsed.family;
  if (family !== parsed.family) throw invalid(column, `${quote(text)} is not ${family} as the address before`);
  draft.family = family;
  return address;
}

function readInterface({ text, column }: Word): string {
  // IFNAMSIZ less its final zero.
  if (text.length > 15 || /[/:+]/.test(text)) throw invalid(column, `${quote(text)} is no name of an interface`);
  return text;
}

function readNumber({ text, column }: Word, highest: number): number {
  const value = /^(?:\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value <= highest)) throw invalid(column, `${quote(text)}: want a number from 0 to ${highest}`);
  return value;
}

function readState(draft: Draft, { text, column }: Word): void {
  const [first, ...others] = text.toUpperCase().split(',');
  const state = PACKET_STATES.find((name) => name === first);
  if (state === undefined) throw invalid(column, `${quote(text)}: want one of ${PACKET_STATES.join(', ')}`);
  draft.state = state;
  draft.translated = others.map((name) => {
    if (name !== 'SNAT' && name !== 'DNAT')
      throw invalid(column, `${quote(text)}: want only SNAT or DNAT after a comma`);
    return name;
  });
}

function readIcmpType(draft: Draft, { text, column }: Word): void {
  if (/^[a-z]/i.test(text)) {
    const named = icmpNamed(text, draft.protocol);
    // Of a protocol without types that is what is said, in the end.
    const names = listIcmpNames(draft.protocol).join(', ');
    if (named === undefined && names !== '')
      throw invalid(column, `${quote(text)} is no type: want a number or ${names}`);
    draft.icmp = named ?? { type: 0 };
    return;
  }
  const [type = '', code, rest] = text.split('/');
  if (rest !== undefined) throw invalid(column, `${quote(text)}: want TYPE or TYPE/CODE`);
  const read = (part: string): number => readNumber({ text: part, column }, HIGHEST_OCTET);
  draft.icmp = { type: read(type), ...(code === undefined ? {} : { code: read(code) }) };
}

function readFlags(draft: Draft, { text, column }: Word): void {
  const names = text.toUpperCase() === 'NONE' ? [] : text.toUpperCase().split(',');
  draft.tcpFlags = names.map((name) => {
    const flag = FLAGS.find((known) => known === name);
    if (flag === undefined) throw invalid(column, `${quote(text)}: want some of ${FLAGS.join(',')}, or NONE`);
    return flag;
  });
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function invalid(column: number, what: string): IptablesError {
  return new IptablesError('IPTABLES_PACKET_INVALID', `packet, column ${column}: ${what}`);
}
