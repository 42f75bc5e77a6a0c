import { expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { foreignLibrary } from './foreign-library.ts';
import { OpenSsl } from './open-ssl.ts';

test('a callback sees of an unsigned int what C means by it, whatever the rest of its register holds', () => {
  const { koffi } = foreignLibrary();
  const seen: (readonly number[])[] = [];
  using arena = new Arena(65_536);
  const { address, release } = new OpenSsl(arena).register(
    (...values) => {
      seen.push(values);
      return 7;
    },
    ['pointer', 'unsigned int'],
  );
  // As a caller that leaves something in the upper half.
  const caller = koffi.proto('int', ['uint64_t', 'uint64_t']);
  expect(koffi.call(BigInt(address), caller, 2n ** 40n + 1n, 2n ** 40n + 12n)).toBe(7);
  expect(seen).toEqual([[2 ** 40 + 1, 12]]);
  release();
});
