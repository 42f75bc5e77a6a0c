import { type Answer, decode, encode } from 'dns-packet';
import { canonicalAddress } from '../address.ts';
import { TYPE_A, TYPE_AAAA, TYPE_CNAME } from './record-types.ts';

/** Response codes (RFC 1035 §4.1.1). */
export const RCODE_NO_ERROR = 0;
export const RCODE_FORMAT_ERROR = 1;
export const RCODE_SERVER_FAILURE = 2;
export const RCODE_NAME_ERROR = 3;
export const RCODE_NOT_IMPLEMENTED = 4;
export const RCODE_REFUSED = 5;

export const CLASS_IN = 1;
export const OPCODE_QUERY = 0;

/** Longest query that is looked at: a name, an OPT record with its options, and much room. */
export const MAX_QUERY_BYTES = 4096;
/** Longest message over TCP, whose length is 16 bits. */
export const MAX_MESSAGE_BYTES = 65_535;
/** What a client without EDNS takes over UDP, and the least that EDNS may offer (RFC 6891 §6.2.3). */
export const MIN_UDP_PAYLOAD = 512;

const HEADER_BYTES = 12;
/** Type and class after the name of a question. */
const QUESTION_TAIL_BYTES = 4;
/** RFC 1035 §2.3.4 */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
/** Records that a sensible query carries behind its question (OPT, TSIG); more is not decoded. */
const MAX_QUERY_RECORDS = 4;
/** Compression pointers reach no further (RFC 1035 §4.1.4). */
const MAX_POINTER = 0x3fff;
const POINTER = 0xc000;
/** In a record after its owner: type and class come before the TTL, */
const RECORD_TTL_OFFSET = 4;
/** TTL and length before the data. */
const RECORD_DATA_OFFSET = 10;

const FLAG_RESPONSE = 0x8000;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const FLAG_CHECKING_DISABLED = 0x0010;
const FLAG_DNSSEC_OK = 0x8000;
const OPCODE_MASK = 0x7800;
const RCODE_MASK = 0x000f;

/** One question. */
export interface Question {
  /** Its wire form as the client wrote it. */
  readonly bytes: Buffer;
  /** Lower case, without the last dot; empty for the root. What is no printable ASCII, and dots, are `\DDD`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

/** What the client said of itself by EDNS (RFC 6891). */
export interface QueryEdns {
  /** At least 512. */
  readonly payloadBytes: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

/** A decoded query. */
export interface Query {
  readonly id: number;
  readonly opcode: number;
  /** Flags and opcode of the query as they return in the response. */
  readonly echoedFlags: number;
  /** Undefined unless there is exactly one. */
  readonly question: Question | undefined;
  readonly edns: QueryEdns | undefined;
}

/** A resource record, its names not compressed. */
export interface WireRecord {
  readonly owner: Buffer;
  /** Type, class, TTL, length of the data, data. */
  readonly rest: Buffer;
  readonly ttlSeconds: number;
}

/** What is sent back. */
export interface Reply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly recursionAvailable: boolean;
  readonly records: readonly WireRecord[];
  /** Seconds that the records have been held, which their TTLs are less by. */
  readonly ageSeconds: number;
}

/** A response of a name server to a question. */
export interface UpstreamResponse {
  readonly rcode: number;
  readonly truncated: boolean;
  readonly records: readonly WireRecord[];
  /** For how long that there is nothing may be remembered (RFC 2308 §5); undefined if the server does not say. */
  readonly negativeTtlSeconds: number | undefined;
}

/** Reads a client's message; undefined for what deserves no answer: a response, or bytes that are no message. */
export function decodeQuery(bytes: Buffer): Query | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_QUERY_BYTES) return undefined;
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) !== 0) return undefined;
  const questions = bytes.readUInt16BE(4);
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  if (questions > 1 || records > MAX_QUERY_RECORDS) return headerOnly(bytes, flags);
  try {
    const question = questions === 1 ? readQuestion(bytes) : undefined;
    if (questions === 1 && question === undefined) return undefined;
    const option = decode(bytes).additionals?.find((record) => record.type === 'OPT');
    const edns =
      option === undefined
        ? undefined
        : {
            payloadBytes: Math.max(MIN_UDP_PAYLOAD, option.udpPayloadSize),
            version: option.ednsVersion,
            dnssecOk: option.flag_do,
          };
    return { ...headerOnly(bytes, flags), question, edns };
  } catch {
    return undefined;
  }
}

