/** RFC 5280 and PKCS#10 have no longer ones: its length fits into two bytes. */
const MAX_LENGTH = 0xffff;
const SHORT_FORM_LIMIT = 0x80;

/** One element: its tag, its length in as few bytes as DER wants, and `parts` as its content. At most 65,535 bytes of them. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length > MAX_LENGTH) throw new RangeError(`a DER element of ${length} bytes: want ${MAX_LENGTH} at most`);
  const high = length >> 8;
  const low = length & 0xff;
  if (length < SHORT_FORM_LIMIT) return Buffer.concat([Buffer.from([tag, length]), content]);
  return Buffer.concat([Buffer.from(high === 0 ? [tag, 0x81, low] : [tag, 0x82, high, low]), content]);
}
