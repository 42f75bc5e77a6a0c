import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeDerElements } from './der-elements.ts';

const read = (hex: string) =>
  decodeDerElements(Buffer.from(hex, 'hex'))?.map(({ tag, content }) => [tag, Buffer.from(content).toString('hex')]);

test.each([
  { name: 'nothing', hex: '', want: [] },
  { name: 'one', hex: '0401ff', want: [[4, 'ff']] },
  {
    name: 'two',
    hex: '05000401ff',
    want: [
      [5, ''],
      [4, 'ff'],
    ],
  },
  { name: 'long form', hex: `048180${'00'.repeat(128)}`, want: [[4, '00'.repeat(128)]] },
  { name: 'length missing', hex: '04', want: undefined },
  { name: 'past the end', hex: '0402ff', want: undefined },
  { name: 'indefinite', hex: '30800000', want: undefined },
  { name: 'not minimal, one byte', hex: '048101ff', want: undefined },
  { name: 'not minimal, two bytes', hex: `04820080${'00'.repeat(128)}`, want: undefined },
  { name: 'length cut', hex: '0482', want: undefined },
  { name: 'length of four bytes', hex: '048400000001ff', want: undefined },
  { name: 'long tag', hex: '1f8100', want: undefined },
  { name: 'rubbish after', hex: '0500ff', want: undefined },
])('X.690 10: $name', ({ hex, want }) => {
  expect(read(hex)).toEqual(want);
});

test('random bytes never throw, and elements never reach outside', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const total = (decodeDerElements(bytes) ?? []).reduce((sum, { content }) => sum + content.length, 0);
      expect(total).toBeLessThanOrEqual(bytes.length);
    }),
  );
});
