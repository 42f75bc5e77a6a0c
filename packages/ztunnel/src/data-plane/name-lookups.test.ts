import { expect, test } from 'vitest';
import type { LookupResult } from '../dns/lookup.ts';
import { LOOKUP_LIMIT_MS, MAX_LOOKUPS_OF_POD, NameLookups } from './name-lookups.ts';
import type { FromDataThread } from './protocol.ts';

const web = { uid: 'u', name: 'web', family: 4 } as const;

function start() {
  const timers = new Set<() => void>();
  const asked: FromDataThread[] = [];
  const engine = {
    after: (ms: number, callback: () => void) => {
      expect(ms).toBe(LOOKUP_LIMIT_MS);
      timers.add(callback);
      return { cancel: () => timers.delete(callback) };
    },
  };
  const lookups = new NameLookups(engine, (message) => asked.push(message));
  const results: LookupResult[] = [];
  const lookup = (uid: string = web.uid): void => lookups.lookup({ ...web, uid }, (result) => results.push(result));
  return { lookups, lookup, asked, results, timers };
}

test('the control thread is asked, and its first answer is passed on', () => {
  const { lookups, lookup, asked, results, timers } = start();
  lookup();
  expect(asked).toEqual([{ type: 'lookup-wanted', id: 0, ...web }]);
  expect(results).toEqual([]);
  for (const ip of ['10.0.0.1', '10.0.0.2']) lookups.answer(0, { ip });
  expect(results).toEqual([{ ip: '10.0.0.1' }]);
  expect([lookups.size, timers.size]).toEqual([0, 0]);
});

test('an answer that does not come in time is a failure', () => {
  const { lookups, lookup, results, timers } = start();
  lookup();
  for (const expire of timers) expire();
  lookups.answer(0, { ip: '10.0.0.1' });
  expect(results).toEqual([{ failure: 'dns lookup: timed out' }]);
  expect(lookups.size).toBe(0);
});

test('a pod has so many at a time, and takes nothing from others; answers make room', () => {
  const { lookups, lookup, asked, results } = start();
  for (let n = 0; n < MAX_LOOKUPS_OF_POD + 1; n++) lookup();
  expect(asked).toHaveLength(MAX_LOOKUPS_OF_POD);
  expect(results).toEqual([{ failure: 'dns lookup: too many queries' }]);
  lookup('other');
  lookups.answer(7, { ip: '10.0.0.7' });
  lookup();
  expect(asked).toHaveLength(MAX_LOOKUPS_OF_POD + 2);
  expect(results.at(-1)).toEqual({ ip: '10.0.0.7' });
});

test('a pod that is forgotten is not called, another is', () => {
  const { lookups, lookup, results, timers } = start();
  lookup();
  lookup('other');
  lookups.forget('u');
  for (const id of [0, 1]) lookups.answer(id, { ip: '10.0.0.1' });
  expect(results).toHaveLength(1);
  expect([lookups.size, timers.size]).toEqual([0, 0]);
});
