import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Field } from '../contract.ts';
import { DynamicTable, fieldBytes } from './dynamic-table.ts';
import { SearchTable } from './search-table.ts';

const field: fc.Arbitrary<Field> = fc.tuple(
  fc.constantFrom('a', 'b', 'long-name'),
  fc.constantFrom('', 'x', 'y', 'z'.repeat(100), 'w'.repeat(5000)),
);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ add: field }) },
  { weight: 1, arbitrary: fc.record({ resize: fc.constantFrom(0, 33, 34, 100, 1000, 4096) }) },
);

/** RFC 7541 2.3.2 and 4, as literally as it can be written; newest first. */
class Model {
  entries: Field[] = [];
  maxBytes = 4096;

  get bytes(): number {
    return this.entries.reduce((sum, entry) => sum + fieldBytes(entry), 0);
  }

  add(entry: Field): void {
    while (this.entries.length > 0 && this.bytes + fieldBytes(entry) > this.maxBytes) this.entries.pop();
    if (fieldBytes(entry) <= this.maxBytes) this.entries.unshift(entry);
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    while (this.bytes > maxBytes) this.entries.pop();
  }
}

test('a table is what RFC 7541 4 says, and finds what is in it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const model = new Model();
      const table = new SearchTable(model.maxBytes);
      for (const next of steps) {
        if ('add' in next) {
          model.add(next.add);
          table.add(next.add);
        } else {
          model.resize(next.resize);
          table.resize(next.resize);
        }
        expect(Array.from({ length: table.length }, (_, index) => table.at(index))).toEqual(model.entries);
        expect(table.at(table.length)).toBeUndefined();
        expect(table.bytes).toBe(model.bytes);
        for (const [name, value] of [...model.entries, ['a', 'none'], ['none', 'x']] as const) {
          expect(table.find(name, value)).toBe(
            model.entries.findIndex((entry) => entry[0] === name && entry[1] === value),
          );
          expect(table.findName(name)).toBe(model.entries.findIndex((entry) => entry[0] === name));
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('a full table keeps its place however often it is turned over', () => {
  const table = new DynamicTable(4096);
  for (let number = 0; number < 10_000; number++) table.add([`n${number % 10}`, '']);
  expect(table.length).toBe(Math.floor(4096 / 34));
  expect(table.at(0)).toEqual(['n9', '']);
  expect(table.at(table.length - 1)).toEqual(['n0', '']);
});
