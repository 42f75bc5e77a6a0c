/** Records with the right keys that no TLS library sends, and what is to become of each. */
import { HANDSHAKE, type RecordPeer } from './record-peer.ts';

/** What the other end said of it, and what we did. */
export interface RecordOutcome {
  /** Of us: `failed`, `ended` by close_notify, or `fin`: ended without. */
  readonly event: 'failed' | 'ended' | 'fin';
  /** Octets of data. */
  readonly received: number;
  /** That we sent, but for close_notify. */
  readonly alert?: number;
  /** As OpenSSL calls it, in the words of the reference. */
  readonly words?: string;
  /** KeyUpdates that we sent. */
  readonly updates?: number;
}

export interface RecordCase {
  readonly what: string;
  /** Behind it come `FAREWELL_BYTES` of data and close_notify, or FIN with `fin`. */
  readonly send: (peer: RecordPeer) => readonly Uint8Array[];
  readonly fin?: true;
  readonly outcome: RecordOutcome;
  /** Where OpenSSL does something else: what, and why we do not. */
  readonly openSsl?: RecordOutcome & { readonly why: string };
}

export const FAREWELL_BYTES = 1;
const MOST = 16_384;
const WRONG_TYPE = 'InvalidMessage(InvalidContentType)';
const FORGED = refused(20, 'decryption failed or bad record mac');
const CUT: RecordOutcome = { event: 'failed', received: 0, words: 'General("unexpected eof while reading")' };
const [UPDATE, TICKET, CERTIFICATE_REQUEST] = [24, 4, 13];
/** Lifetime, age, nonce, ticket, no extensions. RFC 8446 4.6.1 */
const TICKET_BODY = [0, 0, 0, 9, 1, 2, 3, 4, 1, 7, 0, 3, 9, 9, 9, 0, 0];
const WHOLE_TICKET = [TICKET, 0, 0, TICKET_BODY.length, ...TICKET_BODY];

function refused(alert: number, reason: string, received = 0): RecordOutcome {
  const words = reason === WRONG_TYPE ? reason : `General("${reason}")`;
  return { event: 'failed', received, alert, words };
}

function passed(received: number, updates?: number): RecordOutcome {
  const outcome: RecordOutcome = { event: 'ended', received: received + FAREWELL_BYTES };
  return updates === undefined ? outcome : { ...outcome, updates };
}

function times(count: number, make: () => Buffer): readonly Buffer[] {
  return Array.from({ length: count }, make);
}

/** Not authentic, with a body of `length`. */
function junk(length: number): Buffer {
  return Buffer.concat([Buffer.of(23, 3, 3, length >> 8, length & 0xff), Buffer.alloc(length)]);
}

function flipped(record: Buffer, at: number): Buffer {
  const index = at < 0 ? record.length + at : at;
  record[index] = record[index]! ^ 1;
  return record;
}

/** RFC 8446 5.1, 5.2, 5.4 */
const SIZES: readonly RecordCase[] = [
  { what: 'data', send: (peer) => [peer.seal('abc')], outcome: passed(3) },
  { what: 'long padding', send: (peer) => [peer.seal('a', { padding: 16_000 })], outcome: passed(1) },
  { what: `${MOST} octets`, send: (peer) => [peer.seal(Buffer.alloc(MOST, 1))], outcome: passed(MOST) },
  { what: `${MOST} zeros`, send: (peer) => [peer.seal(Buffer.alloc(MOST))], outcome: passed(MOST) },
  {
    what: `${MOST + 1} octets`,
    send: (peer) => [peer.seal(Buffer.alloc(MOST + 1, 1))],
    outcome: refused(22, 'data length too long'),
  },
  {
    what: 'a body of 16640 octets, most of it padding',
    send: (peer) => [peer.seal('a', { padding: 16_640 - 18 })],
    outcome: passed(1),
  },
  {
    what: 'a body of 16641 octets',
    send: (peer) => [peer.seal('a', { padding: 16_641 - 18 })],
    outcome: refused(22, 'encrypted length too long'),
  },
  ...[16_641, 17_000, 65_535].map((length) => ({
    what: `a header that announces ${length} octets, and no more`,
    send: () => [junk(length).subarray(0, 5)],
    outcome: refused(22, 'encrypted length too long'),
  })),
  ...[0, 1, 15, 16].map((length) => ({ what: `a body of ${length}`, send: () => [junk(length)], outcome: FORGED })),
  { what: 'a body of a tag', send: (peer) => [peer.seal('', { typeless: true })], outcome: FORGED },
  ...[1, MOST, 16_624].map((padding) => ({
    what: `${padding} octets of padding without a type`,
    send: (peer: RecordPeer) => [peer.seal('', { typeless: true, padding })],
    outcome: refused(10, WRONG_TYPE),
  })),
  { what: '32 empty ones', send: (peer) => times(32, () => peer.seal('')), outcome: passed(0) },
  { what: '33 empty ones', send: (peer) => times(33, () => peer.seal('')), outcome: refused(10, 'record too small') },
  {
    what: '33 empty ones of padding',
    send: (peer) => times(33, () => peer.seal('', { padding: 500 })),
    outcome: refused(10, 'record too small'),
  },
  ...[
    { what: 'data', other: (peer: RecordPeer) => peer.seal('a'), octets: 1 },
    { what: 'a KeyUpdate', other: (peer: RecordPeer) => peer.updateKey(), octets: 0 },
    { what: 'user_canceled', other: (peer: RecordPeer) => peer.alert(1, 90), octets: 0 },
  ].map(({ what, other, octets }) => ({
    what: `32 empty ones, ${what}, 32 empty ones`,
    send: (peer: RecordPeer) => [...times(32, () => peer.seal('')), other(peer), ...times(32, () => peer.seal(''))],
    outcome: passed(octets),
  })),
];

