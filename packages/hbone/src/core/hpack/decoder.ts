import type { Field, Fields } from '../contract.ts';
import { DynamicTable, fieldBytes } from './dynamic-table.ts';
import { decodeHuffman } from './huffman.ts';
import { STATIC_TABLE } from './static-table.ts';

/** SETTINGS_HEADER_TABLE_SIZE that holds without a setting; we announce no other. RFC 9113 6.5.2 */
export const DEFAULT_HEADER_TABLE_BYTES = 4096;

/** Octets of an integer after its prefix: 28 bits hold every length and index we accept, and end endless integers. */
const MAX_INTEGER_OCTETS = 4;

/** What a header block says. */
export interface HeaderList {
  /** In order; cut short when `tooLarge`. */
  readonly fields: Fields;
  /** The list is larger than allowed. The table is in step nevertheless, so that the connection can go on. */
  readonly tooLarge: boolean;
}

/** Decoder of the header blocks of one direction of a connection. RFC 7541 */
export class HpackDecoder {
  readonly #table = new DynamicTable(DEFAULT_HEADER_TABLE_BYTES);
  readonly #maxListBytes: number;
  #block: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
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
    const fields: Field[] = [];
    let bytes = 0;
    let sizeUpdateAllowed = true;
    while (this.#at < this.#end && !this.#broken) {
      const first = this.#block[this.#at]!;
      if ((first & 0xe0) === 0x20) {
        // RFC 7541 4.2: a size update comes before the first field of a block
        this.#resize(sizeUpdateAllowed);
        continue;
      }
      sizeUpdateAllowed = false;
      const field = this.#field(first);
      if (field === undefined) break;
      bytes += fieldBytes(field);
      if (bytes <= this.#maxListBytes) fields.push(field);
    }
    // Not pinned beyond the call: it is the caller's memory.
    this.#block = EMPTY;
    return this.#broken ? undefined : { fields, tooLarge: bytes > this.#maxListBytes };
  }

  #resize(allowed: boolean): void {
    const bytes = this.#integer(5);
    if (!allowed || bytes > DEFAULT_HEADER_TABLE_BYTES) this.#broken = true;
    if (!this.#broken) this.#table.resize(bytes);
  }

  #field(first: number): Field | undefined {
    if ((first & 0x80) !== 0) return this.#indexed(this.#integer(7));
    // 01: with indexing, 6 bits of index; 0000 and 0001: without, never indexed, 4 bits
    const indexing = (first & 0x40) !== 0;
    const index = this.#integer(indexing ? 6 : 4);
    const name = index === 0 ? this.#string() : this.#indexed(index)?.[0];
    if (name === undefined || this.#broken) return undefined;
    const value = this.#string();
    if (value === undefined) return undefined;
    const field: Field = [name, value];
    if (indexing) this.#table.add(field);
    return field;
  }

  #indexed(index: number): Field | undefined {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table.at(index - STATIC_TABLE.length - 1);
    if (field === undefined) this.#broken = true;
    return field;
  }

  /** RFC 7541 5.1; 0 when broken. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    const prefix = this.#block[this.#at++]! & mask;
    if (prefix < mask) return prefix;
    let value = mask;
    for (let octets = 0; octets < MAX_INTEGER_OCTETS && this.#at < this.#end; octets++) {
      const octet = this.#block[this.#at++]!;
      value += (octet & 0x7f) << (7 * octets);
      if (octet < 0x80) return value;
    }
    this.#broken = true;
    return 0;
  }

  #string(): string | undefined {
    if (this.#at >= this.#end) {
      this.#broken = true;
      return undefined;
    }
    const huffman = (this.#block[this.#at]! & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    if (this.#broken || length > this.#end - start) {
      this.#broken = true;
      return undefined;
    }
    this.#at += length;
    const text = huffman ? decodeHuffman(this.#block, start, this.#at) : latin1(this.#block, start, this.#at);
    if (text === undefined) this.#broken = true;
    return text;
  }
}

const EMPTY = new Uint8Array(0);

function latin1(memory: Uint8Array, start: number, end: number): string {
  return Buffer.from(memory.buffer, memory.byteOffset + start, end - start).toString('latin1');
}
