import type { TcpSegment } from './frame.ts';

/** TLS record content types, RFC 8446 B.1. */
const TLS_TYPES: Readonly<Record<number, TlsRecordName>> = {
  20: 'change_cipher_spec',
  21: 'alert',
  22: 'handshake',
  23: 'application_data',
};
const TLS_HEADER_BYTES = 5;
/** 2^14 and what encryption may add, RFC 8446 5.2. */
const MAX_TLS_RECORD_BYTES = 16_384 + 256;

/** What a TLS record says it is. */
export type TlsRecordName = 'change_cipher_spec' | 'alert' | 'handshake' | 'application_data';

/** The header of a TLS record. */
export interface TlsRecordHeader {
  readonly type: TlsRecordName;
  /** As on the wire: `0303` in every record of TLS 1.3 but the first. */
  readonly version: string;
  readonly bytes: number;
}

/** The TLS record header at the start of `bytes`; undefined if there is none. */
export function decodeTlsRecordHeader(bytes: Uint8Array): TlsRecordHeader | undefined {
  const [code = 0, major = 0, minor = 0, high = 0, low = 0] = bytes;
  const type = TLS_TYPES[code];
  const length = (high << 8) | low;
  if (bytes.length < TLS_HEADER_BYTES || type === undefined || major !== 3 || minor < 1 || minor > 3) return undefined;
  if (length === 0 || length > MAX_TLS_RECORD_BYTES) return undefined;
  return { type, version: `0${major}0${minor}`, bytes: length };
}

/** One direction of a connection: the bytes in order, without retransmissions. */
export interface DirectedStream {
  readonly source: TcpSegment['source'];
  readonly destination: TcpSegment['destination'];
  /** Whether its beginning was captured, with the SYN. */
  readonly fromStart: boolean;
  readonly bytes: Buffer;
}

/** Puts segments together to streams, in the order of their first segments. A hole (lost frame) ends a stream's bytes. */
export function assembleStreams(segments: readonly TcpSegment[]): DirectedStream[] {
  const byEnds = new Map<string, TcpSegment[]>();
  for (const segment of segments) {
    const { source, destination } = segment;
    const key = `${source.address} ${source.port} ${destination.address} ${destination.port}`;
    const known = byEnds.get(key);
    if (known === undefined) byEnds.set(key, [segment]);
    else known.push(segment);
  }
  return [...byEnds.values()].map(assemble);
}

/** Whether `bytes` is a sequence of whole TLS records from the first byte on; the last may be cut. Empty is not. */
export function isTls(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return false;
  let at = 0;
  while (at + TLS_HEADER_BYTES <= bytes.length) {
    const header = decodeTlsRecordHeader(bytes.subarray(at));
    if (header === undefined) return false;
    at += TLS_HEADER_BYTES + header.bytes;
  }
  return true;
}

/** The headers of all records in `bytes`, as far as they go. */
export function listTlsRecords(bytes: Uint8Array): TlsRecordHeader[] {
  const headers: TlsRecordHeader[] = [];
  let at = 0;
  for (;;) {
    const header = decodeTlsRecordHeader(bytes.subarray(at));
    if (header === undefined) return headers;
    headers.push(header);
    at += TLS_HEADER_BYTES + header.bytes;
  }
}

function assemble(segments: readonly TcpSegment[]): DirectedStream {
  const first = segments.find((segment) => segment.syn) ?? segments[0];
  if (first === undefined) throw new RangeError('a stream without segments');
  const start = first.syn ? first.sequence + 1 : first.sequence;
  const parts = segments
    .filter((segment) => segment.payload.length > 0)
    // Sequence numbers wrap at 2^32.
    .map((segment) => ({ at: (segment.sequence - start) | 0, payload: segment.payload }))
    .toSorted((a, b) => a.at - b.at);
  const bytes: Uint8Array[] = [];
  let end = 0;
  for (const { at, payload } of parts) {
    if (at > end) break;
    const fresh = payload.subarray(end - at);
    bytes.push(fresh);
    end += fresh.length;
  }
  return {
    source: first.source,
    destination: first.destination,
    fromStart: first.syn,
    bytes: Buffer.concat(bytes),
  };
}
