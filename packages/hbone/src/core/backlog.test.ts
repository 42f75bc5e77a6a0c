import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Backlog } from './backlog.ts';

test('what was put in comes out, in order, in pieces that hold little else', () => {
  const step = fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 3000 }), kept: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const backlog = new Backlog();
      for (const { bytes, kept } of steps)
        if (kept) backlog.keep(bytes);
        else backlog.copy(Buffer.concat([Buffer.of(0), bytes]), 1, bytes.length + 1);
      const wanted = Buffer.concat(steps.map(({ bytes }) => bytes));
      expect(backlog.bytes).toBe(wanted.length);
      const pieces = backlog.take();
      expect(Buffer.concat(pieces).equals(wanted)).toBe(true);
      const memory = pieces.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
      expect(memory).toBeLessThanOrEqual(2 * wanted.length);
      expect([backlog.bytes, backlog.take()]).toEqual([0, []]);
    }),
  );
});

test('a million octets, one at a time, are a hundred pieces', () => {
  const backlog = new Backlog();
  const octet = Uint8Array.of(7);
  for (let index = 0; index < 1_000_000; index++) backlog.copy(octet, 0, 1);
  expect(backlog.take().length).toBeLessThan(100);
});
