const RECORD_HEADER = 5;
/** Handshake type and length, version, random. RFC 8446 4.1.2 */
const BEFORE_SESSION_ID = 4 + 2 + 32;

/** The extensions of a ClientHello in a record of its own, by type. RFC 8446 4.1.2 */
export function clientHelloExtensions(record: Buffer): ReadonlyMap<number, Buffer> {
  let at = RECORD_HEADER + BEFORE_SESSION_ID;
  at += 1 + record.readUInt8(at);
  at += 2 + record.readUInt16BE(at);
  at += 1 + record.readUInt8(at);
  const end = at + 2 + record.readUInt16BE(at);
  at += 2;
  const extensions = new Map<number, Buffer>();
  while (at < end) {
    const length = record.readUInt16BE(at + 2);
    extensions.set(record.readUInt16BE(at), record.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return extensions;
}
