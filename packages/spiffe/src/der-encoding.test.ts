import { expect, test } from 'vitest';
import { decodeDerElements } from './der-elements.ts';
import { encodeDer } from './der-encoding.ts';

test.each([
  { length: 0, header: '0400' },
  { length: 127, header: '047f' },
  { length: 128, header: '048180' },
  { length: 255, header: '0481ff' },
  { length: 256, header: '04820100' },
  { length: 65_535, header: '0482ffff' },
])('X.690 10.1: $length bytes have the header $header, and are read back', ({ length, header }) => {
  const encoded = encodeDer(0x04, Buffer.alloc(length, 7));
  expect(encoded.subarray(0, -length || undefined).toString('hex')).toBe(header);
  expect(decodeDerElements(encoded)).toMatchObject([{ tag: 0x04, content: Buffer.alloc(length, 7) }]);
});

test('more than 65,535 bytes are refused', () => {
  expect(() => encodeDer(0x04, Buffer.alloc(65_536))).toThrow(RangeError);
});
