import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timers } from './timers.ts';

/** Timers that write down what fired. */
function makeTimers(): { timers: Timers; fired: string[]; add: (due: number, name: string) => { cancel(): void } } {
  const timers = new Timers();
  const fired: string[] = [];
  return { timers, fired, add: (due, name) => timers.add(due, () => void fired.push(name)) };
}

test('what is due fires in order of time, then of asking; the others wait', () => {
  const { timers, fired, add } = makeTimers();
  add(20, 'b1');
  add(30, 'c');
  add(10, 'a');
  add(20, 'b2');
  expect(timers.next).toBe(10);
  timers.fire(9.999);
  expect(fired).toEqual([]);
  timers.fire(20);
  expect(fired).toEqual(['a', 'b1', 'b2']);
  expect([timers.next, timers.waiting]).toEqual([30, 1]);
  timers.fire(30);
  timers.fire(1e9);
  expect(fired).toEqual(['a', 'b1', 'b2', 'c']);
  expect([timers.next, timers.waiting]).toEqual([Number.POSITIVE_INFINITY, 0]);
});

test('cancelling is idempotent, also after it has fired', () => {
  const { timers, fired, add } = makeTimers();
  const [first, second, third] = [add(1, 'first'), add(2, 'second'), add(3, 'third')];
  second.cancel();
  second.cancel();
  expect([timers.waiting, timers.next]).toEqual([2, 1]);
  timers.fire(1);
  first.cancel();
  expect([timers.waiting, timers.next]).toEqual([1, 3]);
  third.cancel();
  expect([timers.waiting, timers.next]).toEqual([0, Number.POSITIVE_INFINITY]);
  timers.fire(9);
  expect(fired).toEqual(['first']);
});

test('a callback may cancel itself, one due with it, and one due before it was added', () => {
  const { timers, fired, add } = makeTimers();
  const own = timers.add(1, () => {
    fired.push('own');
    own.cancel();
    other.cancel();
  });
  const other = add(1, 'other');
  add(2, 'last');
  timers.fire(2);
  expect(fired).toEqual(['own', 'last']);
  expect(timers.waiting).toBe(0);
});

test.each([-100, 0, 5, Number.NaN])(
  'what is added in a callback for %d waits for the next time, before nobody',
  (due) => {
    const { timers, fired, add } = makeTimers();
    timers.add(1, () => {
      fired.push('first');
      add(due, 'added');
    });
    add(5, 'second');
    timers.fire(5);
    expect(fired).toEqual(['first', 'second']);
    expect(timers.next).toBe(5);
    timers.fire(5);
    expect(fired).toEqual(['first', 'second', 'added']);
  },
);

test('one that throws is not called again, and the others keep their turn', () => {
  const { timers, fired, add } = makeTimers();
  timers.add(1, () => {
    throw new Error('a fault of its own');
  });
  add(2, 'behind');
  expect(() => timers.fire(2)).toThrow('a fault of its own');
  expect(timers.waiting).toBe(1);
  timers.fire(2);
  expect(fired).toEqual(['behind']);
});

test('100,000 timers: those that are cancelled are swept, the others fire in order', () => {
  const { timers } = makeTimers();
  const count = 100_000;
  let last = -1;
  let inOrder = true;
  let fired = 0;
  const made = Array.from({ length: count }, (_, index) => {
    const due = (index * 7_919) % count;
    return timers.add(due, () => {
      inOrder &&= due > last;
      last = due;
      fired++;
    });
  });
  for (const [index, timer] of made.entries()) if (index % 10 !== 0) timer.cancel();
  expect(timers.waiting).toBe(count / 10);
  for (let now = 0; now <= count; now += 1_000) timers.fire(now);
  expect([fired, inOrder, timers.waiting]).toEqual([count / 10, true, 0]);
});

type Move =
  | { readonly kind: 'add'; readonly after: number }
  | { readonly kind: 'cancel'; readonly which: number }
  | { readonly kind: 'fire'; readonly passed: number };

const MOVES: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), after: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fire' as const), passed: fc.nat(20) }) },
);

/** The same as a list that is sorted each time. */
class NaiveTimers {
  #waiting: { readonly due: number; readonly id: number }[] = [];

  get ids(): readonly number[] {
    return this.#waiting.map(({ id }) => id);
  }
  get next(): number {
    return Math.min(...this.#waiting.map(({ due }) => due));
  }
  add(due: number, id: number): void {
    this.#waiting.push({ due, id });
  }
  cancel(id: number): void {
    this.#waiting = this.#waiting.filter((timer) => timer.id !== id);
  }
  fire(now: number): readonly number[] {
    const due = this.#waiting.filter((timer) => timer.due <= now).toSorted((a, b) => a.due - b.due || a.id - b.id);
    this.#waiting = this.#waiting.filter((timer) => timer.due > now);
    return due.map(({ id }) => id);
  }
}

test('any moves do what a sorted list does', () => {
  fc.assert(
    fc.property(fc.array(MOVES, { maxLength: 600, size: 'max' }), (moves) => {
      const timers = new Timers();
      const naive = new NaiveTimers();
      const made: { cancel(): void }[] = [];
      const fired: number[] = [];
      let now = 0;
      for (const move of moves) {
        if (move.kind === 'add') {
          const id = made.length;
          naive.add(now + move.after, id);
          made.push(timers.add(now + move.after, () => void fired.push(id)));
        } else if (move.kind === 'cancel') {
          made[move.which]?.cancel();
          naive.cancel(move.which);
        } else {
          now += move.passed;
          fired.length = 0;
          timers.fire(now);
          expect(fired).toEqual(naive.fire(now));
        }
        expect(timers.waiting).toBe(naive.ids.length);
        expect(timers.next).toBe(naive.next);
      }
    }),
    { numRuns: 100 },
  );
});
