import { type Answer, encode } from 'dns-packet';
import { canonicalAddress } from '../address.ts';
import { HEADER_BYTES } from './message-format.ts';
import { nameEnd } from './question.ts';
import { TYPE_A, TYPE_AAAA } from './record-types.ts';

/** In a record after its owner: type and class come before the TTL, */
export const RECORD_TTL_OFFSET = 4;
/** TTL and length before the data. */
export const RECORD_DATA_OFFSET = 10;

/** A resource record, its names not compressed. */
export interface WireRecord {
  readonly owner: Buffer;
  /** Type, class, TTL, length of the data, data. */
  readonly rest: Buffer;
  readonly ttlSeconds: number;
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