/** The question for addresses of `hostname`; undefined if that is no domain name. */
export function buildQuestion(hostname: string, type: number): Question | undefined {
  const labels = hostname.replace(/\.$/, '').split('.');
  const parts: Buffer[] = [];
  for (const label of labels) {
    const bytes = Buffer.from(label);
    if (bytes.length === 0 || bytes.length > MAX_LABEL_BYTES) return undefined;
    parts.push(Buffer.of(bytes.length), bytes);
  }
  const message = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...parts, Buffer.of(0, 0, type, 0, CLASS_IN)]);
  return readQuestion(message);
}

/** A query of our own for the same question: name in lower case, recursion desired, without EDNS. */
export function encodeUpstreamQuery(id: number, question: Question): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + question.bytes.length);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(FLAG_RECURSION_DESIRED, 2);
  bytes.writeUInt16BE(1, 4);
  lowerCase(question.bytes).copy(bytes, HEADER_BYTES);
  return bytes;
}

/** The question's identity without regard to case, for example as the key of a cache. */
export function questionKey(question: Question): string {
  return lowerCase(question.bytes).toString('latin1');
}

/**
 * Reads what came from a name server in response to `encodeUpstreamQuery(id, question)`; undefined if it is something
 * else, for example a forgery, which one goes on waiting after. What answers but cannot be read is a server failure.
 */
export function decodeUpstreamResponse(bytes: Buffer, id: number, question: Question): UpstreamResponse | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== id) return undefined;
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) === 0) return undefined;
  const rcode = flags & RCODE_MASK;
  const failed = { rcode, truncated: false, records: [], negativeTtlSeconds: undefined };
  // Some servers leave the question out of a refusal.
  if (bytes.readUInt16BE(4) === 0 && rcode !== RCODE_NO_ERROR && rcode !== RCODE_NAME_ERROR) return failed;
  const asked = bytes.subarray(HEADER_BYTES, HEADER_BYTES + question.bytes.length);
  if (bytes.readUInt16BE(4) !== 1 || !lowerCase(asked).equals(lowerCase(question.bytes))) return undefined;
  const truncated = (flags & FLAG_TRUNCATED) !== 0;
  if (truncated) return { ...failed, truncated };
  try {
    const { answers = [], authorities = [] } = decode(bytes);
    return { rcode, truncated, records: answers.map(encodeRecord), negativeTtlSeconds: negativeTtl(authorities) };
  } catch {
    return { ...failed, rcode: RCODE_SERVER_FAILURE };
  }
}

/** The wire form of one record. @throws if a name or a value has none. */
export function encodeRecord(record: Answer): WireRecord {
  const bytes = encode({ answers: [record] }).subarray(HEADER_BYTES);
  const end = nameEnd(bytes, 0);
  if (end === undefined) throw new RangeError(`${JSON.stringify(record.name)} is not a domain name`);
  const owner = bytes.subarray(0, end);
  return { owner, rest: bytes.subarray(end), ttlSeconds: 'ttl' in record ? (record.ttl ?? 0) : 0 };
}

/** The address in a record of type A or AAAA; undefined for any other. */
export function recordAddress({ rest }: WireRecord): string | undefined {
  const data = rest.subarray(RECORD_DATA_OFFSET);
  const type = rest.readUInt16BE(0);
  if (type === TYPE_A && data.length === 4) return data.join('.');
  if (type !== TYPE_AAAA || data.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, index) => data.readUInt16BE(index * 2).toString(16));
  return canonicalAddress(groups.join(':'));
}

/**
 * The response to `query`, of at most `maxBytes`: records that do not fit are left out and the response is marked truncated.
 * Owner names are compressed. EDNS is answered when there is something to answer with, not in refusals.
 */
export function encodeResponse(query: Query, reply: Reply, maxBytes: number): Buffer {
  const question = query.question?.bytes ?? Buffer.alloc(0);
  const option = query.edns !== undefined && reply.recursionAvailable ? encodeEdns(query.edns) : Buffer.alloc(0);
  let needed = HEADER_BYTES + question.length + option.length;
  for (const { owner, rest } of reply.records) needed += owner.length + rest.length;
  const bytes = Buffer.allocUnsafe(Math.min(needed, maxBytes));
  question.copy(bytes, HEADER_BYTES);
  const room = bytes.length - option.length;
  const names = new Map([[question.subarray(0, -QUESTION_TAIL_BYTES).toString('latin1'), HEADER_BYTES]]);
  let end = HEADER_BYTES + question.length;
  let written = 0;
  for (const record of reply.records) {
    const next = writeRecord(bytes.subarray(0, room), end, record, names);
    if (next === undefined) break;
    bytes.writeUInt32BE(
      Math.max(0, record.ttlSeconds - reply.ageSeconds),
      next - record.rest.length + RECORD_TTL_OFFSET,
    );
    end = next;
    written++;
  }
  let flags = FLAG_RESPONSE | query.echoedFlags | reply.rcode;
  if (reply.authoritative) flags |= FLAG_AUTHORITATIVE;
  if (reply.recursionAvailable) flags |= FLAG_RECURSION_AVAILABLE;
  if (written < reply.records.length) flags |= FLAG_TRUNCATED;
  bytes.writeUInt16BE(query.id, 0);
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt16BE(query.question === undefined ? 0 : 1, 4);
  bytes.writeUInt16BE(written, 6);
  bytes.writeUInt16BE(0, 8);
  bytes.writeUInt16BE(option.length === 0 ? 0 : 1, 10);
  option.copy(bytes, end);
  return bytes.subarray(0, end + option.length);
}

