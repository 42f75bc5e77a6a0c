import type { Fields } from '../contract.ts';
import { DEFAULT_HEADER_TABLE_BYTES } from './decoder.ts';
import { DynamicTable, fieldBytes } from './dynamic-table.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import { findStatic, STATIC_TABLE } from './static-table.ts';

/** Octets an integer takes at most (32 bits). */
const MAX_INTEGER_BYTES = 6;
const INITIAL_OUTPUT_BYTES = 512;

/**
 * Names whose values change with every request, which would only push repeated ones (`baggage`, `:authority`) out of the
 * table. hbone.md §3.2
 */
const VOLATILE_NAMES: ReadonlySet<string> = new Set(['traceparent', 'forwarded', 'date', 'content-length']);

/** Encoder of the header blocks of one direction of a connection. RFC 7541 */
export class HpackEncoder {
  readonly #table = new DynamicTable(DEFAULT_HEADER_TABLE_BYTES);
  readonly #huffman: boolean;
  #output = Buffer.allocUnsafeSlow(INITIAL_OUTPUT_BYTES);
  #length = 0;
  /** Sizes to announce at the start of the next block. RFC 7541 4.2: the smallest in between, then the last. */
  #smallestBytes: number | undefined;

  /** `huffman`: code strings where that makes them shorter. It costs both ends time and saves about a quarter of the octets. */
  constructor(huffman: boolean) {
    this.#huffman = huffman;
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
    for (const [name, value] of fields) bytes += name.length + value.length + 3 * MAX_INTEGER_BYTES;
    return bytes;
  }

  /** One header block; a view that is valid until the next call. Names and values are latin1. */
  encode(fields: Fields): Uint8Array {
    const bytes = HpackEncoder.maxEncodedBytes(fields);
    if (bytes > this.#output.length) this.#output = Buffer.allocUnsafeSlow(2 * bytes);
    this.#length = 0;
    this.#announceSize();
    for (const [name, value] of fields) this.#field(name, value);
    return this.#output.subarray(0, this.#length);
  }

  #announceSize(): void {
    if (this.#smallestBytes === undefined) return;
    if (this.#smallestBytes < this.#table.maxBytes) this.#integer(0x20, 5, this.#smallestBytes);
    this.#integer(0x20, 5, this.#table.maxBytes);
    this.#smallestBytes = undefined;
  }

  #field(name: string, value: string): void {
    const fixed = findStatic(name, value);
    if (fixed > 0) {
      this.#integer(0x80, 7, fixed);
      return;
    }
    const repeated = this.#table.find(name, value);
    if (repeated >= 0) {
      this.#integer(0x80, 7, STATIC_TABLE.length + 1 + repeated);
      return;
    }
    const field = [name, value] as const;
    const indexing = !VOLATILE_NAMES.has(name) && fieldBytes(field) <= this.#table.maxBytes / 2;
    this.#integer(indexing ? 0x40 : 0, indexing ? 6 : 4, this.#nameIndex(name, fixed));
    if (this.#nameIndex(name, fixed) === 0) this.#string(name);
    this.#string(value);
    if (indexing) this.#table.add(field);
  }

  #nameIndex(name: string, fixed: number): number {
    if (fixed < 0) return -fixed;
    const at = this.#table.findName(name);
    return at < 0 ? 0 : STATIC_TABLE.length + 1 + at;
  }

  #string(text: string): void {
    const coded = this.#huffman ? huffmanLength(text) : text.length;
    if (coded < text.length) {
      this.#integer(0x80, 7, coded);
      this.#length = encodeHuffman(text, this.#output, this.#length);
      return;
    }
    this.#integer(0, 7, text.length);
    this.#length += this.#output.write(text, this.#length, 'latin1');
  }

  #integer(pattern: number, prefixBits: number, value: number): void {
    const mask = (1 << prefixBits) - 1;
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
