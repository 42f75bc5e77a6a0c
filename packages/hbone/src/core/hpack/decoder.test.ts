import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fields } from '../contract.ts';
import { HpackDecoder } from './decoder.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';

const NO_LIMIT = 1_000_000;

function decode(decoder: HpackDecoder, hex: string): Fields | undefined {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decoder.decode(block, 0, block.length)?.fields;
}

function literal(first: number, octets: Uint8Array): string {
  const length = octets.length - 127;
  const prefix = [first | 0x7f, (length & 0x7f) | 0x80, ((length >>> 7) & 0x7f) | 0x80, length >>> 14];
  return Buffer.concat([Buffer.from(prefix), octets]).toString('hex');
}

function plain(text: string): string {
  return literal(0, Buffer.from(text, 'latin1'));
}

function huffman(text: string): string {
  const octets = new Uint8Array(huffmanLength(text));
  encodeHuffman(text, octets, 0);
  return literal(0x80, octets);
}

/** 127 times `a`. */
const LONG = '61'.repeat(127);

test.each([
  { rule: '6.1: index 0', hex: '80' },
  { rule: '2.3.3: index beyond both tables', hex: 'be' },
  { rule: '2.3.3: an index of several octets beyond both tables', hex: 'ff8001' },
  { rule: '2.3.3: name index beyond both tables', hex: '7e0161' },
  { rule: '2.3.3: name index beyond both tables, not indexed', hex: '0f2f0161' },
  { rule: '2.3.3: an entry that was evicted', hex: '4001610162 be', after: '20 be' },
  { rule: '5.1: integer cut off', hex: 'ff' },
  { rule: '5.1: integer cut off in the middle', hex: 'ff80' },
  { rule: '5.1: endless integer', hex: 'ffffffffffffff0f' },
  { rule: '5.1: endless integer of zeros', hex: 'ff8080808000' },
  { rule: '5.1: integer of 2^32 and more', hex: '7fffffffff0f 0161' },
  { rule: '5.1: length of 2^32 and more', hex: '007fffffffff0f 61' },
  { rule: '5.2: name longer than the block', hex: '400a6162' },
  { rule: '5.2: value longer than the block', hex: '4001610362' },
  { rule: '5.2: long value one octet too short', hex: `4001617f00${LONG.slice(2)}` },
  { rule: '5.2: name missing', hex: '40' },
  { rule: '5.2: name missing, never indexed', hex: '10' },
  { rule: '5.2: value missing', hex: '400161' },
  { rule: '5.2: value missing after an index', hex: '41' },
  { rule: '5.2: Huffman padding of zeros in a name', hex: '4081000161' },
  { rule: '5.2: Huffman padding of zeros in a value', hex: '0001618100' },
  { rule: '5.2: 8 bits of Huffman padding', hex: '00016181ff' },
  { rule: '5.2: EOS in a value', hex: '00016184ffffffff' },
  { rule: '4.2: size update after a field', hex: '8220' },
  { rule: '4.2: size update after a literal', hex: '4001610162 20' },
  { rule: '4.2: three size updates', hex: '20 20 20 82' },
  { rule: '6.3: size update beyond the limit', hex: '3fe21f' },
  { rule: '6.3: size update beyond the limit after one within', hex: '20 3fe21f' },
  { rule: '6.3: size update without end', hex: '3fffffffffff' },
])('RFC 7541 $rule is a compression error, for good', ({ hex, after }) => {
  const decoder = new HpackDecoder(NO_LIMIT);
  if (after !== undefined) expect(decode(decoder, hex)).toBeDefined();
  expect(decode(decoder, after ?? hex)).toBeUndefined();
  expect(decode(decoder, '82')).toBeUndefined();
});

test.each([
  { rule: '6.3: two size updates up to the limit', hex: '20 3fe11f 82', want: [[':method', 'GET']] },
  { rule: '6.3: a size update alone', hex: '20', want: [] },
  { rule: 'an empty block', hex: '', want: [] },
  { rule: '5.1: a length of 127, in two octets', hex: `0001617f00 ${LONG}`, want: [['a', 'a'.repeat(127)]] },
  { rule: '5.1: the same with zero octets', hex: `0001617f808000 ${LONG}`, want: [['a', 'a'.repeat(127)]] },
  { rule: '5.2: empty name and value', hex: '000000', want: [['', '']] },
  { rule: '5.2: empty name and value, Huffman', hex: '408080', want: [['', '']] },
  { rule: '5.2: octets above 7f', hex: '00016102c3a4', want: [['a', '\u00c3\u00a4']] },
  { rule: '6.2.3: never indexed by name index', hex: '1f080161', want: [['authorization', 'a']] },
])('RFC 7541 $rule', ({ hex, want }) => {
  expect(decode(new HpackDecoder(NO_LIMIT), hex)).toEqual(want);
});

