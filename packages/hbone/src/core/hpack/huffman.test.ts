import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeHuffman, encodeHuffman, huffmanLength } from './huffman.ts';

const latin1 = fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets).toString('latin1'));

function decode(hex: string): string | undefined {
  const octets = Buffer.from(hex, 'hex');
  return decodeHuffman(octets, 0, octets.length);
}

test.each([
  { hex: 'f1e3c2e5f23a6ba0ab90f4ff', text: 'www.example.com', rule: 'C.4.1' },
  { hex: 'a8eb10649cbf', text: 'no-cache', rule: 'C.4.2' },
  { hex: '6402', text: '302', rule: 'C.6.1' },
  { hex: '', text: '', rule: 'empty' },
  { hex: '07', text: '0', rule: '3 bits of padding' },
  { hex: '00', text: undefined, rule: '5.2: padding of zeros' },
  { hex: '07ff', text: undefined, rule: '5.2: more than 7 bits of padding' },
  { hex: 'ffffffff', text: undefined, rule: '5.2: EOS' },
  { hex: 'ff', text: undefined, rule: '5.2: 8 bits of padding' },
])('$rule: $hex', ({ hex, text }) => {
  expect(decode(hex)).toBe(text);
});

test('every octet and every text survives the round trip', () => {
  fc.assert(
    fc.property(latin1, (text) => {
      const output = new Uint8Array(huffmanLength(text) + 2);
      const end = encodeHuffman(text, output, 1);
      expect(end).toBe(huffmanLength(text) + 1);
      expect(decodeHuffman(output, 1, end)).toBe(text);
    }),
  );
});

test('random octets decode or do not, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (octets) => {
      expect(() => decodeHuffman(octets, 0, octets.length)).not.toThrow();
    }),
  );
});
