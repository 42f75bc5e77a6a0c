import type { Fields } from '@ambientmesh/hbone';
// oxlint-disable-next-line no-restricted-imports -- HPACK is no public part of the package
import { HpackDecoder } from '../src/core/hpack/decoder.ts';
// oxlint-disable-next-line no-restricted-imports -- HPACK is no public part of the package
import { type EncoderRules, HpackEncoder } from '../src/core/hpack/encoder.ts';

const NS_A_MS = 1e6;
/** Requests of one connection: enough to turn a table over many times. */
const REQUESTS = 4096;
/** Destinations behind one connection, as through a waypoint. */
const AUTHORITIES = 12;
const LIST_BYTES = 65_536;
/** The largest header block that a server takes by default. */
const BOMB_BYTES = 131_072;
const EPHEMERAL_PORTS = 28_232;
const FIRST_EPHEMERAL_PORT = 32_768;

/** The Rust h2 crate (hpack/encoder.rs) codes every string and gives every new value of these fields a place in the table. */
const LIKE_H2: EncoderRules = { volatile: new Set() };

/** Nanoseconds for a CONNECT's header block, and milliseconds for the dearest blocks that a server decodes at all. */
export interface HpackNumbers {
  readonly encodeNs: number;
  readonly encodeHuffmanNs: number;
  readonly decodeNs: number;
  /** Of blocks as the Rust h2 crate sends them. */
  readonly decodeLikeH2Ns: number;
  readonly indexedBombMs: number;
  readonly churnMs: number;
  readonly huffmanBombMs: number;
}

function hex(number: number, digits: number): string {
  return Math.imul(number, 0x9e37_79b1).toString(16).replace('-', 'f').padStart(digits, '7a3').slice(0, digits);
}

/** The `number`th CONNECT of a client: hbone.md §3 */
function connectFields(number: number): Fields {
  const port = FIRST_EPHEMERAL_PORT + (number % EPHEMERAL_PORTS);
  return [
    [':method', 'CONNECT'],
    [':authority', `10.244.1.${number % AUTHORITIES}:8080`],
    [
      'baggage',
      'k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=productpage,service.name=productpage,service.version=v1',
    ],
    ['forwarded', `for="10.244.1.16:${port}"`],
    ['traceparent', `00-${hex(number, 32)}-${hex(number + 1, 16)}-00`],
  ];
}

function elapsedMs(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function encodeAll(encoder: HpackEncoder, requests: readonly Fields[]): Uint8Array[] {
  return requests.map((fields) => new Uint8Array(encoder.encode(fields)));
}

function encodeNs(requests: readonly Fields[], huffman: boolean): number {
  const encoder = new HpackEncoder(huffman);
  const ms = elapsedMs(() => {
    for (const fields of requests) encoder.encode(fields);
  });
  return (ms * NS_A_MS) / requests.length;
}

function decodeNs(blocks: readonly Uint8Array[]): number {
  const decoder = new HpackDecoder(LIST_BYTES);
  const ms = elapsedMs(() => {
    for (const block of blocks) {
      if (decoder.decode(block, 0, block.length) === undefined) throw new Error('a block of ours does not decode');
    }
  });
  return (ms * NS_A_MS) / blocks.length;
}

/** A block of `BOMB_BYTES` that repeats `octets`. */
function bombMs(octets: readonly number[]): number {
  const block = new Uint8Array(BOMB_BYTES - (BOMB_BYTES % octets.length));
  for (let at = 0; at < block.length; at++) block[at] = octets[at % octets.length]!;
  const decoder = new HpackDecoder(LIST_BYTES);
  let tooLarge: boolean | undefined;
  const ms = elapsedMs(() => {
    tooLarge = decoder.decode(block, 0, block.length)?.tooLarge;
  });
  if (tooLarge !== true) throw new Error('the bomb is none');
  return ms;
}

/** One sample; the first ones of a process are not compiled yet. */
export function measureHpack(): HpackNumbers {
  const requests = Array.from({ length: REQUESTS }, (_, number) => connectFields(number));
  const blocks = encodeAll(new HpackEncoder(false), requests);
  const likeH2 = encodeAll(new HpackEncoder(true, LIKE_H2), requests);
  return {
    encodeNs: encodeNs(requests, false),
    encodeHuffmanNs: encodeNs(requests, true),
    decodeNs: decodeNs(blocks),
    decodeLikeH2Ns: decodeNs(likeH2),
    indexedBombMs: bombMs([0x82]),
    // `:authority` with an empty value, into the table each time
    churnMs: bombMs([0x41, 0]),
    // `:authority` with 126 octets of Huffman code for 201 times `0`, into the table
    huffmanBombMs: bombMs([0x41, 0x80 | 126, ...Array.from({ length: 125 }, () => 0), 0x07]),
  };
}
