import { expect, test } from 'vitest';
import type { Fields } from '../contract.ts';
import { HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';

const NO_LIMIT = 1_000_000;
/** The examples give every field a place in the table. */
const ALL_INDEXED = { volatile: new Set<string>(), neverIndexed: new Set<string>() };

const REQUEST_1: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const REQUEST_2: Fields = [...REQUEST_1, ['cache-control', 'no-cache']];
const REQUEST_3: Fields = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
];
const RESPONSE_TAIL: Fields = [
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['location', 'https://www.example.com'],
];
const RESPONSE_1: Fields = [[':status', '302'], ...RESPONSE_TAIL];
const RESPONSE_2: Fields = [[':status', '307'], ...RESPONSE_TAIL];
const RESPONSE_3: Fields = [
  [':status', '200'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
  ['location', 'https://www.example.com'],
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
];

function octets(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

function decode(decoder: HpackDecoder, hex: string): Fields | undefined {
  const block = octets(hex);
  return decoder.decode(block, 0, block.length)?.fields;
}

// HPACK has no prefix of 8 bits, so C.1.3 (42 is 2a) has no example of its own.
test.each([
  { rule: 'C.1.1: 10 with a prefix of 5 bits', size: 10, hex: '2a' },
  { rule: 'C.1.2: 1337 with a prefix of 5 bits', size: 1337, hex: '3f9a0a' },
])('RFC 7541 $rule', ({ size, hex }) => {
  const encoder = new HpackEncoder(false);
  encoder.limitTable(size);
  expect(encoder.encode([[':method', 'GET']])).toEqual(octets(`${hex}82`));

  const decoder = new HpackDecoder(NO_LIMIT);
  const fits = 'v'.repeat(Math.max(0, size - 33));
  decode(decoder, hex);
  const add = (value: string): void => {
    const wide = new HpackEncoder(false, ALL_INDEXED).encode([['n', value]]);
    decoder.decode(wide, 0, wide.length);
  };
  // An entry is stored if it has `size` octets, and none with one more.
  add(fits);
  expect(decode(decoder, 'be')?.[0]?.[1]).toBe(size < 33 ? undefined : fits);
  if (size < 33) return;
  add(`${fits}v`);
  expect(decode(decoder, 'be')).toBeUndefined();
});

test.each([
  { rule: 'C.2.1', hex: '400a637573746f6d2d6b65790d637573746f6d2d686561646572', want: ['custom-key', 'custom-header'] },
  { rule: 'C.2.2', hex: '040c2f73616d706c652f70617468', want: [':path', '/sample/path'] },
  { rule: 'C.2.3', hex: '100870617373776f726406736563726574', want: ['password', 'secret'] },
  { rule: 'C.2.4', hex: '82', want: [':method', 'GET'] },
] as const)('RFC 7541 $rule', ({ rule, hex, want }) => {
  const decoder = new HpackDecoder(NO_LIMIT);
  expect(decode(decoder, hex)).toEqual([want]);
  // Only the first is in the table afterwards.
  expect(decode(decoder, 'be')).toEqual(rule === 'C.2.1' ? [want] : undefined);
  const rules = { neverIndexed: new Set(['password']), volatile: new Set([':path']) };
  expect(new HpackEncoder(false, rules).encode([want])).toEqual(octets(hex));
});

test.each([
  {
    rule: 'C.3 requests without Huffman',
    blocks: [
      ['828684410f7777772e6578616d706c652e636f6d', REQUEST_1],
      ['828684be58086e6f2d6361636865', REQUEST_2],
      ['828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565', REQUEST_3],
    ] as const,
  },
  {
    rule: 'C.4 requests with Huffman',
    huffman: true,
    blocks: [
      ['828684418cf1e3c2e5f23a6ba0ab90f4ff', REQUEST_1],
      ['828684be5886a8eb10649cbf', REQUEST_2],
      ['828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', REQUEST_3],
    ] as const,
  },
  {
    // The examples have a table of 256 octets: 3fe101 is the update that says so.
    rule: 'C.5 responses without Huffman, with eviction',
    tableBytes: 256,
    blocks: [
      [
        '3fe101 4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
          '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        RESPONSE_1,
      ],
      ['4803333037c1c0bf', RESPONSE_2],
      [
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153' +
          '444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
        RESPONSE_3,
      ],
    ] as const,
  },
  {
    rule: 'C.6 responses with Huffman, with eviction',
    tableBytes: 256,
    huffman: true,
    blocks: [
      [
        '3fe101 488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff' +
          '6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        RESPONSE_1,
      ],
      // Huffman code of `307` saves nothing, so that we send it plain, which is as right.
      ['4883640effc1c0bf', RESPONSE_2, '4803333037c1c0bf'],
      [
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960' +
          'd5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        RESPONSE_3,
      ],
    ] as const,
  },
])('RFC 7541 $rule', ({ blocks, huffman = false, tableBytes = 4096 }) => {
  const decoder = new HpackDecoder(NO_LIMIT);
  const encoder = new HpackEncoder(huffman, ALL_INDEXED);
  encoder.limitTable(tableBytes);
  for (const [hex, fields, ours = hex] of blocks) {
    expect(decode(decoder, hex)).toEqual(fields);
    expect(encoder.encode(fields)).toEqual(octets(ours));
  }
});
