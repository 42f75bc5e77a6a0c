import { decode } from 'dns-packet';
import {
  FLAG_CHECKING_DISABLED,
  FLAG_RECURSION_DESIRED,
  FLAG_RESPONSE,
  HEADER_BYTES,
  MAX_QUERY_BYTES,
  MIN_UDP_PAYLOAD,
  OPCODE_MASK,
} from './message-format.ts';
import { type Question, readQuestion } from './question.ts';

/** Records that a sensible query carries behind its question (OPT, TSIG); more is not decoded. */
const MAX_QUERY_RECORDS = 4;

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

function headerOnly(bytes: Buffer, flags: number): Query {
  return {
    id: bytes.readUInt16BE(0),
    opcode: (flags & OPCODE_MASK) >> 11,
    echoedFlags: flags & (OPCODE_MASK | FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED),
    question: undefined,
    edns: undefined,
  };
}
