import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { countKeys, takeTurns } from './take-turns.ts';

/** Work that lasts until it is told to end. */
function openWork(log: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const work = async () => {
    log.push(`${name} begins`);
    await promise;
    log.push(`${name} ends`);
  };
  return { work, end: resolve };
}

test('one at a time, in the order of the calls; other keys do not wait; nothing is kept', async () => {
  const log: string[] = [];
  const [a, b, other] = ['a', 'b', 'other'].map((name) => openWork(log, name));
  if (a === undefined || b === undefined || other === undefined) throw new Error('expected three');
  const all = [takeTurns('1', undefined, a.work), takeTurns('1', undefined, b.work)];
  all.push(takeTurns('2', undefined, other.work));
  for (const { end } of [other, b, a]) end();
  await Promise.all(all);
  expect(log.indexOf('b begins')).toBeGreaterThan(log.indexOf('a ends'));
  expect(countKeys()).toBe(0);
});

test('a failure lets the next one go on', async () => {
  const failed = takeTurns('1', undefined, () => Promise.reject(new Error('first')));
  const next = takeTurns('1', undefined, async () => 'second');
  await expect(failed).rejects.toThrow('first');
  expect(await next).toBe('second');
  expect(countKeys()).toBe(0);
});

test('an abort ends the waiting at once, and those behind still wait for the one that works', async () => {
  const log: string[] = [];
  const first = openWork(log, 'first');
  const controller = new AbortController();
  const working = takeTurns('1', undefined, first.work);
  const aborted = takeTurns('1', controller.signal, async () => log.push('never'));
  const behind = takeTurns('1', undefined, async () => log.push('behind'));
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  await expect(takeTurns('1', controller.signal, async () => log.push('never'))).rejects.toBe(reason);
  await setImmediate();
  expect(log).toEqual(['first begins']);
  first.end();
  await Promise.all([working, behind]);
  expect(log).toEqual(['first begins', 'first ends', 'behind']);
  expect(countKeys()).toBe(0);
});
