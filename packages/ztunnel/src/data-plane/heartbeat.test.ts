import { expect, test } from 'vitest';
import { beat, createHeartbeat, readHeartbeat } from './heartbeat.ts';

test('each beat is another number, and never the one of a thread that has not begun', () => {
  const heartbeat = createHeartbeat();
  expect(readHeartbeat(heartbeat)).toBe(0);
  beat(heartbeat);
  expect(readHeartbeat(heartbeat)).toBe(1);
  heartbeat[0] = -1;
  beat(heartbeat);
  expect(readHeartbeat(heartbeat)).toBe(1);
});
