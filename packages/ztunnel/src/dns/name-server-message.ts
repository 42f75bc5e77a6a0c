import { type Answer, decode } from 'dns-packet';
import {
  FLAG_RECURSION_DESIRED,
  FLAG_RESPONSE,
  FLAG_TRUNCATED,
  HEADER_BYTES,
  RCODE_MASK,
  RCODE_NAME_ERROR,
  RCODE_NO_ERROR,
  RCODE_SERVER_FAILURE,
} from './message-format.ts';
import { lowerCase, type Question } from './question.ts';
import { encodeRecord, type WireRecord } from './wire-record.ts';

/** A response of a name server to a question. */
export interface UpstreamResponse {
  readonly rcode: number;
  readonly truncated: boolean;
  readonly records: readonly WireRecord[];
  /** For how long that there is nothing may be remembered (RFC 2308 §5); undefined if the server does not say. */
  readonly negativeTtlSeconds: number | undefined;
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

function negativeTtl(authorities: readonly Answer[]): number | undefined {
  const start = authorities.find((record) => record.type === 'SOA');
  return start === undefined ? undefined : Math.min(start.ttl ?? 0, start.data.minimum ?? 0);
}
