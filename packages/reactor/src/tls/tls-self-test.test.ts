import { cpuUsage } from 'node:process';
import { expect, test } from 'vitest';
import { Arena } from '../memory/arena.ts';
import { Loopback } from '../native/loopback.ts';
import { SystemCalls } from '../native/system-calls.ts';
import { openDescriptors } from '../testing/engine-rig.ts';
import { testTls } from './tls-self-test.ts';

const ARENA_BYTES = 65_536;
/** Of computing, whatever else the machine does. A second is more than it takes. */
const MOST_MICROSECONDS = 3_000_000;

test('passes, synchronously, in a second or so, and leaves nothing open', () => {
  const before = openDescriptors();
  const arena = new Arena(ARENA_BYTES);
  const start = cpuUsage();
  testTls(new Loopback(arena, new SystemCalls(arena)), arena);
  const { user, system } = cpuUsage(start);
  expect(user + system).toBeLessThan(MOST_MICROSECONDS);
  arena.close();
  expect(openDescriptors()).toBe(before);
});