const HEADERS: readonly RecordCase[] = [
  ...[20, 24, 255].map((type) => ({
    what: `type ${type} inside`,
    send: (peer: RecordPeer) => [peer.seal('a', { type })],
    outcome: refused(10, WRONG_TYPE),
  })),
  ...[0, 22, 24].map((outerType) => ({
    what: `type ${outerType} outside`,
    send: (peer: RecordPeer) => [peer.seal('a', { outerType })],
    outcome: refused(10, WRONG_TYPE),
  })),
  ...[0x0300, 0x0301, 0x0304, 0x4747].map((version) => ({
    what: `version ${version.toString(16)}`,
    send: (peer: RecordPeer) => [peer.seal('a', { version })],
    outcome: refused(50, WRONG_TYPE),
  })),
  { what: 'SSL 2', send: (peer) => [peer.seal('a', { version: 2, outerType: 0 })], outcome: refused(70, WRONG_TYPE) },
  { what: 'HTTP', send: () => [Buffer.from('GET / HTTP/1.1\r\n\r\n')], outcome: refused(10, WRONG_TYPE) },
  { what: 'plaintext', send: () => [Buffer.of(23, 3, 3, 0, 1, 65)], outcome: FORGED },
  { what: 'a plain fatal alert', send: () => [Buffer.of(21, 3, 3, 0, 2, 2, 40)], outcome: refused(10, WRONG_TYPE) },
  { what: 'a plain close_notify', send: () => [Buffer.of(21, 3, 3, 0, 2, 1, 0)], outcome: refused(10, WRONG_TYPE) },
];

const FORGERIES: readonly RecordCase[] = [
  { what: 'another tag', send: (peer) => [flipped(peer.seal('a'), -1)], outcome: FORGED },
  { what: 'other ciphertext', send: (peer) => [flipped(peer.seal('a'), 5)], outcome: FORGED },
  {
    what: 'a header of another length',
    send: (peer) => [flipped(peer.seal('aaa'), 4), Buffer.of(0)],
    outcome: FORGED,
  },
  { what: 'junk', send: () => [junk(17)], outcome: FORGED },
  {
    what: 'a record twice',
    send: (peer) => {
      const record = peer.seal('a');
      return [record, record];
    },
    outcome: { ...FORGED, received: 1 },
  },
  {
    what: 'two records in the wrong order',
    send: (peer) => [peer.seal('a'), peer.seal('b')].toReversed(),
    outcome: FORGED,
  },
  { what: 'one record too few', send: (peer) => [peer.seal('a'), peer.seal('b')].slice(1), outcome: FORGED },
  {
    what: 'an old key behind a KeyUpdate',
    send: (peer) => [peer.message(UPDATE, 0, 0, 1, 0), peer.seal('a')],
    outcome: FORGED,
  },
  {
    what: 'a new key without a KeyUpdate',
    send: (peer) => [peer.updateKey(), peer.seal('a')].slice(1),
    outcome: FORGED,
  },
];

