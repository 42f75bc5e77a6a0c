/** What HPACK costs. Run with `node --conditions=@ambientmesh/source packages/hbone/bench/hpack.ts`. */
import { type HpackNumbers, measureHpack } from './measure-hpack.ts';

const WARM_UP = 10;
const SAMPLES = 25;

const LINES: readonly (readonly [key: keyof HpackNumbers, what: string, unit: string])[] = [
  ['encodeNs', 'CONNECT encoded', 'ns'],
  ['encodeHuffmanNs', 'CONNECT encoded, with Huffman', 'ns'],
  ['decodeNs', 'CONNECT decoded, from our encoder', 'ns'],
  ['decodeLikeH2Ns', 'CONNECT decoded, as Rust h2 sends it', 'ns'],
  ['indexedBombMs', '128 KiB of one-octet fields', 'ms'],
  ['churnMs', '128 KiB that turn the table over', 'ms'],
  ['huffmanBombMs', '128 KiB of Huffman code', 'ms'],
];

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

for (let sample = 0; sample < WARM_UP; sample++) measureHpack();
const samples = Array.from({ length: SAMPLES }, measureHpack);
for (const [key, what, unit] of LINES) {
  const value = median(samples.map((numbers) => numbers[key]));
  process.stdout.write(`${what.padEnd(40)} ${value.toFixed(unit === 'ns' ? 0 : 3).padStart(8)} ${unit}\n`);
}
