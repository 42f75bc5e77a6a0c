import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SerialSet } from './serial-set.ts';

test('holds what was added, each once, and nothing else', () => {
  const serials = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3 }), { maxLength: 40 });
  fc.assert(
    fc.property(serials, serials, (added, asked) => {
      const bytes = Buffer.concat(added);
      const set = new SerialSet(bytes, added.length);
      let start = 0;
      for (const serial of added) set.add(start, (start += serial.length));
      const known = new Set(added.map((serial) => Buffer.from(serial).toString('hex')));
      expect(set.size).toBe(known.size);
      for (const serial of [...added, ...asked])
        expect(set.has(serial)).toBe(known.has(Buffer.from(serial).toString('hex')));
    }),
  );
});

test('an empty set has nothing', () => {
  expect(new SerialSet(new Uint8Array(), 0).has(Uint8Array.of(1))).toBe(false);
});

test('beyond its capacity it refuses, and still answers', () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i);
  const set = new SerialSet(bytes, 4);
  expect(() => {
    for (let i = 0; i < 64; i++) set.add(i, i + 1);
  }).toThrow(RangeError);
  expect(set.size).toBeGreaterThanOrEqual(4);
  expect([set.has(Uint8Array.of(3)), set.has(Uint8Array.of(63))]).toEqual([true, false]);
});
