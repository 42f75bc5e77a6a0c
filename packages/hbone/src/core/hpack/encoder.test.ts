import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Field } from '../contract.ts';
import { HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';

const latin1 = fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets).toString('latin1'));
// Few names and values, so that they repeat; and some that never do.
const field: fc.Arbitrary<Field> = fc.tuple(
  fc.oneof(fc.constantFrom(':method', ':authority', 'baggage', 'traceparent', 'date', 'authorization', 'x'), latin1),
  fc.oneof(fc.constantFrom('CONNECT', 'GET', '', 'a', 'b'.repeat(900), 'c'.repeat(3000)), latin1),
);
const step = fc.oneof(
  fc.record({ fields: fc.array(field, { maxLength: 12 }) }),
  fc.record({ tableBytes: fc.constantFrom(0, 40, 200, 2000, 4096, 65_536) }),
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

function hex(encoder: HpackEncoder, fields: readonly Field[]): string {
  return Buffer.from(encoder.encode(fields)).toString('hex');
}

test('of a field that changes every time the name goes into the table, once', () => {
  const encoder = new HpackEncoder(false);
  expect(hex(encoder, [['forwarded', '1']])).toBe('4009666f727761726465640131');
  expect(hex(encoder, [['forwarded', '2']])).toBe('0f2f0132');
  expect(hex(encoder, [['forwarded', '1']])).toBe('0f2f0131');
  // One with a name in the static table never needs a place.
  expect(hex(encoder, [['date', '1']])).toBe('0f120131');
  expect(hex(encoder, [['x', '1']])).toBe('4001780131');
  expect(hex(encoder, [['forwarded', '3']])).toBe('0f300133');
});

test.each([
  { name: 'authorization', first: '1f08', next: '1f08' },
  { name: 'proxy-authorization', first: '1f22', next: '1f22' },
  { name: 'cookie', first: '1f11', next: '1f11' },
])('7.1.3: $name is never indexed by default', ({ name, first, next }) => {
  const encoder = new HpackEncoder(false);
  expect(hex(encoder, [[name, 'x']])).toBe(`${first}0178`);
  expect(hex(encoder, [[name, 'x']])).toBe(`${next}0178`);
});

test("7.1.3: the names are the caller's to choose", () => {
  const encoder = new HpackEncoder(false, { neverIndexed: new Set(['token', ':method']) });
  for (let request = 0; request < 2; request++) {
    expect(hex(encoder, [['token', 'x']])).toBe('1005746f6b656e0178');
    // Not even where the value is in the static table.
    expect(hex(encoder, [[':method', 'GET']])).toBe('1203474554');
  }
  expect(hex(encoder, [['cookie', 'x']])).toBe('600178');
});

test.each([
  { rule: 'shrank and grew: twice', sizes: [0, 4096], want: '203fe11f82' },
  { rule: 'shrank twice and grew: the least and the last', sizes: [200, 100, 300], want: '3f453f8d0282' },
  { rule: 'shrank: once', sizes: [300, 200, 100], want: '3f4582' },
  { rule: 'did not change: not at all', sizes: [4096], want: '82' },
  { rule: 'grew beyond what we use: not at all', sizes: [65_536], want: '82' },
])('4.2: a table that $rule', ({ sizes, want }) => {
  const encoder = new HpackEncoder(false);
  for (const bytes of sizes) encoder.limitTable(bytes);
  expect(hex(encoder, [[':method', 'GET']])).toBe(want);
  // And that once.
  expect(hex(encoder, [[':method', 'GET']])).toBe('82');
});

test('a table of 0 octets holds nothing, and nothing is meant for it', () => {
  const encoder = new HpackEncoder(false);
  encoder.limitTable(0);
  expect(hex(encoder, [['x', '']])).toBe('2000017800');
  expect(hex(encoder, [['x', '']])).toBe('00017800');
});

test('a large field does not turn the table over', () => {
  const encoder = new HpackEncoder(false);
  encoder.encode([['x', '1']]);
  encoder.encode([['y', 'z'.repeat(2100)]]);
  expect(hex(encoder, [['x', '1']])).toBe('be');
});
