import { expect, test } from 'vitest';
import { CLOSE_LIMITS } from '../engine-rules/close-limits.ts';
import { Turn } from './turn.ts';

test('a callback that throws costs neither the others nor the flushes, and is called once', async () => {
  const turn = new Turn(CLOSE_LIMITS);
  const calls: string[] = [];
  // One engine's turn: what is thrown goes to whoever listens to the process.
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const thrown = new Promise<unknown>((resolve) => {
    process.once('uncaughtException', resolve);
  });
  try {
    turn.atEnd(() => {
      calls.push('first');
      throw new Error('a fault of its own');
    });
    await new Promise<void>((flushed) => {
      turn.flushAtEnd({ flush: () => (calls.push('flush'), flushed()) });
      turn.atEnd(() => calls.push('second'));
    });
    expect(await thrown).toMatchObject({ message: 'a fault of its own' });
  } finally {
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  expect(calls).toEqual(['first', 'second', 'flush']);
});