test('4.4: an entry larger than the table empties it', () => {
  const decoder = new HpackDecoder(NO_LIMIT);
  expect(decode(decoder, '3f09 4001610162')).toEqual([['a', 'b']]);
  expect(decode(decoder, 'be')).toEqual([['a', 'b']]);
  expect(decode(decoder, `40 0a ${'61'.repeat(10)} 0162`)).toEqual([['a'.repeat(10), 'b']]);
  expect(decode(decoder, 'be')).toBeUndefined();
});

function over(decoder: HpackDecoder, hex: string): Fields | undefined {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const list = decoder.decode(block, 0, block.length);
  expect(list === undefined || list.tooLarge).toBe(true);
  return list?.fields;
}

describe('a list over the limit', () => {
  const LIMIT = 2 * 34 + 5;

  test('is cut and says so, and the table stays in step', () => {
    const decoder = new HpackDecoder(LIMIT);
    expect(over(decoder, '4001610162 4001630164 4001650166')).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(decode(decoder, 'be')).toEqual([['e', 'f']]);
    expect(decode(decoder, 'c0')).toEqual([['a', 'b']]);
  });

  test('is measured by itself: the next one has the whole limit', () => {
    const decoder = new HpackDecoder(LIMIT);
    for (let block = 0; block < 3; block++) over(decoder, '82 82 82');
    expect(decode(decoder, '82')).toEqual([[':method', 'GET']]);
  });

  test('exactly at the limit is none over it', () => {
    expect(decode(new HpackDecoder(34), '0001610162')).toEqual([['a', 'b']]);
    over(new HpackDecoder(33), '0001610162');
  });

  test('a field beyond it is not there, though smaller ones follow', () => {
    expect(over(new HpackDecoder(LIMIT), `0001617f00${LONG} 0001610162`)).toEqual([]);
  });

  test.each([
    { what: 'index 0', hex: '80' },
    { what: 'an index beyond the tables', hex: 'c1' },
    { what: 'a long index beyond the tables', hex: 'ff01' },
    { what: 'an endless integer', hex: 'ffffffffffffff0f' },
    { what: 'a size update', hex: '20' },
    { what: 'a string longer than the block', hex: '0001610362' },
    { what: 'bad Huffman code in what the table needs', hex: '4001618100' },
    { what: 'a name index beyond the tables', hex: '0f4f0161' },
  ])('is a compression error if it has $what', ({ hex }) => {
    expect(over(new HpackDecoder(LIMIT), `4001610162 4001630164 4001650166 82be ${hex}`)).toBeUndefined();
  });

  test('passes indices of one and two octets in both tables', () => {
    const decoder = new HpackDecoder(LIMIT);
    const entries = Array.from({ length: 100 }, () => '4001610162').join('');
    // c2 (66) and feff22 (126, 161): the dynamic table holds 62 to 161.
    expect(over(decoder, `${entries} 82 c2 fe ff22 82`)).toHaveLength(2);
    expect(over(decoder, '82 82 82 ff23')).toBeUndefined();
  });

  test('does not read what it skips', () => {
    const decoder = new HpackDecoder(LIMIT);
    expect(over(decoder, '82 82 0001618100 82')).toHaveLength(1);
  });

  test.each([
    { what: 'plain', value: plain('a'.repeat(4200)) },
    { what: 'Huffman coded, so that it has to be decoded to know', value: huffman('a'.repeat(4200)) },
    { what: 'Huffman coded and certainly too large', value: huffman('a'.repeat(30_000)) },
  ])('an entry too large for list and table empties the table: $what', ({ value }) => {
    const decoder = new HpackDecoder(LIMIT);
    decode(decoder, '4001610162');
    expect(over(decoder, `be 400163${value}`)).toEqual([['a', 'b']]);
    expect(over(decoder, `400163${value} 82`)).toEqual([]);
    expect(decode(decoder, 'be')).toBeUndefined();
  });
});

test('what was decoded does not change with the memory it came from', () => {
  const decoder = new HpackDecoder(NO_LIMIT);
  const block = Buffer.from('40046e616d650576616c7565', 'hex');
  const first = decoder.decode(block, 0, block.length);
  block.fill(0x78);
  expect(first?.fields).toEqual([['name', 'value']]);
  expect(decode(decoder, 'be')).toEqual([['name', 'value']]);
});

test('a block is where it is said to be', () => {
  const slab = Buffer.from('ff8200', 'hex');
  const view = new Uint8Array(slab.buffer, slab.byteOffset, slab.length);
  for (const memory of [slab, view])
    expect(new HpackDecoder(NO_LIMIT).decode(memory, 1, 2)?.fields).toEqual([[':method', 'GET']]);
  // Neither integer nor string reads beyond the end, though there is memory.
  expect(new HpackDecoder(NO_LIMIT).decode(slab, 0, 1)).toBeUndefined();
});

test('random octets decode or do not, and never throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (blocks) => {
      const decoder = new HpackDecoder(NO_LIMIT);
      for (const block of blocks) expect(() => decoder.decode(block, 0, block.length)).not.toThrow();
    }),
  );
});
