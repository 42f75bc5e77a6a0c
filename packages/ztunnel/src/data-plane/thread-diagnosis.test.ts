import { expect, test } from 'vitest';
import { type Diagnosis, ThreadDiagnosis } from './thread-diagnosis.ts';

function start() {
  const timers = new Map<() => void, number>();
  const thread = new ThreadDiagnosis({
    after: (ms, callback) => {
      timers.set(callback, ms);
      return { cancel: () => timers.delete(callback) };
    },
  });
  const results: Diagnosis[] = [];
  const examine = (kind: 'heap' | 'cpu-profile'): void =>
    thread.examine(kind === 'heap' ? { kind } : { kind, durationMs: 50 }, (result) => results.push(result));
  return { thread, timers, results, examine };
}

const read = (diagnosis: Diagnosis | undefined): unknown =>
  diagnosis !== undefined && 'json' in diagnosis ? JSON.parse(diagnosis.json) : diagnosis;

function workHard(): void {
  const endMs = performance.now() + 50;
  while (performance.now() < endMs);
}

test('heap statistics at once', () => {
  const { results, examine } = start();
  examine('heap');
  expect(read(results[0])).toMatchObject({ used_heap_size: expect.any(Number) });
});

test('a profile is made without a turn of the event loop, and names what ran', () => {
  const { timers, results, examine } = start();
  examine('cpu-profile');
  expect([...timers.values()]).toEqual([50]);
  examine('cpu-profile');
  expect(results).toEqual([{ failure: 'this thread is being profiled already' }]);
  workHard();
  for (const end of timers.keys()) end();
  expect(read(results[1])).toMatchObject({ startTime: expect.any(Number), nodes: expect.any(Array) });
  expect(JSON.stringify(results[1])).toContain('workHard');
});

test('closed: no answer, and another may begin', () => {
  const { thread, timers, results, examine } = start();
  examine('cpu-profile');
  thread.close();
  thread.close();
  expect([timers.size, results]).toEqual([0, []]);
  examine('cpu-profile');
  for (const end of timers.keys()) end();
  expect(results).toHaveLength(1);
});
