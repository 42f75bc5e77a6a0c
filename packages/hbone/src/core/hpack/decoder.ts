import type { Field, Fields } from '../contract.ts';
import { DEFAULT_HEADER_TABLE_BYTES, DynamicTable, fieldBytes } from './dynamic-table.ts';
import { decodeHuffman, leastHuffmanText } from './huffman.ts';
import { STATIC_TABLE } from './static-table.ts';

/** Octets of an integer after its prefix: 28 bits hold every length and index we accept, and end endless integers. */
const MAX_INTEGER_OCTETS = 4;
/** The smallest size there was since the last block, and the present one. RFC 7541 4.2 */
const MAX_SIZE_UPDATES = 2;
/** Representations by their first octet. RFC 7541 6 */
const INDEXED = 0x80;
const INDEXED_PREFIX = 0x7f;
const WITH_INDEXING = 0x40;
const SIZE_UPDATE_MASK = 0xe0;
const SIZE_UPDATE = 0x20;

const EMPTY = new Uint8Array(0);

/** What a header block says. */
export interface HeaderList {
  /** In order; cut short when `tooLarge`. */
  readonly fields: Fields;
  /** The list is larger than allowed. The table is in step nevertheless, so that the connection can go on. */
  readonly tooLarge: boolean;
}

/**
 * Decoder of the header blocks of one direction of a connection. What a block costs is bounded by its octets: of a list
 * over the limit only what the table needs is decoded, so that faults inside other strings pass unnoticed. Nothing that
 * it answers or keeps shares memory with a block. Names and values are not judged (RFC 9113 8.2 is the caller's).
 *
 * @see RFC 7541
 */
export class HpackDecoder {
  readonly #table = new DynamicTable(DEFAULT_HEADER_TABLE_BYTES);
  readonly #maxListBytes: number;
  #block: Uint8Array = EMPTY;
  /** The block's memory, once there is text to read from it: making one costs as much as decoding some fields. */
  #buffer: Buffer | undefined;
  #at = 0;
  #end = 0;
  #fields: Field[] = [];
  /** Size of the list so far; not counted on once it is over the limit. */
  #bytes = 0;
  #broken = false;

  /** `maxListBytes`: sum of name, value and 32 over the fields of one block (SETTINGS_MAX_HEADER_LIST_SIZE). */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /** Decodes one whole block, `block[start, end)`; undefined: COMPRESSION_ERROR, and the decoder is of no further use. */
  decode(block: Uint8Array, start: number, end: number): HeaderList | undefined {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    this.#bytes = 0;
    this.#sizeUpdates();
    while (this.#at < this.#end && !this.#broken) {
      const first = this.#block[this.#at]!;
      if (first >= INDEXED) this.#indexed();
      // RFC 7541 4.2: a size update comes before the first field of a block
      else if ((first & SIZE_UPDATE_MASK) === SIZE_UPDATE) this.#broken = true;
      else this.#literal((first & WITH_INDEXING) !== 0);
    }
    const fields = this.#fields;
    this.#fields = [];
    // Not pinned beyond the call: it is the caller's memory.
    this.#block = EMPTY;
    this.#buffer = undefined;
    return this.#broken ? undefined : { fields, tooLarge: this.#bytes > this.#maxListBytes };
  }

  #sizeUpdates(): void {
    for (let updates = 0; this.#at < this.#end; updates++) {
      if ((this.#block[this.#at]! & SIZE_UPDATE_MASK) !== SIZE_UPDATE) return;
      const bytes = this.#integer(0x1f);
      if (updates === MAX_SIZE_UPDATES || bytes > DEFAULT_HEADER_TABLE_BYTES) this.#broken = true;
      if (this.#broken) return;
      this.#table.resize(bytes);
    }
  }

  #indexed(): void {
    if (this.#bytes > this.#maxListBytes) this.#skipIndexed();
    else {
      const field = this.#entry(this.#integer(INDEXED_PREFIX));
      if (field !== undefined) this.#take(field);
    }
  }

  /** A run of indexed fields that nobody wants, mostly of one octet each: a bomb's cheapest fuse. */
  #skipIndexed(): void {
    const last = STATIC_TABLE.length + this.#table.length;
    const oneOctet = INDEXED | Math.min(last, INDEXED_PREFIX - 1);
    while (this.#at < this.#end) {
      const octet = this.#block[this.#at]!;
      if (octet > INDEXED && octet <= oneOctet) this.#at += 1;
      else if (octet < INDEXED || this.#entry(this.#integer(INDEXED_PREFIX)) === undefined) return;
    }
  }

  #literal(indexing: boolean): void {
    const index = this.#integer(indexing ? 0x3f : 0x0f);
    // Larger text goes neither into the list nor into the table.
    const room = Math.max(this.#maxListBytes - this.#bytes, indexing ? this.#table.maxBytes : 0);
    const wanted = indexing || this.#bytes <= this.#maxListBytes ? room : -1;
    const name = index === 0 ? this.#text(wanted) : this.#entry(index)?.[0];
    const value = this.#text(name === undefined ? -1 : wanted - name.length);
    if (this.#broken) return;
    if (name === undefined || value === undefined) {
      this.#bytes = this.#maxListBytes + 1;
      if (indexing) this.#table.clear();
      return;
    }
    const field: Field = [name, value];
    if (indexing) this.#table.add(field);
    this.#take(field);
  }

  #take(field: Field): void {
    if (this.#bytes > this.#maxListBytes) return;
    this.#bytes += fieldBytes(field);
    if (this.#bytes <= this.#maxListBytes) this.#fields.push(field);
  }

  #entry(index: number): Field | undefined {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table.at(index - STATIC_TABLE.length - 1);
    if (field === undefined) this.#broken = true;
    return field;
  }

  /** RFC 7541 5.1; `mask` has the bits of the prefix. 0 when broken. */
  #integer(mask: number): number {
    const prefix = this.#block[this.#at++]! & mask;
    return prefix < mask ? prefix : this.#longInteger(mask);
  }

  #longInteger(mask: number): number {
    let value = mask;
    for (let octets = 0; octets < MAX_INTEGER_OCTETS && this.#at < this.#end; octets++) {
      const octet = this.#block[this.#at++]!;
      value += (octet & 0x7f) << (7 * octets);
      if (octet < 0x80) return value;
    }
    this.#broken = true;
    return 0;
  }

  /** RFC 7541 5.2; undefined when broken, or skipped because it is certainly longer than `wanted` characters. */
  #text(wanted: number): string | undefined {
    if (this.#at >= this.#end) this.#broken = true;
    if (this.#broken) return undefined;
    const huffman = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    if (this.#broken || length > this.#end - start) {
      this.#broken = true;
      return undefined;
    }
    this.#at += length;
    if ((huffman ? leastHuffmanText(length) : length) > wanted) return undefined;
    if (length === 0) return '';
    if (!huffman) return this.#latin1(start);
    const text = decodeHuffman(this.#block, start, this.#at);
    if (text === undefined) this.#broken = true;
    return text;
  }

  #latin1(start: number): string {
    const block = this.#block;
    this.#buffer ??= Buffer.isBuffer(block) ? block : Buffer.from(block.buffer, block.byteOffset, block.byteLength);
    return this.#buffer.toString('latin1', start, this.#at);
  }
}
