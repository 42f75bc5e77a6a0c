/** One tag-length-value of DER; `content` and `raw` are views into the bytes it was read from. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly raw: Uint8Array;
}

/** Low five bits all set announce a tag of several bytes; X.509 has none. */
const LONG_TAG = 0x1f;
const LONG_LENGTH = 0x80;
/** Four bytes would reach past 16 MiB: no certificate is that large. */
const MAX_LENGTH_BYTES = 3;

/**
 * Walks over the elements that lie one after another in `bytes`, without an allocation for each: for lists that may be
 * long. Strict on purpose, for a lenient reader and the one that verified the signature may disagree about what was
 * signed.
 * @see ITU-T X.690 section 10
 */
export class DerCursor {
  readonly bytes: Uint8Array;
  /** Of the current element. */
  tag = 0;
  /** Where the current element begins. */
  start: number;
  /** Where its content begins. */
  contentStart: number;
  /** Where its content, and so the element, ends. */
  end: number;
  /** Set once something is no DER: a length that is indefinite, not minimal or past the end. */
  malformed = false;
  #limit: number;

  /** Before the first element of `bytes` from `start` to `limit`; the whole if they are absent. */
  constructor(bytes: Uint8Array, start = 0, limit = bytes.length) {
    this.bytes = bytes;
    this.start = start;
    this.contentStart = start;
    this.end = start;
    this.#limit = limit;
  }

  /** As new, for another part of the same bytes. */
  rewind(start: number, limit: number): void {
    this.end = start;
    this.#limit = limit;
    this.malformed = false;
  }

  /** Goes to the next element; false at the end and where the bytes are malformed. */
  advance(): boolean {
    if (this.malformed || this.end >= this.#limit) return false;
    this.start = this.end;
    this.tag = this.bytes[this.start] ?? 0;
    const contentBytes = this.#length(this.start + 1);
    this.end = this.contentStart + contentBytes;
    if ((this.tag & LONG_TAG) === LONG_TAG || contentBytes < 0 || this.end > this.#limit) {
      this.malformed = true;
      this.end = this.#limit;
      return false;
    }
    return true;
  }

  /** Bytes of the content; -1 if malformed. Sets `contentStart`. */
  #length(offset: number): number {
    const first = this.bytes[offset];
    this.contentStart = offset + 1;
    if (first === undefined || offset >= this.#limit) return -1;
    if (first < LONG_LENGTH) return first;
    const lengthBytes = first - LONG_LENGTH;
    this.contentStart += lengthBytes;
    if (lengthBytes < 1 || lengthBytes > MAX_LENGTH_BYTES || this.contentStart > this.#limit) return -1;
    let contentBytes = 0;
    for (let i = offset + 1; i < this.contentStart; i++) contentBytes = contentBytes * 256 + (this.bytes[i] ?? 0);
    const shortest = lengthBytes === 1 ? LONG_LENGTH : 256 ** (lengthBytes - 1);
    return contentBytes < shortest ? -1 : contentBytes;
  }
}

/** The elements that lie one after another in `bytes`, to the last byte. Undefined if they are not DER. */
export function decodeDerElements(bytes: Uint8Array): DerElement[] | undefined {
  const elements: DerElement[] = [];
  const cursor = new DerCursor(bytes);
  while (cursor.advance()) {
    const { tag, start, contentStart, end } = cursor;
    elements.push({ tag, content: bytes.subarray(contentStart, end), raw: bytes.subarray(start, end) });
  }
  return cursor.malformed ? undefined : elements;
}

/** The one element of tag `tag` that `bytes` are; undefined if they are anything else. */
export function decodeOnlyElement(bytes: Uint8Array, tag: number): DerElement | undefined {
  const elements = decodeDerElements(bytes);
  const [element] = elements ?? [];
  return elements?.length === 1 && element?.tag === tag ? element : undefined;
}
