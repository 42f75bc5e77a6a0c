import { expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { Loopback } from '../native/loopback.ts';
import { SystemCalls } from '../native/system-calls.ts';
import { openDescriptors } from '../testing/engine-rig.ts';
import { testTls } from './tls-self-test.ts';

const ARENA_BYTES = 65_536;

test('passes, synchronously, in a second or so, and leaves nothing open', () => {
  const before = openDescriptors();
  const arena = new Arena(ARENA_BYTES);
  const start = performance.now();
  testTls(new Loopback(arena, new SystemCalls(arena)), arena);
  expect(performance.now() - start).toBeLessThan(5000);
  arena.close();
  expect(openDescriptors()).toBe(before);
});
