import type { Field, Fields } from '../contract.ts';
import { DEFAULT_HEADER_TABLE_BYTES, fieldBytes } from './dynamic-table.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import { SearchTable } from './search-table.ts';
import { findStatic, STATIC_TABLE } from './static-table.ts';

/** Octets an integer takes at most (32 bits). */
const MAX_INTEGER_BYTES = 6;
const INITIAL_OUTPUT_BYTES = 512;

/**
 * Names whose values change with every request: of these only the name is worth a place in the table, else they push
 * repeated fields (`baggage`, `:authority`) out of it. hbone.md §3.2
 */
const VOLATILE_NAMES: ReadonlySet<string> = new Set(['traceparent', 'forwarded', 'date', 'content-length']);

/** Names of secrets, which no table on the way may hold: who can guess at them would see a hit. RFC 7541 7.1.3 */
export const NEVER_INDEXED_NAMES: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie']);

/** Representations. RFC 7541 6 */
const INDEXED = 0x80;
const WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const WITHOUT_INDEXING = 0;
/** First bit of a string. RFC 7541 5.2 */
const HUFFMAN = 0x80;

/** How an encoder treats fields, by their names. */
export interface EncoderRules {
  /** Default `NEVER_INDEXED_NAMES`. */
  readonly neverIndexed?: ReadonlySet<string>;
  /** Names of which no second value goes into the table. Default: those that differ with every HBONE request. */
  readonly volatile?: ReadonlySet<string>;
}

/**
 * Encoder of the header blocks of one direction of a connection. Its table is at most 4096 octets, whatever the peer
 * would allow.
 *
 * @see RFC 7541
 */
export class HpackEncoder {
  readonly #table = new SearchTable(DEFAULT_HEADER_TABLE_BYTES);
  readonly #huffman: boolean;
  readonly #neverIndexed: ReadonlySet<string>;
  readonly #volatile: ReadonlySet<string>;
  #output = Buffer.allocUnsafeSlow(INITIAL_OUTPUT_BYTES);
  #length = 0;
  /** Sizes to announce at the start of the next block. RFC 7541 4.2: the smallest in between, then the last. */
  #smallestBytes: number | undefined;

  /**
   * `huffman`: code strings where that makes them shorter. Of a repeated CONNECT it saves 21 of 87 octets, for 0.5 us
   * more here and 0.2 us more there (bench/hpack.ts): not worth it where header blocks are few beside their tunnels.
   */
  constructor(huffman: boolean, rules: EncoderRules = {}) {
    this.#huffman = huffman;
    this.#neverIndexed = rules.neverIndexed ?? NEVER_INDEXED_NAMES;
    this.#volatile = rules.volatile ?? VOLATILE_NAMES;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; more than the default is not used. */
  limitTable(peerBytes: number): void {
    const bytes = Math.min(peerBytes, DEFAULT_HEADER_TABLE_BYTES);
    if (bytes === this.#table.maxBytes) return;
    this.#smallestBytes = Math.min(bytes, this.#smallestBytes ?? bytes);
    this.#table.resize(bytes);
  }

  /** Octets that `encode` needs at most: a caller's check before the table is changed. */
  static maxEncodedBytes(fields: Fields): number {
    let bytes = 2 * MAX_INTEGER_BYTES;
    for (const field of fields) bytes += field[0].length + field[1].length + 3 * MAX_INTEGER_BYTES;
    return bytes;
  }

  /** One header block; a view that is valid until the next call. Names and values are latin1. */
  encode(fields: Fields): Uint8Array {
    const bytes = HpackEncoder.maxEncodedBytes(fields);
    if (bytes > this.#output.length) this.#output = Buffer.allocUnsafeSlow(2 * bytes);
    this.#length = 0;
    this.#announceSize();
    for (const field of fields) this.#field(field);
    return this.#output.subarray(0, this.#length);
  }

  #announceSize(): void {
    if (this.#smallestBytes === undefined) return;
    if (this.#smallestBytes < this.#table.maxBytes) this.#integer(SIZE_UPDATE, 0x1f, this.#smallestBytes);
    this.#integer(SIZE_UPDATE, 0x1f, this.#table.maxBytes);
    this.#smallestBytes = undefined;
  }

  #field(field: Field): void {
    const [name, value] = field;
    const fixed = findStatic(name, value);
    if (this.#neverIndexed.has(name)) {
      this.#literal(NEVER_INDEXED, this.#nameIndex(name, fixed), name, value);
      return;
    }
    const changes = this.#volatile.has(name);
    const index = fixed > 0 || changes ? fixed : this.#dynamicIndex(this.#table.find(name, value));
    if (index > 0) {
      this.#integer(INDEXED, 0x7f, index);
      return;
    }
    const nameIndex = this.#nameIndex(name, fixed);
    const indexing = !(changes && nameIndex > 0) && fieldBytes(field) <= this.#table.maxBytes / 2;
    this.#literal(indexing ? WITH_INDEXING : WITHOUT_INDEXING, nameIndex, name, value);
    if (indexing) this.#table.add(field);
  }

  #literal(representation: number, nameIndex: number, name: string, value: string): void {
    this.#integer(representation, representation === WITH_INDEXING ? 0x3f : 0x0f, nameIndex);
    if (nameIndex === 0) this.#string(name);
    this.#string(value);
  }

  #nameIndex(name: string, fixed: number): number {
    return fixed === 0 ? this.#dynamicIndex(this.#table.findName(name)) : Math.abs(fixed);
  }

  #dynamicIndex(at: number): number {
    return at < 0 ? 0 : STATIC_TABLE.length + 1 + at;
  }

  #string(text: string): void {
    const coded = this.#huffman ? huffmanLength(text) : text.length;
    if (coded < text.length) {
      this.#integer(HUFFMAN, 0x7f, coded);
      this.#length = encodeHuffman(text, this.#output, this.#length);
      return;
    }
    this.#integer(0, 0x7f, text.length);
    this.#length += this.#output.write(text, this.#length, 'latin1');
  }

  /** RFC 7541 5.1; `mask` has the bits of the prefix. */
  #integer(pattern: number, mask: number, value: number): void {
    if (value < mask) {
      this.#output[this.#length++] = pattern | value;
      return;
    }
    this.#output[this.#length++] = pattern | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest >>>= 7) this.#output[this.#length++] = (rest & 0x7f) | 0x80;
    this.#output[this.#length++] = rest;
  }
}
