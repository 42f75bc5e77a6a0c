import { expect, test } from 'vitest';
import { TurnQueue } from './turn-queue.ts';

test('run calls in order what waits, and leaves what is added meanwhile', () => {
  const called: string[] = [];
  const queue: TurnQueue<string> = new TurnQueue((item) => {
    called.push(item);
    if (item === 'a') queue.add('later');
  });
  queue.run();
  for (const item of ['a', 'b', 'c']) queue.add(item);
  queue.run(2);
  expect([called, queue.waiting]).toEqual([['a', 'b'], 2]);
  queue.run();
  expect([called, queue.waiting]).toEqual([['a', 'b', 'c', 'later'], 0]);
});

test('one that throws is not called again; those behind it and those added since are', () => {
  const called: string[] = [];
  const queue: TurnQueue<string> = new TurnQueue((item) => {
    called.push(item);
    if (item === 'bad') throw new Error(item);
  });
  for (const item of ['a', 'bad', 'bad', 'b']) queue.add(item);
  expect(() => queue.run()).toThrow('bad');
  expect(queue.waiting).toBe(2);
  queue.add('c');
  expect(() => queue.run()).toThrow('bad');
  queue.run();
  expect([called, queue.waiting]).toEqual([['a', 'bad', 'bad', 'b', 'c'], 0]);
});
