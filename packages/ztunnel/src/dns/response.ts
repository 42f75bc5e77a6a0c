import {
  FLAG_AUTHORITATIVE,
  FLAG_DNSSEC_OK,
  FLAG_RECURSION_AVAILABLE,
  FLAG_RESPONSE,
  FLAG_TRUNCATED,
  HEADER_BYTES,
  QUESTION_TAIL_BYTES,
} from './message-format.ts';
import type { Query, QueryEdns } from './query.ts';
import { TYPE_CNAME } from './record-types.ts';
import { encodeRecord, RECORD_DATA_OFFSET, RECORD_TTL_OFFSET, type WireRecord } from './wire-record.ts';

/** Compression pointers reach no further (RFC 1035 §4.1.4). */
const MAX_POINTER = 0x3fff;
const POINTER = 0xc000;

/** What is sent back. */
export interface Reply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly recursionAvailable: boolean;
  readonly records: readonly WireRecord[];
  /** Seconds that the records have been held, which their TTLs are less by. */
  readonly ageSeconds: number;
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
