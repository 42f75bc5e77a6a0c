import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextParts } from './text-parts.ts';

test.each<[string, number, string | undefined, string | undefined]>([
  ['abc', 0, '', ''],
  ['abc', 1, 'a', 'c'],
  ['abc', 3, 'abc', 'abc'],
  ['abc', 4, undefined, undefined],
  ['abc', 7, undefined, undefined],
  ['', 0, '', ''],
  ['', 1, undefined, undefined],
])('of %j %i characters: first %j, last %j', (text, length, first, last) => {
  const parts = new TextParts(text);
  expect([parts.first(length), parts.last(length)]).toEqual([first, last]);
});

test('a text that has parts begins and ends with them, asked again and in any order', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.nat(12)), (text, lengths) => {
      const parts = new TextParts(text);
      for (const length of [...lengths, ...lengths]) {
        const [first, last] = [parts.first(length), parts.last(length)];
        expect(first === undefined || (first.length === length && text.startsWith(first))).toBe(true);
        expect(last === undefined || (last.length === length && text.endsWith(last))).toBe(true);
        expect([first, last].includes(undefined)).toBe(length > text.length);
      }
    }),
  );
});