function headerOnly(bytes: Buffer, flags: number): Query {
  return {
    id: bytes.readUInt16BE(0),
    opcode: (flags & OPCODE_MASK) >> 11,
    echoedFlags: flags & (OPCODE_MASK | FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED),
    question: undefined,
    edns: undefined,
  };
}

function readQuestion(bytes: Buffer): Question | undefined {
  const end = nameEnd(bytes, HEADER_BYTES);
  if (end === undefined || end + QUESTION_TAIL_BYTES > bytes.length) return undefined;
  const labels: string[] = [];
  for (let at = HEADER_BYTES; bytes[at] !== 0; at += 1 + (bytes[at] ?? 0))
    labels.push(renderLabel(bytes.subarray(at + 1, at + 1 + (bytes[at] ?? 0))));
  return {
    // A copy: it may be waited for longer than the received bytes should be kept.
    bytes: Buffer.from(bytes.subarray(HEADER_BYTES, end + QUESTION_TAIL_BYTES)),
    name: labels.join('.'),
    type: bytes.readUInt16BE(end),
    class: bytes.readUInt16BE(end + 2),
  };
}

/** Where the uncompressed name at `start` ends; undefined if there is none. */
function nameEnd(bytes: Buffer, start: number): number | undefined {
  for (let at = start; at < bytes.length && at < start + MAX_NAME_BYTES; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return at + 1;
    // Also refuses pointers: there is no earlier name that a question could point at.
    if (length > MAX_LABEL_BYTES) return undefined;
    at += 1 + length;
  }
  return undefined;
}

function renderLabel(label: Buffer): string {
  let text = '';
  for (const byte of label) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    text += isPlain ? String.fromCharCode(byte).toLowerCase() : `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}

/** Names in lower case. The bytes that are lengths, at most 63, are no letters. */
function lowerCase(question: Buffer): Buffer {
  const lower = Buffer.from(question);
  const end = lower.length - QUESTION_TAIL_BYTES;
  for (let at = 0; at < end; at++) {
    const byte = lower[at] ?? 0;
    if (byte >= 0x41 && byte <= 0x5a) lower[at] = byte + 0x20;
  }
  return lower;
}

function negativeTtl(authorities: readonly Answer[]): number | undefined {
  const start = authorities.find((record) => record.type === 'SOA');
  return start === undefined ? undefined : Math.min(start.ttl ?? 0, start.data.minimum ?? 0);
}

function encodeEdns({ payloadBytes, version, dnssecOk }: QueryEdns): Buffer {
  const { owner, rest } = encodeRecord({
    type: 'OPT',
    name: '.',
    udpPayloadSize: payloadBytes,
    extendedRcode: 0,
    ednsVersion: version,
    flags: dnssecOk ? FLAG_DNSSEC_OK : 0,
    flag_do: dnssecOk,
    options: [],
  });
  return Buffer.concat([owner, rest]);
}

/** Writes a record at `start`, its owner as a pointer if that name was written before; answers its end, undefined if it does not fit. */
function writeRecord(
  bytes: Buffer,
  start: number,
  { owner, rest }: WireRecord,
  names: Map<string, number>,
): number | undefined {
  const key = owner.toString('latin1');
  const known = names.get(key);
  const restAt = start + (known === undefined ? owner.length : 2);
  const end = restAt + rest.length;
  if (end > bytes.length) return undefined;
  if (known === undefined) owner.copy(bytes, start);
  else bytes.writeUInt16BE(POINTER | known, start);
  rest.copy(bytes, restAt);
  if (known === undefined && start <= MAX_POINTER) names.set(key, start);
  if (rest.readUInt16BE(0) === TYPE_CNAME) {
    const target = rest.subarray(RECORD_DATA_OFFSET).toString('latin1');
    const targetAt = restAt + RECORD_DATA_OFFSET;
    if (!names.has(target) && targetAt <= MAX_POINTER) names.set(target, targetAt);
  }
  return end;
}
