import fc from 'fast-check';
import { expect, test } from 'vitest';
import { foreignLibrary } from '../native/foreign-library.ts';
import { Arena } from './arena.ts';
import { SLAB_BYTES, SlabPool, WARM_SLABS } from './slab-pool.ts';

const refused = (code: string): unknown => expect.objectContaining({ name: 'ReactorError', code });
const misused = refused('REACTOR_MEMORY_MISUSED');
const PAGE = foreignLibrary().find('getpagesize', 'int', [])();

/** A pool that is alone in its arena. */
function makePool(most: number, poison?: boolean): { arena: Arena; pool: SlabPool } & Disposable {
  const arena = new Arena(most * SLAB_BYTES);
  return { arena, pool: new SlabPool(arena, most, poison), [Symbol.dispose]: () => arena.close() };
}

function residentBytes(arena: Arena): number {
  const mincore = foreignLibrary().find('mincore', 'int', ['uintptr_t', 'size_t', 'uint8_t *']);
  const pages = new Uint8Array(arena.size / PAGE);
  Reflect.apply(mincore, undefined, [arena.address(0, arena.size), arena.size, pages]);
  return pages.filter((page) => (page & 1) === 1).length * PAGE;
}

test.each([false, true])('slabs are aligned, apart, counted, and used again (poison: %o)', (poison) => {
  using made = makePool(3, poison);
  const { pool } = made;
  const slabs = [pool.take(), pool.take(), pool.take()];
  expect(new Set(slabs)).toEqual(new Set([0, SLAB_BYTES, 2 * SLAB_BYTES]));
  expect([pool.taken, pool.left]).toEqual([3, 0]);
  expect(() => pool.take()).toThrow(refused('REACTOR_MEMORY_EXHAUSTED'));
  expect([pool.taken, pool.left]).toEqual([3, 0]);
  pool.give(slabs[1]!);
  expect([pool.taken, pool.left]).toEqual([2, 1]);
  expect(pool.take()).toBe(slabs[1]);
  for (const slab of slabs) pool.give(slab);
  expect([pool.taken, pool.left]).toEqual([0, 3]);
});

test('more slabs than the arena has room for are refused', () => {
  using arena = new Arena(4 * SLAB_BYTES);
  expect(() => new SlabPool(arena, 5)).toThrow(refused('REACTOR_MEMORY_EXHAUSTED'));
  expect(() => new SlabPool(arena, Number.NaN)).toThrow(refused('REACTOR_INVALID_ARGUMENT'));
  expect(() => new SlabPool(arena, -1)).toThrow(refused('REACTOR_INVALID_ARGUMENT'));
});

test.each([false, true])('giving back twice, or what is no slab, is refused (poison: %o)', (poison) => {
  using made = makePool(4, poison);
  const { pool } = made;
  const slab = pool.take();
  pool.take();
  for (const foreign of [
    -SLAB_BYTES,
    1,
    slab + 1,
    2 * SLAB_BYTES,
    4 * SLAB_BYTES,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])
    expect(() => pool.give(foreign), `${foreign}`).toThrow(misused);
  pool.give(slab);
  expect(() => pool.give(slab)).toThrow(misused);
  expect([pool.taken, pool.left]).toEqual([1, 3]);
});

test.each([0, 1, SLAB_BYTES - 1])(
  'with poison a write to a free slab at %d is trapped, and the slab is out of use',
  (at) => {
    using made = makePool(2, true);
    const { pool, arena } = made;
    const slab = pool.take();
    arena.bytes.fill(1, slab, slab + SLAB_BYTES);
    pool.give(slab);
    expect(arena.bytes[slab + at]).toBe(0xdb);
    arena.bytes[slab + at] = 1;
    expect(() => pool.take()).toThrow(
      expect.objectContaining({ code: 'REACTOR_MEMORY_MISUSED', message: expect.stringContaining(`, at ${at}`) }),
    );
    expect(pool.take()).not.toBe(slab);
    expect(() => pool.take()).toThrow(refused('REACTOR_MEMORY_EXHAUSTED'));
  },
);

test('pages of a long free list go back, and those that stay are taken first', () => {
  const most = WARM_SLABS + 100;
  using made = makePool(most);
  const { pool, arena } = made;
  const slabs = Array.from({ length: most }, () => pool.take());
  for (const slab of slabs) arena.bytes.fill(1, slab, slab + SLAB_BYTES);
  expect(residentBytes(arena)).toBe(most * SLAB_BYTES);
  for (const slab of slabs) pool.give(slab);
  expect(residentBytes(arena)).toBe(WARM_SLABS * SLAB_BYTES);
  // Around the limit nothing goes back and forth: what is taken has its pages.
  const again = Array.from({ length: WARM_SLABS }, () => pool.take());
  expect(again.every((slab) => arena.bytes[slab] === 1)).toBe(true);
  expect(arena.bytes[pool.take()]).toBe(0);
});

test('an untouched pool costs no page', () => {
  using made = makePool(4096);
  expect(residentBytes(made.arena)).toBe(0);
  made.pool.give(made.pool.take());
  expect(residentBytes(made.arena)).toBe(0);
});

test('in any order of taking and giving, nobody has the same slab, and all come back', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), fc.boolean(), (moves, poison) => {
      using made = makePool(10, poison);
      const { pool } = made;
      const held: number[] = [];
      for (const move of moves) {
        const [given] = move < held.length ? held.splice(move, 1) : [];
        if (given !== undefined) pool.give(given);
        else if (pool.left > 0) held.push(pool.take());
        expect(new Set(held).size).toBe(held.length);
        expect([pool.taken, pool.left]).toEqual([held.length, 10 - held.length]);
      }
      for (const slab of held) pool.give(slab);
      expect([pool.taken, pool.left]).toEqual([0, 10]);
    }),
    { numRuns: 50 },
  );
});