/** RFC 8446 6 */
const ALERTS: readonly RecordCase[] = [
  { what: 'an alert of 0 octets', send: (peer) => [peer.alert()], outcome: refused(10, 'bad length') },
  ...[[1], [1, 0, 0], [1, 0, 1, 0]].map((content) => ({
    what: `an alert of ${content.length}`,
    send: (peer: RecordPeer) => [peer.alert(...content)],
    outcome: refused(10, 'invalid alert'),
  })),
  ...[1, 2, 7].map((level) => ({
    what: `handshake_failure of level ${level}`,
    send: (peer: RecordPeer) => [peer.seal('abc'), peer.alert(level, 40)],
    outcome: { event: 'failed', received: 3, words: 'alert HandshakeFailure' } as const,
  })),
  {
    what: 'an alert that nobody knows',
    send: (peer) => [peer.alert(2, 255)],
    outcome: { event: 'failed', received: 0, words: 'alert Unknown(255)' },
  },
  ...[1, 4].map((count) => ({
    what: `user_canceled ${count} times`,
    send: (peer: RecordPeer) => times(count, () => peer.alert(1, 90)),
    outcome: passed(0),
  })),
  {
    what: 'user_canceled 5 times',
    send: (peer) => times(5, () => peer.alert(1, 90)),
    outcome: refused(10, 'too many warn alerts'),
  },
  {
    what: 'user_canceled 4 times, an empty record, user_canceled',
    send: (peer) => [...times(4, () => peer.alert(1, 90)), peer.seal(''), peer.alert(1, 90)],
    outcome: refused(10, 'too many warn alerts'),
  },
  {
    what: 'user_canceled 4 times, data, user_canceled 4 times',
    send: (peer) => [...times(4, () => peer.alert(1, 90)), peer.seal('a'), ...times(4, () => peer.alert(1, 90))],
    outcome: passed(1),
  },
  ...[1, 2].map((level) => ({
    what: `close_notify of level ${level}, then data`,
    send: (peer: RecordPeer) => [peer.alert(level, 0), peer.seal('a'), Buffer.from('GET')],
    outcome: { event: 'ended', received: 0 } as const,
  })),
];

/** RFC 8446 4.6.3, 5.1 */
const MESSAGES: readonly RecordCase[] = [
  { what: 'a message of nothing', send: (peer) => [peer.message()], outcome: refused(10, 'bad length') },
  { what: 'KeyUpdate', send: (peer) => [peer.updateKey(), peer.seal('a')], outcome: passed(1) },
  ...[1, 3].map((count) => ({
    what: `KeyUpdate with request, ${count} times`,
    send: (peer: RecordPeer) => [...times(count, () => peer.updateKey(true)), peer.seal('a')],
    outcome: passed(1, count),
    openSsl: {
      ...passed(1, count === 1 ? undefined : count - 1),
      why: 'RFC 8446 4.6.3: before the next data, which does not come here; OpenSSL waits for that with the last answer',
    },
  })),
  {
    what: 'KeyUpdate in pieces',
    send: (peer) => [...[UPDATE, 0, 0, 1].map((octet) => peer.message(octet)), peer.finishUpdate(), peer.seal('a')],
    outcome: passed(1),
  },
  ...[2, 255].map((request) => ({
    what: `KeyUpdate with ${request}`,
    send: (peer: RecordPeer) => [peer.message(UPDATE, 0, 0, 1, request)],
    outcome: refused(47, 'bad key update'),
  })),
  { what: 'KeyUpdate of 0', send: (peer) => [peer.message(UPDATE, 0, 0, 0)], outcome: refused(50, 'bad key update') },
  ...[
    [UPDATE, 0, 0, 2],
    [UPDATE, 0, 0, 2, 0, 0],
    [UPDATE, 255, 255, 255],
  ].map((content) => ({
    what: `KeyUpdate: ${content.join()}`,
    send: (peer: RecordPeer) => [peer.message(...content)],
    outcome: refused(47, 'excessive message size'),
  })),
  ...[
    [UPDATE, 0, 0, 0, 0],
    [UPDATE, 0, 0, 1, 0, 0],
    [UPDATE, 0, 0, 1, 2, 0],
    [UPDATE, 0, 0, 1, 0, UPDATE, 0, 0, 1, 0],
  ].map((content) => ({
    what: `KeyUpdate, and more in its record: ${content.join()}`,
    send: (peer: RecordPeer) => [peer.message(...content)],
    outcome: refused(10, 'not on record boundary'),
  })),
  ...[
    { piece: [UPDATE, 0, 0], reason: 'mixed handshake and non handshake data' },
    { piece: [UPDATE, 0, 0, 1], reason: 'unexpected record' },
  ].flatMap(({ piece, reason }) =>
    ['a', ''].map((data) => ({
      what: `${data.length} octets of data inside of ${piece.join()}`,
      send: (peer: RecordPeer) => [peer.message(...piece), peer.seal(data)],
      outcome: refused(10, reason),
    })),
  ),
  {
    what: 'an alert inside of a header',
    send: (peer) => [peer.message(UPDATE, 0), peer.alert(2, 40)],
    outcome: refused(10, 'mixed handshake and non handshake data'),
  },
  {
    what: 'an alert inside of a message',
    send: (peer) => [peer.message(UPDATE, 0, 0, 1), peer.alert(2, 40)],
    outcome: refused(10, 'unexpected record'),
    openSsl: {
      event: 'failed',
      received: 0,
      words: 'alert HandshakeFailure',
      why: 'RFC 8446 5.1: no other record between those of a message; OpenSSL takes alerts there',
    },
  },
  ...[0, 1, 2, 5, 11, 15, 20, 254].map((type) => ({
    what: `a message of type ${type}`,
    send: (peer: RecordPeer) => [peer.message(type, 0, 0, 4, 0, 0, 0, 0)],
    outcome: refused(10, WRONG_TYPE),
  })),
  {
    what: 'CertificateRequest',
    send: (peer) => [peer.message(CERTIFICATE_REQUEST, 0, 0, 3, 0, 0, 0)],
    outcome: refused(10, WRONG_TYPE),
  },
];

