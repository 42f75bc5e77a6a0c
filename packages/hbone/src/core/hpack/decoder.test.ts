import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Fields } from '../contract.ts';
import { HpackDecoder } from './decoder.ts';

const NO_LIMIT = 1_000_000;

function decode(decoder: HpackDecoder, hex: string): Fields | undefined {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decoder.decode(block, 0, block.length)?.fields;
}

const REQUEST_1 = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const REQUEST_2 = [...REQUEST_1, ['cache-control', 'no-cache']];
const REQUEST_3 = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
];
const DATE_1 = 'Mon, 21 Oct 2013 20:13:21 GMT';
const RESPONSE_TAIL = [
  ['cache-control', 'private'],
  ['date', DATE_1],
  ['location', 'https://www.example.com'],
];
const RESPONSE_1 = [[':status', '302'], ...RESPONSE_TAIL];
const RESPONSE_2 = [[':status', '307'], ...RESPONSE_TAIL];
const RESPONSE_3 = [
  [':status', '200'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
  ['location', 'https://www.example.com'],
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
];

test.each([
  {
    rule: 'C.2.1',
    hex: '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
    want: [['custom-key', 'custom-header']],
  },
  { rule: 'C.2.2', hex: '040c2f73616d706c652f70617468', want: [[':path', '/sample/path']] },
  { rule: 'C.2.3', hex: '100870617373776f726406736563726574', want: [['password', 'secret']] },
  { rule: 'C.2.4', hex: '82', want: [[':method', 'GET']] },
])('RFC 7541 $rule', ({ hex, want }) => {
  expect(decode(new HpackDecoder(NO_LIMIT), hex)).toEqual(want);
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
    blocks: [
      ['828684418cf1e3c2e5f23a6ba0ab90f4ff', REQUEST_1],
      ['828684be5886a8eb10649cbf', REQUEST_2],
      ['828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', REQUEST_3],
    ] as const,
  },
  {
    // The examples have a table of 256 octets: 3fe101 is the update that says so.
    rule: 'C.5 responses without Huffman, with eviction',
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
    blocks: [
      [
        '3fe101 488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff' +
          '6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        RESPONSE_1,
      ],
      ['4883640effc1c0bf', RESPONSE_2],
      [
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960' +
          'd5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        RESPONSE_3,
      ],
    ] as const,
  },
])('RFC 7541 $rule', ({ blocks }) => {
  const decoder = new HpackDecoder(NO_LIMIT);
  for (const [hex, want] of blocks) expect(decode(decoder, hex)).toEqual(want);
});

test.each([
  { rule: '6.1: index 0', hex: '80' },
  { rule: '2.3.3: index beyond both tables', hex: 'be' },
  { rule: '2.3.3: name index beyond both tables', hex: '7e0161' },
  { rule: '5.1: integer cut off', hex: 'ff' },
  { rule: '5.1: endless integer', hex: 'ffffffffffffff0f' },
  { rule: '5.2: string longer than the block', hex: '400a6162' },
  { rule: '5.2: value missing', hex: '40016100'.slice(0, 6) },
  { rule: '5.2: bad Huffman padding', hex: '40810001 61' },
  { rule: '4.2: size update after a field', hex: '8220' },
  { rule: '6.3: size update beyond the limit', hex: '3fe21f' },
])('RFC 7541 $rule is a compression error', ({ hex }) => {
  expect(decode(new HpackDecoder(NO_LIMIT), hex)).toBeUndefined();
});

test('6.3: size updates up to the limit are taken, several too', () => {
  expect(decode(new HpackDecoder(NO_LIMIT), '20 3fe11f 82')).toEqual([[':method', 'GET']]);
});

test('4.4: an entry larger than the table empties it', () => {
  const decoder = new HpackDecoder(NO_LIMIT);
  expect(decode(decoder, '3f09 4001610162')).toEqual([['a', 'b']]);
  expect(decode(decoder, 'be')).toEqual([['a', 'b']]);
  expect(decode(decoder, `40 0a ${'61'.repeat(10)} 0162`)).toEqual([['a'.repeat(10), 'b']]);
  expect(decode(decoder, 'be')).toBeUndefined();
});

test('a list over the limit is cut and says so, and the table stays in step', () => {
  const decoder = new HpackDecoder(2 * 34 + 5);
  const block = Buffer.from('4001610162 4001630164 4001650166'.replaceAll(' ', ''), 'hex');
  expect(decoder.decode(block, 0, block.length)).toEqual({
    tooLarge: true,
    fields: [
      ['a', 'b'],
      ['c', 'd'],
    ],
  });
  expect(decode(decoder, 'be')).toEqual([['e', 'f']]);
});

test('random octets decode or do not, and never throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (blocks) => {
      const decoder = new HpackDecoder(NO_LIMIT);
      for (const block of blocks) expect(() => decoder.decode(block, 0, block.length)).not.toThrow();
    }),
  );
});
