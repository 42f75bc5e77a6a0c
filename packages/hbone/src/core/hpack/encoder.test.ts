import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Field } from '../contract.ts';
import { HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';

const latin1 = fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets).toString('latin1'));
// Few names and values, so that they repeat; and some that never do.
const field: fc.Arbitrary<Field> = fc.tuple(
  fc.oneof(fc.constantFrom(':method', ':authority', 'baggage', 'traceparent', 'x'), latin1),
  fc.oneof(fc.constantFrom('CONNECT', 'a', 'b'.repeat(900), 'c'.repeat(3000)), latin1),
);
const step = fc.oneof(
  fc.record({ fields: fc.array(field, { maxLength: 12 }) }),
  fc.record({ tableBytes: fc.constantFrom(0, 40, 200, 4096, 65_536) }),
);

test.each([true, false])('what is encoded is decoded, with Huffman %s, whatever the sizes', (huffman) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const encoder = new HpackEncoder(huffman);
      const decoder = new HpackDecoder(10_000_000);
      for (const next of steps) {
        if ('tableBytes' in next) {
          encoder.limitTable(next.tableBytes);
          continue;
        }
        const block = encoder.encode(next.fields);
        expect(block.length).toBeLessThanOrEqual(HpackEncoder.maxEncodedBytes(next.fields));
        expect(decoder.decode(block, 0, block.length)?.fields).toEqual(next.fields);
      }
    }),
  );
});

test('repeated baggage costs one octet, a new traceparent does not push it out', () => {
  const encoder = new HpackEncoder(false);
  const baggage: Field = ['baggage', 'k8s.cluster.name=K1,k8s.namespace.name=NS1'];
  for (let request = 0; request < 200; request++) encoder.encode([baggage, ['traceparent', `00-${request}`]]);
  expect(encoder.encode([baggage]).length).toBe(1);
});

test('4.2: a table that shrank and grew is announced twice', () => {
  const encoder = new HpackEncoder(false);
  encoder.limitTable(0);
  encoder.limitTable(4096);
  expect(Buffer.from(encoder.encode([[':method', 'GET']])).toString('hex')).toBe('203fe11f82');
});
