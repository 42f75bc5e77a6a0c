import type { Fields } from '../core/contract.ts';
import { HpackDecoder } from '../core/hpack/decoder.ts';
import { fieldBytes } from '../core/hpack/dynamic-table.ts';
import { HpackEncoder } from '../core/hpack/encoder.ts';
import { decodeHuffman, encodeHuffman, huffmanLength } from '../core/hpack/huffman.ts';
import { demand } from './event-oracle.ts';

const LARGE_LIST_BYTES = 65_536;

/**
 * Header blocks of a hostile peer, each behind an octet with its length: nothing throws, no list is larger than allowed,
 * and what was decoded is the same when encoded and decoded again, with tables that live as long as the connection.
 * The first octet: size of the encoders' tables in units of 16 octets, its lowest bit a small list limit.
 */
export function fuzzHpack(input: Uint8Array): void {
  const first = input[0] ?? 0;
  const maxListBytes = (first & 1) === 0 ? LARGE_LIST_BYTES : first;
  const decoder = new HpackDecoder(maxListBytes);
  const again = [new Repeater(false, first << 4), new Repeater(true, first << 4)];
  for (let at = 1; at < input.length; ) {
    const start = at + 1;
    const end = Math.min(input.length, start + input[at]!);
    const list = decoder.decode(input, start, end);
    if (list === undefined) return;
    demand(list.fields.reduce((bytes, field) => bytes + fieldBytes(field), 0) <= maxListBytes, 'the list is too large');
    for (const repeater of again) repeater.repeat(list.fields);
    at = end;
  }
}

/** Encodes field lists and decodes them again, as the two ends of a connection do. */
class Repeater {
  readonly #encoder: HpackEncoder;
  readonly #decoder = new HpackDecoder(Number.MAX_SAFE_INTEGER);

  constructor(huffman: boolean, tableBytes: number) {
    this.#encoder = new HpackEncoder(huffman);
    this.#encoder.limitTable(tableBytes);
  }

  repeat(fields: Fields): void {
    const block = this.#encoder.encode(fields);
    demand(block.length <= HpackEncoder.maxEncodedBytes(fields), `${block.length} octets are more than foretold`);
    const decoded = this.#decoder.decode(block, 0, block.length);
    demand(JSON.stringify(decoded?.fields) === JSON.stringify(fields), 'encoded and decoded fields differ');
  }
}

/** A text and its code belong to one another, one to one; nothing else is accepted. */
export function fuzzHuffman(input: Uint8Array): void {
  const decoded = decodeHuffman(input, 0, input.length);
  if (decoded !== undefined) demand(encode(decoded).equals(input), 'decoded text has another code');
  const text = Buffer.from(input).toString('latin1');
  const code = encode(text);
  demand(decodeHuffman(code, 0, code.length) === text, 'encoded text decodes to another');
}

function encode(text: string): Buffer {
  const bytes = huffmanLength(text);
  const memory = Buffer.alloc(bytes + 1, 0xee);
  demand(encodeHuffman(text, memory, 0) === bytes, 'code of another length than foretold');
  demand(memory[bytes] === 0xee, 'code beyond its length');
  return memory.subarray(0, bytes);
}