const ENDS: readonly RecordCase[] = [
  { what: 'FIN', send: () => [], fin: true, outcome: { event: 'fin', received: 0 } },
  { what: 'FIN behind data', send: (peer) => [peer.seal('a')], fin: true, outcome: { event: 'fin', received: 1 } },
  {
    what: 'FIN inside of a message, behind a record',
    send: (peer) => [peer.message(UPDATE, 0, 0)],
    fin: true,
    outcome: { event: 'fin', received: 0 },
  },
  ...Array.from({ length: 5 + 1 + 17 - 1 }, (_, index) => ({
    what: `FIN behind ${index + 1} octets of a record`,
    send: (peer: RecordPeer) => [peer.seal('a').subarray(0, index + 1)],
    fin: true as const,
    outcome: CUT,
  })),
  {
    what: 'FIN behind a header that is too short',
    send: () => [junk(16).subarray(0, 5)],
    fin: true,
    outcome: CUT,
  },
];

/** Of either role. */
export const RECORD_CASES: readonly RecordCase[] = [
  ...SIZES,
  ...HEADERS,
  ...FORGERIES,
  ...ALERTS,
  ...MESSAGES,
  ...ENDS,
];

const CHANGE_CIPHER_SPEC = Buffer.of(20, 3, 3, 0, 1, 1);

/** To a server. */
export const CASES_OF_SERVERS: readonly RecordCase[] = [
  { what: 'a ticket', send: (peer) => [peer.message(...WHOLE_TICKET)], outcome: refused(10, WRONG_TYPE) },
  { what: 'ChangeCipherSpec', send: () => [CHANGE_CIPHER_SPEC], outcome: refused(10, WRONG_TYPE) },
];

/** To a client. RFC 8446 4.6.1 */
export const CASES_OF_CLIENTS: readonly RecordCase[] = [
  {
    what: 'ChangeCipherSpec',
    send: () => [CHANGE_CIPHER_SPEC],
    outcome: refused(10, WRONG_TYPE),
    openSsl: { ...passed(0), why: 'RFC 8446 5: behind Finished it must be refused; clients of OpenSSL drop it' },
  },
  {
    what: 'ChangeCipherSpec in a record of data',
    send: (peer) => [peer.seal('a', { outerType: 20 })],
    outcome: refused(10, WRONG_TYPE),
    openSsl: { ...refused(10, 'invalid ccs message'), why: 'as above' },
  },
  { what: 'a ticket', send: (peer) => [peer.message(...WHOLE_TICKET)], outcome: passed(0) },
  {
    what: 'tickets in one record',
    send: (peer) => [peer.message(...WHOLE_TICKET, ...WHOLE_TICKET, ...WHOLE_TICKET)],
    outcome: passed(0),
  },
  {
    what: 'a ticket octet by octet',
    send: (peer) => WHOLE_TICKET.map((octet) => peer.message(octet)),
    outcome: passed(0),
  },
  {
    what: 'a ticket and a KeyUpdate',
    send: (peer) => [peer.message(...WHOLE_TICKET, UPDATE, 0, 0, 1), peer.finishUpdate(), peer.seal('a')],
    outcome: passed(1),
  },
  {
    what: 'data inside of a ticket',
    send: (peer) => [peer.message(...WHOLE_TICKET.slice(0, 9)), peer.seal('a')],
    outcome: refused(10, 'unexpected record'),
  },
  {
    what: 'the longest ticket there may be, without its end',
    send: (peer) => [peer.message(TICKET, 2, 1, 10), peer.seal('a')],
    outcome: refused(10, 'unexpected record'),
  },
  {
    what: 'a ticket longer than any',
    send: (peer) => [peer.message(TICKET, 2, 1, 11)],
    outcome: refused(47, 'excessive message size'),
  },
  {
    what: 'a ticket of nothing',
    send: (peer) => [peer.seal(Uint8Array.of(TICKET, 0, 0, 0), { type: HANDSHAKE })],
    outcome: passed(0),
    openSsl: { ...refused(50, 'length mismatch'), why: 'tickets are passed over here, and not looked into' },
  },
];
