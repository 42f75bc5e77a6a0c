/** One tag-length-value of DER; `content` is a view into the bytes it was read from. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** Low five bits all set announce a tag of several bytes; X.509 has none. */
const LONG_TAG = 0x1f;
const LONG_LENGTH = 0x80;
/** Four bytes would reach past 16 MiB: no certificate is that large. */
const MAX_LENGTH_BYTES = 3;

/**
 * The elements that lie one after another in `bytes`, to the last byte. Undefined if they are not DER: a length that is
 * indefinite, not minimal or past the end. Strict on purpose, for a lenient reader and the one that verified the
 * signature may disagree about what was signed.
 * @see ITU-T X.690 section 10
 */
export function decodeDerElements(bytes: Uint8Array): DerElement[] | undefined {
  const elements: DerElement[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const tag = bytes[offset] ?? 0;
    const length = decodeLength(bytes, offset + 1);
    if ((tag & LONG_TAG) === LONG_TAG || length === undefined) return undefined;
    const end = length.contentStart + length.contentBytes;
    if (end > bytes.length) return undefined;
    elements.push({ tag, content: bytes.subarray(length.contentStart, end) });
    offset = end;
  }
  return elements;
}

interface DerLength {
  readonly contentStart: number;
  readonly contentBytes: number;
}

function decodeLength(bytes: Uint8Array, offset: number): DerLength | undefined {
  const first = bytes[offset];
  if (first === undefined) return undefined;
  if (first < LONG_LENGTH) return { contentStart: offset + 1, contentBytes: first };
  const lengthBytes = first - LONG_LENGTH;
  const contentStart = offset + 1 + lengthBytes;
  if (lengthBytes < 1 || lengthBytes > MAX_LENGTH_BYTES || contentStart > bytes.length) return undefined;
  let contentBytes = 0;
  for (let i = offset + 1; i < contentStart; i++) contentBytes = contentBytes * 256 + (bytes[i] ?? 0);
  const shortest = lengthBytes === 1 ? LONG_LENGTH : 256 ** (lengthBytes - 1);
  return contentBytes < shortest ? undefined : { contentStart, contentBytes };
}
