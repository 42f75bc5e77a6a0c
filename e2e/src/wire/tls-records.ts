/** Record types of RFC 8446 section 5.1. */
const RECORD_TYPES: readonly number[] = [20, 21, 22, 23];
const HEADER_BYTES = 5;
/** RFC 8446 section 5.2: 2^14 and at most 256 of expansion. */
const MAX_RECORD_BYTES = 16_384 + 256;

/** Types of the TLS records a stream consists of (the last may be cut off). Throws if it is anything else. */
export function tlsRecordTypes(stream: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + HEADER_BYTES <= stream.length; ) {
    const type = stream.readUInt8(at);
    const version = stream.readUInt16BE(at + 1);
    const length = stream.readUInt16BE(at + 3);
    if (!RECORD_TYPES.includes(type) || version >> 8 !== 3 || length > MAX_RECORD_BYTES)
      throw new Error(`not TLS at byte ${at}: ${stream.subarray(at, at + 32).toString('latin1')}`);
    types.push(type);
    at += HEADER_BYTES + length;
  }
  return types;
}
